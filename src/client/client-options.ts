import { join } from 'node:path';
import type { DurabilityLevel } from '../content/local/durable.ts';
import type { ConnectContainerdOptions } from '../daemon/client/daemon.ts';
import { fileBlobLocations } from '../remotes/docker/blob-locations.ts';
import type { RegistryClientOptions } from '../remotes/docker/registry-client.ts';
import { fileUploadSessions } from '../remotes/docker/upload-sessions.ts';
import type { Resolver } from '../remotes/remote.ts';

/** What every client needs. */
export interface ClientOptions {
  /** How to talk to registries. */
  readonly registry?: RegistryClientOptions | undefined;
  /** Talks to registries instead of the client that is made from `registry`. */
  readonly resolver?: Resolver | undefined;
}

/** How to open a store on disk. */
export interface OpenOptions extends ClientOptions {
  /** The directory of the store; made when it is not there. */
  readonly root: string;
  /** `default` if not said. */
  readonly namespace?: string | undefined;
  readonly durability?: DurabilityLevel | undefined;
}

/** Options of {@link Client.withoutStore}. */
export interface WithoutStoreOptions extends ClientOptions {
  /** The directory of a store, which there need not be. */
  readonly root?: string | undefined;
  /** Of what is written to files. */
  readonly durability?: DurabilityLevel | undefined;
}

/** How to work on a containerd daemon. */
export interface ConnectOptions extends ClientOptions, ConnectContainerdOptions {}

/** What makes later copies cheaper, beside the store. */
export function remembering(root: string): Pick<RegistryClientOptions, 'uploads' | 'locations'> {
  return { uploads: fileUploadSessions(join(root, 'uploads')), locations: fileBlobLocations(join(root, 'locations')) };
}
