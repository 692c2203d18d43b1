import { setImmediate as turn } from 'node:timers/promises';
import { openBytes } from '../content/bytes.ts';
import { pusherOf } from '../content/copy.ts';
import { ifFound } from '../errors.ts';
import { childLabels } from '../images/labels.ts';
import { createOrUpdate } from '../services/create-or-update.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { isIndex, isManifestLike, isNonDistributable } from '../spec/media-types.ts';
import { refusal } from './codes.ts';
import type { ManifestDocument } from './documents.ts';
import type { Holds } from './holds.ts';
import type { Repository } from './repository.ts';

/** Which manifests may name content that is not there: indexes alone, or images too. */
export type SparsePolicy = 'indexes' | 'all';

/**
 * Puts manifests into repositories and takes them out. A manifest stays as long as a tag, an index or its subject keeps it; one
 * that was pushed by digest alone, and one whose tag has moved on, until it is deleted. What is deleted can be collected.
 * Calls for one repository have to come one after another.
 */
export class Publisher {
  readonly #services: Services;
  readonly #holds: Holds;
  readonly #sparse: SparsePolicy;

  constructor(services: Services, holds: Holds, sparse: SparsePolicy) {
    this.#services = services;
    this.#holds = holds;
    this.#sparse = sparse;
  }

  /**
   * Puts a manifest under its digest and under tags.
   * @throws DrayError `MANIFEST_BLOB_UNKNOWN` when the repository lacks what it names and that is not allowed.
   */
  async put(
    repository: Repository,
    target: Descriptor,
    bytes: Uint8Array,
    manifest: ManifestDocument,
    tags: readonly string[],
  ): Promise<void> {
    const { full } = repository.name;
    // From here on nothing of it can be collected: first it is held, then it is looked at.
    await this.#holds.arriving(full, target.digest);
    await this.#checkChildren(repository, manifest);
    await this.#store(repository, target, bytes, manifest);
    if (manifest.subject !== undefined) await this.#holds.keepReferrer(full, manifest.subject, target.digest);
    else if (tags.length === 0) await this.#holds.keepUntagged(full, target.digest);
    for (const tag of tags) await this.#tag(repository, tag, target);
    if (tags.length > 0) await this.#holds.releaseUntagged(full, target.digest);
    // The index keeps them now.
    for (const child of manifest.children)
      if (isManifestLike(child.mediaType)) await this.#holds.releaseUntagged(full, child.digest);
  }

  /** Removes a tag; false when there is none. The manifest stays until it is collected. */
  async deleteTag(repository: Repository, tag: string): Promise<boolean> {
    const image = await repository.image(tag);
    if (image === undefined) return false;
    await this.#holds.arriving(repository.name.full, image.target.digest);
    return await this.#removeImage(image.name, image.target);
  }

  /** Removes a manifest and every tag that it has; false when it is not there. */
  async deleteManifest(repository: Repository, digest: Digest): Promise<boolean> {
    const found = await repository.manifest(digest);
    if (found === undefined) return false;
    for await (const { image } of repository.tags()) {
      if (image.target.digest === digest) await this.#removeImage(image.name, image.target);
    }
    await repository.removeManifest(digest);
    if ((await repository.manifest(digest)) === undefined) return true;
    throw refusal('UNSUPPORTED', `manifest ${digest} is part of an image that was not pushed to the registry`, {
      hint: 'remove that image from the store: dray images rm',
    });
  }

  async #checkChildren(repository: Repository, { mediaType, children }: ManifestDocument): Promise<void> {
    const lenient = this.#sparse === 'all' || isIndex(mediaType);
    for (const [index, child] of children.entries()) {
      // Some documents have thousands, and others want their turn.
      if (index % 100 === 99) await turn();
      if ((await this.#keep(repository, child)) || lenient || isNonDistributable(child.mediaType)) continue;
      throw refusal('MANIFEST_BLOB_UNKNOWN', `${child.mediaType} ${child.digest} is not in this repository`, {
        hint: 'push what a manifest names before the manifest',
      });
    }
  }

  // Whether a child is there, and stays.
  async #keep(repository: Repository, child: Descriptor): Promise<boolean> {
    if (!(await has(repository, child))) return false;
    return !(await this.#holds.mentioned(repository.name.full, child.digest)) || (await has(repository, child));
  }

  async #store(
    repository: Repository,
    target: Descriptor,
    bytes: Uint8Array,
    { children, subject }: ManifestDocument,
  ): Promise<void> {
    const labels = { ...childLabels(children), ...repository.manifestLabels(target.mediaType, subject) };
    const ref = (): string => `upload/${repository.name.full}@${target.digest}`;
    await pusherOf(this.#services.content, { ref }).push(target, openBytes(bytes), { labels });
  }

  // The manifest that had the tag is kept: somebody may know it by its digest.
  async #tag(repository: Repository, tag: string, target: Descriptor): Promise<void> {
    const image = { name: repository.imageName(tag), target, labels: repository.imageLabels };
    const before = await repository.image(tag);
    if (before !== undefined && before.target.digest !== target.digest && repository.made(before)) {
      await this.#holds.keepUntagged(repository.name.full, before.target.digest);
    }
    await createOrUpdate(this.#services.images, image);
  }

  async #removeImage(name: string, target: Descriptor): Promise<boolean> {
    return (await ifFound(this.#services.images.delete(name, { target }).then(() => true))) ?? false;
  }
}

async function has(repository: Repository, { digest, mediaType }: Descriptor): Promise<boolean> {
  const found = await (isManifestLike(mediaType) ? repository.manifest(digest) : repository.blob(digest));
  return found !== undefined;
}
