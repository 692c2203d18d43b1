import type { DurabilityLevel } from '../content/local/durable.ts';
import { DrayError } from '../errors.ts';
import { parsePlace as parseFilePlace } from '../oci/place.ts';
import type { Services } from '../services/services.ts';
import type { Place } from './place.ts';
import { StorePlace } from './store-place.ts';

/** What places are made from. */
export interface PlaceContext {
  readonly services: Services;
  readonly inRegistry: (reference: string) => Place;
  /** Of what is written to files. */
  readonly durability?: DurabilityLevel | undefined;
}

const storePattern = /^store:(?!\/\/)(.+)$/s;

/**
 * The place that a user's text names: `store:REF`, `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`,
 * `dir:DIR` as a source, and everything else a reference in a registry.
 * @throws DrayError `invalid-argument` for a malformed reference.
 */
export function parsePlace(text: string, { services, inRegistry, durability }: PlaceContext): Place {
  if (text === '')
    throw new DrayError('invalid-argument', 'a place has a name', { hint: 'write a reference, store:REF or oci:DIR' });
  const stored = storedName(text);
  if (stored !== undefined) return new StorePlace(services, stored);
  return parseFilePlace(text, { durability }) ?? inRegistry(text);
}

/** The name of the image in the store that a user's text means; undefined for any other place. */
export function storedName(text: string): string | undefined {
  return storePattern.exec(text)?.[1];
}

/** Whether {@link parsePlace} takes a text for a reference in a registry. */
export function isInRegistry(text: string): boolean {
  return storedName(text) === undefined && parseFilePlace(text) === undefined;
}
