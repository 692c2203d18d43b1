import type { Fetcher, Pusher } from '../content/copy.ts';
import type { AbortableOptions, Labels, Provider } from '../content/store.ts';
import type { DispatchOptions } from '../images/handlers.ts';
import type { TransferOptions } from '../images/transfer.ts';
import type { ReferrersOptions } from '../remotes/docker/registry-client.ts';
import type { Conversion, ConverterOptions } from '../schema1/converter.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';

/**
 * Somewhere images are: a repository of a registry, a store, a layout, an archive. A copy goes from any place to any other.
 */
export interface Place {
  /** What the place is called, as a user writes it. */
  readonly name: string;
  readonly kind: 'registry' | 'store' | 'layout' | 'archive';
  /** Opens the place for reading, with the image that its name means. The caller closes it. */
  source(options?: AbortableOptions): Promise<Source>;
  /** Opens the place for writing. The caller closes it; what was not finished then has no name. */
  target(options: TargetOptions): Promise<Target>;
}

/** A place open for reading. */
export interface Source extends AsyncDisposable {
  /** What the name stands for now. */
  readonly root: Descriptor;
  /** The canonical name, for messages and records. */
  readonly name: string;
  readonly fetcher: Fetcher;
  /** For a registry: where the blobs are, so that they can be mounted from there, and recorded as their origin. */
  readonly origin?: Origin | undefined;
  /** What refers to an object, where the place can tell; of another type too, where it cannot choose. */
  readonly referrers?: ((subject: Descriptor, options?: ReferrersOptions) => AsyncIterable<Descriptor>) | undefined;
  /** Repositories of `host` that are known to hold a blob. */
  readonly heldBy?: ((target: Descriptor, host: string) => Promise<readonly string[]>) | undefined;
}

/** A repository of a registry. */
export interface Origin {
  /** Host of the reference without its port, as it is recorded on content. */
  readonly host: string;
  /** Host with port: two origins of one authority are one registry. */
  readonly authority: string;
  readonly repository: string;
}

/** Options of {@link Place.target}. */
export interface TargetOptions extends AbortableOptions {
  readonly source: Source;
  /** More names for the root, where the place has names. */
  readonly tags?: readonly string[] | undefined;
  /** Labels for the image, where the place has labels. */
  readonly labels?: Labels | undefined;
  /** The object that is going to be named. */
  readonly root: Descriptor;
}

/** A place open for writing. */
export interface Target extends AsyncDisposable {
  readonly pusher: Pusher;
  /** Labels for documents, where the place keeps a graph by labels. */
  readonly labels?: TransferOptions['labels'];
  /** Documents that the place has already, so that they are not read from far away. */
  readonly local?: Provider | undefined;
  /** Records that one object refers to another, where the place does not know it from the object itself. */
  readonly refer?: ((subject: Digest, referrer: Descriptor) => Promise<void>) | undefined;
  /** Brings an image of Docker schema 1 in, converted, where the place can keep layers before it is known what they are. */
  readonly convertSchema1?:
    | ((source: Source, root: Descriptor, options: ConverterOptions & DispatchOptions) => Promise<Conversion>)
    | undefined;
  /** Names the root, when everything has arrived. Returns a reference with the digest. */
  finish(root: Descriptor, options?: AbortableOptions): Promise<string>;
}
