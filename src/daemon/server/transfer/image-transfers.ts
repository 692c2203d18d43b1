import type { AbortableOptions, Labels } from '../../../content/store.ts';
import type { TransferEvent } from '../../../images/transfer.ts';
import type { Services } from '../../../services/services.ts';
import type { Descriptor } from '../../../spec/descriptor.ts';

/** How images are moved for clients of a served store. `imageTransfers` of `dray` makes one. */
export interface ImageTransfers {
  /** Gives an image further names, as they are written. @throws DrayError `not-found`. */
  tag(services: Services, name: string, options: NamedOptions): Promise<void>;
  /** Takes in an archive and returns what it named. @throws DrayError as `Client.import` does. */
  import(services: Services, archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<readonly Named[]>;
  /** An archive of images. A chunk is good until the next one is asked for. @throws DrayError as `Client.export` does. */
  export(services: Services, names: readonly string[], options: ExportOptions): AsyncIterable<Uint8Array>;
  /** Brings an image from a registry and returns what it is there. @throws DrayError as `Client.pull` does. */
  pull(services: Services, from: RegistryImage, options: PullOptions): Promise<Descriptor>;
  /** Sends an image to a registry. @throws DrayError as `Client.push` does. */
  push(services: Services, name: string, to: RegistryImage, options: PushOptions): Promise<void>;
}

/** An object with a name. */
export interface Named {
  readonly name: string;
  readonly target: Descriptor;
}

/** Which names an image gets, and labels with them. */
export interface NamedOptions extends AbortableOptions {
  readonly names: readonly string[];
  readonly labels: Labels;
}

/** How an archive is taken in. Names move that stand for something else so far. */
export interface ImportOptions extends AbortableOptions {
  readonly labels: Labels;
  /** Whose content has to be there. */
  readonly platforms: 'all' | readonly string[];
  /** Also a name for the index of all images. */
  readonly indexName?: string | undefined;
  /** Names that are only tags become tags of it, as it is written. Without one nothing is named but the index. */
  readonly prefix?: string | undefined;
  /** Lets whole names lie outside the prefix. */
  readonly foreign: boolean;
  readonly digests?: 'all' | 'unnamed' | undefined;
  /** Compresses the layers of a docker archive. */
  readonly compress: boolean;
}

/** What of the images goes out. */
export interface ExportOptions extends AbortableOptions {
  readonly platforms: 'all' | readonly string[];
  /** Without a `manifest.json` for Docker. */
  readonly layoutOnly: boolean;
  readonly distributableOnly: boolean;
}

/** How a transfer from or to a registry is watched. */
export interface RegistryOptions extends AbortableOptions {
  readonly platforms: 'all' | readonly string[];
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/** How an image is pulled. */
export interface PullOptions extends RegistryOptions, NamedOptions {
  /** Also the manifests and configs of other platforms. */
  readonly allMetadata: boolean;
  /** Called when it is known what the reference stands for. */
  readonly onResolved?: ((target: Descriptor) => void) | undefined;
}

/** How an image is pushed. */
export interface PushOptions extends RegistryOptions {
  readonly onResolved?: ((target: Descriptor) => void) | undefined;
}

/** An image of a registry, and how to talk to that. */
export interface RegistryImage {
  readonly reference: string;
  readonly plainHttp: boolean;
  /** A directory of the server in the format of containerd's `certs.d`. */
  readonly hostsDirectory?: string | undefined;
  /** Asks the client who it is towards a host. Nobody, if not said. */
  readonly authenticate?: Authenticate | undefined;
}

/** Finds out who a client is towards a host; undefined for nobody. */
export type Authenticate = (host: string, options: AbortableOptions) => Promise<Answer | undefined>;

/** Who a client is: a user with a password, an identity token, or the value of an `Authorization` header. */
export type Answer =
  | { readonly is: 'password'; readonly username: string; readonly password: string }
  | { readonly is: 'identity-token'; readonly token: string }
  | { readonly is: 'header'; readonly value: string };
