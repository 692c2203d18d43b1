import type { Info } from '../content/store.ts';
import { ifFound } from '../errors.ts';
import { literally } from '../filters/regular-expression.ts';
import type { Image } from '../services/image-store.ts';
import type { Services } from '../services/services.ts';
import { bare, type Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { isManifestLike } from '../spec/media-types.ts';
import type { Graphs, Roots } from './graphs.ts';
import type { Holds } from './holds.ts';
import type { RepositoryName } from './names.ts';

/** On a blob: the repository, whose full name follows, has it. The label goes with the blob when that is collected. */
const blobLabel = 'dray.registry.blob/';

/** On a manifest: the repository, whose full name follows, has it; the value is its media type. */
const manifestLabel = 'dray.registry.manifest/';

/** On a manifest: what it refers to as its subject. */
const subjectLabel = 'dray.registry.subject';

/** On an image: the registry made it, so the repository's members say so themselves. The value is the full name. */
const imageLabel = 'dray.registry.repository';

/** What the repositories of one registry share. */
export interface RepositoryContext {
  readonly services: Services;
  readonly holds: Holds;
  readonly graphs: Graphs;
}

/**
 * One repository as a view of the store. A blob belongs to it when it was uploaded or mounted here, a manifest when it was
 * put here: both are labels on the content, so there is one copy of the bytes and the store's own collection ends it. What
 * something else (`dray pull`, `import`) put into the store under a name of this repository belongs to it as well, as long
 * as it has that name. Made for one request: what it has found out of such names it does not ask for again.
 */
export class Repository {
  readonly name: RepositoryName;
  readonly #services: Services;
  readonly #holds: Holds;
  readonly #graphs: Graphs;
  #others: Promise<readonly Descriptor[]> | undefined;

  constructor(name: RepositoryName, { services, holds, graphs }: RepositoryContext) {
    this.name = name;
    this.#services = services;
    this.#holds = holds;
    this.#graphs = graphs;
  }

  /** A blob of the repository; its type is not known unless an image says it. */
  async blob(digest: Digest): Promise<{ digest: Digest; size: number } | undefined> {
    const info = await this.info(digest);
    if (info === undefined) return undefined;
    const isMember = info.labels[this.#blobKey] !== undefined || (await this.described(digest)) !== undefined;
    return isMember ? { digest, size: info.size } : undefined;
  }

  /** A manifest of the repository. */
  async manifest(digest: Digest): Promise<Descriptor | undefined> {
    const info = await this.info(digest);
    if (info === undefined) return undefined;
    const mediaType = info.labels[this.#manifestKey] ?? (await this.described(digest))?.mediaType;
    return mediaType !== undefined && isManifestLike(mediaType) ? { mediaType, digest, size: info.size } : undefined;
  }

  /** What an object, which need not be in the store, is called by an image of the repository that was pulled into it. */
  async described(digest: Digest): Promise<Descriptor | undefined> {
    return await this.#graphs.find(this.#fromElsewhere, digest);
  }

  /** The manifest that has a tag, when it is there. */
  async resolve(tag: string): Promise<Descriptor | undefined> {
    const image = await this.image(tag);
    if (image === undefined) return undefined;
    const info = await this.info(image.target.digest);
    if (info === undefined) return undefined;
    this.#graphs.noteRoot(this.name.full, image.target);
    return { ...bare(image.target), size: info.size };
  }

  async image(tag: string): Promise<Image | undefined> {
    return ifFound(this.#services.images.get(this.imageName(tag)));
  }

  /** Images of the repository that have a tag, in byte order of their tags. */
  async *tags(): AsyncGenerator<{ readonly tag: string; readonly image: Image }> {
    const prefix = this.imageName('');
    for await (const image of this.#services.images.list(this.#named(':'))) {
      yield { tag: image.name.slice(prefix.length), image };
    }
  }

  imageName(tag: string): string {
    return `${this.name.full}:${tag}`;
  }

  /** Whether the repository has ever been pushed to or has an image. */
  async exists(): Promise<boolean> {
    for await (const _ of this.#services.images.list(this.#named('[:@]'))) return true;
    return await this.#holds.knows(this.name.full);
  }

  /** Makes a blob a member; false when it is gone. */
  async addBlob(digest: Digest): Promise<boolean> {
    return this.#label(digest, this.#blobKey, 'blob');
  }

  /** Labels that make a blob a member as it is committed. */
  get blobLabels(): Readonly<Record<string, string>> {
    return { [this.#blobKey]: 'blob' };
  }

  /** Labels that make a manifest a member. */
  manifestLabels(mediaType: string, subject: Digest | undefined): Readonly<Record<string, string>> {
    return { [this.#manifestKey]: mediaType, ...(subject === undefined ? {} : { [subjectLabel]: subject }) };
  }

  /** Whether an image is the registry's own. */
  made(image: Image): boolean {
    return image.labels[imageLabel] === this.name.full;
  }

  /** Labels of an image that the registry makes. */
  get imageLabels(): Readonly<Record<string, string>> {
    return { [imageLabel]: this.name.full };
  }

  /** Ends the membership of a blob, which is collected when nothing else keeps it. False when it was none. */
  async removeBlob(digest: Digest): Promise<boolean> {
    const info = await this.info(digest);
    if (info?.labels[this.#blobKey] === undefined) return false;
    await this.#label(digest, this.#blobKey, '');
    await this.#holds.forget(this.name.full, digest);
    return true;
  }

  /** Ends the membership of a manifest, with everything that kept it for the registry. */
  async removeManifest(digest: Digest): Promise<void> {
    const subject = (await this.info(digest))?.labels[subjectLabel];
    await this.#label(digest, this.#manifestKey, '');
    if (subject !== undefined) await this.#holds.releaseReferrer(this.name.full, subject as Digest, digest);
    await this.#holds.releaseReferrers(this.name.full, digest);
    await this.#holds.releaseUntagged(this.name.full, digest);
    await this.#holds.forget(this.name.full, digest);
    this.#others = undefined;
  }

  /** What the store says of content, whoever it belongs to. */
  async info(digest: Digest): Promise<Info | undefined> {
    return ifFound(this.#services.content.info(digest));
  }

  get #blobKey(): string {
    return `${blobLabel}${this.name.full}`;
  }

  get #manifestKey(): string {
    return `${manifestLabel}${this.name.full}`;
  }

  async #label(digest: Digest, key: string, value: string): Promise<boolean> {
    const change = this.#services.content.update({ digest, labels: { [key]: value } }, `labels.${key}`);
    return (await ifFound(change)) !== undefined;
  }

  get #fromElsewhere(): Roots {
    return {
      repository: this.name.full,
      get: async (digest) => {
        for await (const { target } of this.#imagesFromElsewhere({ digest })) return bare(target);
        return undefined;
      },
      all: () => {
        this.#others ??= Array.fromAsync(this.#imagesFromElsewhere(), ({ target }) => bare(target));
        return this.#others;
      },
    };
  }

  #imagesFromElsewhere({ digest }: { readonly digest?: Digest } = {}): AsyncIterable<Image> {
    const others = `labels."${imageLabel}"!=${JSON.stringify(this.name.full)}`;
    const wanted = digest === undefined ? '' : `,target.digest==${JSON.stringify(digest)}`;
    return this.#services.images.list(`${this.#named('[:@]')},${others}${wanted}`);
  }

  #named(separator: string): string {
    return `name~=${JSON.stringify(`^${literally(this.name.full)}${separator}`)}`;
  }
}

/** Repositories that have a blob as their own, by the labels of its content. */
export function repositoriesOf(info: Info): string[] {
  return Object.keys(info.labels).flatMap((key) => (key.startsWith(blobLabel) ? [key.slice(blobLabel.length)] : []));
}
