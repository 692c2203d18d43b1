import type { DurabilityLevel } from '../content/local/durable.ts';
import type { AbortableOptions, Info } from '../content/store.ts';
import type { Daemon } from '../daemon/client/daemon.ts';
import type { Store } from '../metadata/open-store.ts';
import type { ReferrersOptions, RegistryClient } from '../remotes/docker/registry-client.ts';
import type { Resolver } from '../remotes/remote.ts';
import type { Services } from '../services/services.ts';
import { withoutStore } from '../services/without-store.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import {
  type Converted,
  type ConvertOptions,
  convertImage,
  type ExportImagesOptions,
  type ExportToLayoutOptions,
  exportImages,
  exportToLayout,
  type Imported,
  type ImportImagesOptions,
  importImages,
} from './archives.ts';
import {
  type ClientOptions,
  type ConnectOptions,
  type OpenOptions,
  remembering,
  type WithoutStoreOptions,
} from './client-options.ts';
import { type Copied, type CopyOptions, copyImage, openCopy } from './copy.ts';
import { copyEach } from './copy-each.ts';
import { LazyResolver } from './lazy-resolver.ts';
import { configOf, type ImageDocument, type LookOptions, manifestOf, referrersOf, resolveImage } from './look.ts';
import { fetchObject, pushObject } from './objects.ts';
import type { Place } from './place.ts';
import { parsePlace } from './places.ts';
import { type PullOptions, pullImage } from './pull.ts';
import { type PushImageOptions, pushImage } from './push.ts';
import { RegistryPlace } from './registry-place.ts';
import { StorePlace } from './store-place.ts';
import { tagImage } from './tag.ts';
import { digestTags, everyTag, type TagLists, type TagPair, tagsOf } from './tags.ts';

/** What a client stands on besides the services. */
interface Backing {
  readonly store?: Store | undefined;
  readonly daemon?: Daemon | undefined;
  readonly durability?: DurabilityLevel | undefined;
}

/** Moves images between registries and one namespace of a store, and looks at them in both. */
export class Client implements AsyncDisposable {
  /** The store: content, images, leases, namespaces, events. */
  readonly services: Services;
  readonly #resources = new AsyncDisposableStack();
  readonly #resolver: Resolver;
  readonly #registry: () => Promise<RegistryClient>;

  /** What only a store in a directory has: collection, backup, reasons. Undefined over other services. */
  readonly store: Store | undefined;
  /** What only a containerd daemon has: unpacking, plugins, its version. Undefined over other services. */
  readonly daemon: Daemon | undefined;
  readonly #durability: DurabilityLevel | undefined;

