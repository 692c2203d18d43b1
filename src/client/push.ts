import type { KeyObject } from 'node:crypto';
import { DrayError } from '../errors.ts';
import type { Resolver } from '../remotes/remote.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { type Copied, type CopyOptions, copyImage } from './copy.ts';
import { RegistryPlace } from './registry-place.ts';
import { StorePlace } from './store-place.ts';

/** Options of `Client.push`. */
export interface PushImageOptions extends CopyOptions {
  /** Where to; the image's own name if not said. */
  readonly target?: string | undefined;
  /** Sends this object, which need not have a name, and not what the name stands for. */
  readonly object?: Descriptor | undefined;
  /** Sends one platform as Docker schema 1, for registries that know nothing newer, signed with a key. */
  readonly schema1?: boolean | { readonly key: KeyObject } | undefined;
}

/** As `Client.push` does, from any services. */
export async function pushImage(
  services: Services,
  resolver: Resolver,
  name: string,
  { target = name, object, schema1 = false, ...options }: PushImageOptions = {},
): Promise<Copied> {
  const from = new StorePlace(services, name, { object });
  const to = new RegistryPlace(resolver, target);
  if (schema1 === false) return await copyImage(from, to, { ...options, platforms: options.platforms ?? 'all' });
  if (options.referrers === true) throw nothingRefers();
  const { pushSchema1 } = await import('./push-schema1.ts');
  return await pushSchema1(services, from, to, { ...options, ...(schema1 === true ? {} : schema1) });
}

function nothingRefers(): DrayError {
  return new DrayError('invalid-argument', 'nothing refers to an image of schema 1, which is made for the push', {
    hint: 'leave the referrers away, or send the image as it is',
  });
}
