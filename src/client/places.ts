import type { DurabilityLevel } from '../content/local/durable.ts';
import { DrayError } from '../errors.ts';
import { parsePlace as parseFilePlace } from '../oci/place.ts';
import type { Resolver } from '../remotes/remote.ts';
import type { Services } from '../services/services.ts';
import type { Place } from './place.ts';
import { type ListReferrers, RegistryPlace } from './registry-place.ts';
import { StorePlace } from './store-place.ts';

/** What places are made from. */
export interface PlaceContext {
  readonly services: Services;
  readonly resolver: Resolver;
  readonly referrers: ListReferrers;
  /** Of what is written to files. */
  readonly durability?: DurabilityLevel | undefined;
}

const schemes: Readonly<Record<string, (rest: string, context: PlaceContext) => Place>> = {
  store: (rest, { services }) => new StorePlace(services, rest),
  docker: (rest, { resolver, referrers }) => new RegistryPlace(resolver, rest.replace(/^\/\//, ''), referrers),
};

/**
 * The place that a user's text names: `store:REF`, `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`,
 * `dir:DIR` as a source, and everything without a scheme a reference in a registry.
 * @throws DrayError `invalid-argument` for a malformed reference.
 */
export function parsePlace(text: string, context: PlaceContext): Place {
  const match = /^([a-z][a-z-]*):(?!\/\/)(.+)$/.exec(text);
  const make = match?.[1] === undefined ? undefined : schemes[match[1]];
  if (make !== undefined && match?.[2] !== undefined) return make(match[2], context);
  const file = parseFilePlace(text, { durability: context.durability });
  if (file !== undefined) return file;
  if (text === '')
    throw new DrayError('invalid-argument', 'a place has a name', { hint: 'write a reference, store:REF or oci:DIR' });
  return new RegistryPlace(context.resolver, text, context.referrers);
}