  private constructor(
    services: Services,
    { registry, resolver }: ClientOptions,
    { store, daemon, durability }: Backing = {},
  ) {
    this.services = services;
    this.store = store;
    this.daemon = daemon;
    this.#durability = durability;
    const lazy = new LazyResolver(registry ?? {}, this.#resources);
    this.#resolver = resolver ?? lazy;
    this.#registry = () => lazy.client();
  }

  /**
   * A client on a store in a directory. The caller closes it.
   * @throws DrayError `invalid-argument` for a malformed namespace; `failed-precondition` for a store of a newer version;
   * `permission-denied`.
   */
  static async open({ root, namespace = 'default', durability, ...options }: OpenOptions): Promise<Client> {
    const { openStore } = await import('../metadata/open-store.ts');
    const store = await openStore({ root, durability });
    try {
      const kept = store.readOnly ? {} : remembering(store.root);
      const registry = { ...kept, ...options.registry };
      const client = new Client(store.services(namespace), { ...options, registry }, { store, durability });
      client.#resources.use(store);
      return client;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * A client on a containerd daemon, or on a store that is served as one. The caller closes it.
   * @throws DrayError `unavailable` with the path of the socket when nobody listens there; `permission-denied`;
   * `deadline-exceeded` when nobody answers; `invalid-argument` for a malformed address or namespace.
   */
  static async connect(options: ConnectOptions): Promise<Client> {
    const { connectContainerd } = await import('../daemon/client/daemon.ts');
    const daemon = await connectContainerd(options);
    const client = new Client(daemon, options, { daemon });
    client.#resources.use(daemon);
    return client;
  }

  /**
   * A client without a store, for what goes between registries, layouts and archives: what needs one fails with
   * `failed-precondition`. In `root`, if it is said and can be written to, it keeps what makes the next copy cheaper.
   */
  static withoutStore({ root, durability, ...options }: WithoutStoreOptions = {}): Client {
    const kept = root === undefined ? {} : remembering(root);
    return new Client(withoutStore(), { ...options, registry: { ...kept, ...options.registry } }, { durability });
  }

  /** A client on services that somebody else opened and closes. */
  static over(services: Services, options: ClientOptions = {}): Client {
    return new Client(services, options);
  }

  /** The client for registries, for what goes beyond moving images: tags, referrers, deletion. Closed with this client. */
  registry(): Promise<RegistryClient> {
    return this.#registry();
  }

  /** The place that a text names: a reference, `store:REF`, `oci:DIR`, an archive. @throws DrayError `invalid-argument`. */
  place(text: string): Place {
    return parsePlace(text, {
      services: this.services,
      inRegistry: (reference) => this.#inRegistry(reference),
      durability: this.#durability,
    });
  }

  #placeOf(place: string | Place): Place {
    return typeof place === 'string' ? this.place(place) : place;
  }

  #inRegistry(reference: string): RegistryPlace {
    return new RegistryPlace(this.#resolver, reference, (subject, options) => this.#referrers(subject, options));
  }

  async *#referrers(reference: string, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    yield* (await this.registry()).referrers(reference, options);
  }

  /**
   * Brings an image from a registry into the store, under its own name. What is there already, whole or in part, does not
   * travel again. The index is kept whole as a document; of its content only the wanted platforms' is fetched, which is what
   * runs here if none are said. A daemon then unpacks it.
   * @throws DrayError with the side and the descriptor that failed; the image is not named then, and what has arrived stays for
   * the next attempt. When unpacking fails, the image is there and named.
   */
  async pull(reference: string, options: PullOptions = {}): Promise<Copied> {
    const from = this.#inRegistry(reference);
    return await pullImage({ from, services: this.services, daemon: this.daemon }, options);
  }

  /** As {@link pull}, but makes no name: nothing keeps the content from being collected. */
  async fetch(reference: string, options: CopyOptions = {}): Promise<Copied> {
    const from = this.#inRegistry(reference);
    return await copyImage(from, new StorePlace(this.services, from.name, { names: [] }), options);
  }

  /**
   * Sends an image from the store to a registry, all platforms if none are said: children first, tags last; what is there
   * already is not sent again.
   * @throws DrayError with the side and the descriptor that failed; `not-found` when content is missing here, also that of platforms
   * that were not pulled; `not-implemented`
   * or `failed-precondition` for an image that cannot be said in schema 1.
   */
  push(name: string, options: PushImageOptions = {}): Promise<Copied> {
    return pushImage(this.services, this.#resolver, name, options);
  }

  /** Copies an image, all platforms if none are said, between any two places; between registries nothing touches the disk. */
  async copy(source: string | Place, target: string | Place, options: CopyOptions = {}): Promise<Copied> {
    const each = { ...options, platforms: options.platforms ?? 'all' };
    return await copyImage(this.#placeOf(source), this.#placeOf(target), each);
  }

  /**
   * Copies the tags beside an image that are named after one of some digests, `sha256-….sig` and the like, as signing tools
   * make them: between registries, the store and layouts. Returns how many there were.
   * @throws DrayError `invalid-argument` for a place without tags, also when no digests are given.
   */
  async copyDigestTags(
    source: string,
    target: string,
    digests: readonly Digest[],
    options: CopyOptions = {},
  ): Promise<number> {
    let count = 0;
    for await (const pair of digestTags(source, target, digests, this.#tagLists, options)) {
      await this.copy(pair.source, pair.target, { ...options, tags: [] });
      count += 1;
    }
    return count;
  }

  /**
   * Copies images in turn, each as {@link copy} does, and yields what became of each, in that order; one that fails ends
   * nothing. While one is moved it is found out what the next ones are and whether they are over there, so that those that are
   * cost next to no time. To stop before the end is to leave the loop.
   */
  copyEach(
    pairs: Iterable<{ readonly source: string; readonly target: string }>,
    options: CopyOptions = {},
  ): AsyncGenerator<PromiseSettledResult<Copied>, undefined, undefined> {
    const each = { ...options, platforms: options.platforms ?? 'all' };
    return copyEach(pairs, async ({ source, target }) => openCopy(this.place(source), this.place(target), each));
  }

  /**
   * The tags of a repository of a registry, of the store (`store:REPOSITORY`) or of a layout (`oci:DIR:REPOSITORY`); for a
   * whole layout or archive (`oci:DIR`, `docker-archive:FILE`) what each of its images can be asked for by.
   * @throws DrayError `not-found`; `invalid-argument` for a single image or a place without names.
   */
  tags(place: string, options: AbortableOptions = {}): AsyncGenerator<string> {
    return tagsOf(place, this.#tagLists, options);
  }

  /**
   * Pairs for every tag of a repository, for {@link copyEach}: of a registry, of the store (`store:REPOSITORY`) or of a layout
   * (`oci:DIR`, with a whole name in it `oci:DIR:REPOSITORY`), to another one.
   * @throws DrayError `invalid-argument` when one of the two is a single image or a place without tags; `not-found`.
   */
  everyTag(source: string, target: string, options: AbortableOptions = {}): Promise<TagPair[]> {
    return Array.fromAsync(everyTag(source, target, this.#tagLists, options));
  }

  get #tagLists(): TagLists {
    return { registry: () => this.registry(), services: this.services };
  }

  /**
   * Gives an image of the store another name, which is returned in its canonical spelling.
   * @throws DrayError `not-found`; `already-exists` when the name means another object and `overwrite` is not set.
   */
  tag(name: string, newName: string, options: { readonly overwrite?: boolean } = {}): Promise<string> {
    return tagImage(this.services, name, newName, options);
  }

  /**
   * Takes in an archive (an image layout, or what `docker save` wrote in any of its ages; packed or not; a file, a directory or a
   * stream, read once) and names what is in it. Names come last: after a failure there are none, and a second try uses what
   * was stored.
   * @throws DrayError with reason `bad-archive`, `bad-document` or `digest-mismatch` for an archive that is not in order;
   * `already-exists` when a name stands for something else; `not-found` when content is missing.
   */
  import(source: AsyncIterable<Uint8Array> | string, options: ImportImagesOptions = {}): Promise<Imported> {
    return importImages(this.services, source, options);
  }

  /**
   * An archive of images as the bytes of a tar file; the same images give the same bytes.
   * @throws DrayError `not-found` for an image or its content; `data-loss` for content that is damaged.
   */
  export(names: readonly string[], options: ExportImagesOptions = {}): AsyncGenerator<Uint8Array> {
    return exportImages(this.services, names, options);
  }

  /** As {@link export}, into an image layout, a new one or one that is there. */
  exportLayout(names: readonly string[], directory: string, options: ExportToLayoutOptions = {}): Promise<void> {
    return exportToLayout(this.services, names, directory, options);
  }

  /** Writes an image anew in the media types of the other family, under a new name; layers and config keep their bytes. */
  convert(name: string, newName: string, options: ConvertOptions): Promise<Converted> {
    return convertImage(this.services, name, newName, options);
  }

  /** What a place has under its name; with one platform, the manifest for that. @throws DrayError `not-found`. */
  async resolve(place: string | Place, options: LookOptions = {}): Promise<{ name: string; descriptor: Descriptor }> {
    return await resolveImage(this.#placeOf(place), options);
  }

  /** The manifest or index that a place has under its name, byte for byte. @throws DrayError as {@link resolve} does. */
  async manifest(place: string | Place, options: LookOptions = {}): Promise<ImageDocument> {
    return await manifestOf(this.#placeOf(place), options);
  }

  /** The config of an image in a place, byte for byte. @throws DrayError as {@link resolve} does. */
  async config(place: string | Place, options: LookOptions = {}): Promise<ImageDocument> {
    return await configOf(this.#placeOf(place), options);
  }

  /**
   * What refers to an image in a place: signatures, attestations, documents about it.
   * @throws DrayError as {@link resolve} does; `not-implemented` for a place that cannot tell.
   */
  async *referrers(place: string | Place, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    yield* referrersOf(this.#placeOf(place), options);
  }

  /** Brings one blob of a repository into the store, without a name. Content that is there already is not fetched. */
  async fetchBlob(reference: string, digest: Digest, options: AbortableOptions = {}): Promise<Info> {
    const target = await (await this.registry()).stat(reference, digest, options);
    return await fetchObject(this.services.content, this.#resolver, reference, target, options);
  }

  /** Sends one blob of the store to a repository, as a manifest when its media type is one. */
  pushObject(
    reference: string,
    digest: Digest,
    mediaType: string,
    options: AbortableOptions = {},
  ): Promise<Descriptor> {
    return pushObject(this.services.content, this.#resolver, reference, { digest, mediaType }, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
