import type { OpenBlob, Pusher, PushOptions, PushOutcome } from '../../content/copy.ts';
import { collectDocument } from '../../content/documents.ts';
import type { AbortableOptions } from '../../content/store.ts';
import { because, DrayError, is } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { type Digest, parseDigest } from '../../spec/digest.ts';
import { documentLimit, parseIndex } from '../../spec/documents.ts';
import { isIndex, isManifestLike, manifestAccept } from '../../spec/media-types.ts';
import { isRepositoryPath } from '../../spec/reference.ts';
import { type Referrer, referrerOf } from '../../spec/referrers.ts';
import type { PusherOptions } from '../remote.ts';
import type { BlobLocations } from './blob-locations.ts';
import { exchange } from './exchange.ts';
import { blobExists } from './exists.ts';
import type { HostState } from './host-state.ts';
import { putManifest } from './manifests.ts';
import { mountBlob } from './mounts.ts';
import { hasReferrersApi } from './referrers.ts';
import { addReferrer, mayReplace } from './referrers-index.ts';
import { nameOf, type Repository } from './repository.ts';
import { getManifestFrom, type Version } from './resolver.ts';
import { smallBlob, Upload } from './upload.ts';
import type { UploadSession, UploadTarget } from './upload-session.ts';
import type { UploadSessionStore } from './upload-sessions.ts';

/** What a {@link RepositoryPusher} is made of. */
export interface RepositoryPusherOptions extends PusherOptions {
  readonly repository: Repository;
  /** The first host that may be pushed to. */
  readonly host: HostState;
  readonly version: Version;
  readonly sessions?: UploadSessionStore | undefined;
  readonly locations?: BlobLocations | undefined;
}

/** The most repositories that are asked for a blob before it is sent. */
const mountLimit = 3;

/** Writes blobs and manifests to one repository. */
export class RepositoryPusher implements Pusher {
  readonly #options: RepositoryPusherOptions;
  readonly #host: HostState;
  readonly #path: string;
  /** Manifests that were looked for and are not there. */
  readonly #missing = new Set<Digest>();
  /** Repositories that nothing is mounted from. */
  readonly #unmountable = new Set<string>();

  constructor(options: RepositoryPusherOptions) {
    this.#options = options;
    this.#host = options.host;
    this.#path = options.repository.path;
  }

  async push(target: Descriptor, open: OpenBlob, options: PushOptions = {}): Promise<PushOutcome> {
    parseDigest(target.digest);
    return isManifestLike(target.mediaType)
      ? await this.#pushManifest(target, open, options)
      : await this.#pushBlob(target, open, options);
  }

  /**
   * Whether the manifest is there, under the tags it is to have and in the list of what it refers to; when it is there without
   * them, it gets them. A registry takes a manifest only with everything below it.
   */
  async complete(target: Descriptor, { signal }: AbortableOptions = {}): Promise<boolean> {
    parseDigest(target.digest);
    const tags = this.#tagsOf(target.digest);
    const known = tags.length <= 1 && (await this.#headManifest(tags[0] ?? target.digest, signal)) === target.digest;
    if (known) {
      // Who was stopped behind a manifest without a tag may not have got to the list.
      if (tags.length === 0 && target.artifactType !== undefined) await this.#list(target, signal);
      return true;
    }
    const bytes = tags.length === 0 ? undefined : await this.#existing(target, signal);
    const isThere = bytes !== undefined && (await this.#name(target, bytes, signal));
    if (!isThere) this.#missing.add(target.digest);
    return isThere;
  }

  // False where it is without something that it refers to.
  async #name(target: Descriptor, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.#put(target, bytes, signal);
      return true;
    } catch (error) {
      if (because(error, 'content-missing')) return false;
      throw error;
    }
  }

  // Sees to it that what is there is in the list of its subject, where the registry does not.
  async #list(target: Descriptor, signal: AbortSignal | undefined): Promise<void> {
    const { repository } = this.#options;
    if (this.#host.learned.referrers.get(this.#path) === true) return;
    const bytes = await this.#existing(target, signal);
    const referrer = bytes && referrerOf(target, bytes);
    if (referrer === undefined) return;
    if (await hasReferrersApi(this.#host, repository, referrer.subject.digest, signal)) return;
    await addReferrer(this.#uploadTarget(target, signal), repository, referrer);
  }

  async #existing(target: Descriptor, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    try {
      const { bytes } = await getManifestFrom(this.#host, this.#options.repository, { digest: target.digest }, signal);
      return bytes;
    } catch (error) {
      // Some call forbidden what is not there.
      if (is(error, 'not-found') || (is(error, 'permission-denied') && error.reason === undefined)) return undefined;
      throw error;
    }
  }

  async #pushManifest(target: Descriptor, open: OpenBlob, { signal }: PushOptions): Promise<PushOutcome> {
    if (!this.#missing.delete(target.digest) && (await this.complete(target, { signal }))) return 'exists';
    const bytes = await collectDocument(open(0), target, { limit: documentLimit, signal });
    await this.#put(target, bytes, signal);
    return 'pushed';
  }

  async #put(target: Descriptor, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const { repository } = this.#options;
    const uploadTarget = this.#uploadTarget(target, signal);
    const tags = await this.#replaceable(uploadTarget, target, bytes);
    const referrer = referrerOf(target, bytes);
    // What has its tag counts as done, so that comes behind the list.
    const isKnown = await putManifest(uploadTarget, target, bytes, referrer === undefined ? tags : []).catch(
      (error) => {
        throw referrer === undefined ? error : aboutSubject(error, referrer);
      },
    );
    if (referrer === undefined) return;
    if (!isKnown) await addReferrer(uploadTarget, repository, referrer);
    if (tags.length > 0) await putManifest(uploadTarget, target, bytes, tags);
  }

  // A list of referrers that comes along as a tag takes nothing out of the one that is there.
  async #replaceable(
    uploadTarget: UploadTarget,
    { mediaType, digest }: Descriptor,
    bytes: Uint8Array,
  ): Promise<readonly string[]> {
    const tags = this.#tagsOf(digest);
    if (!isIndex(mediaType)) return tags;
    const { manifests } = parseIndex(bytes);
    const left: string[] = [];
    for (const tag of tags)
      if (await mayReplace(uploadTarget, this.#options.repository, tag, manifests)) left.push(tag);
    return left;
  }

  // With a tag and a digest the tag is for that object alone.
  #tagsOf(digest: Digest): readonly string[] {
    const { version, tags = [] } = this.#options;
    if (version.tag === undefined && tags.length === 0) return [];
    if (version.digest !== undefined && version.digest !== digest) return [];
    return [...new Set([...(version.tag === undefined ? [] : [version.tag]), ...tags])];
  }

  async #headManifest(version: string, signal: AbortSignal | undefined): Promise<Digest | undefined> {
    const response = await exchange(this.#host, {
      method: 'HEAD',
      ...this.#host.inRepository(this.#path, `manifests/${version}`, 'pull', 'push'),
      headers: { accept: manifestAccept },
      expect: 'any',
      operation: `push to ${nameOf(this.#options.repository)}`,
      signal,
    });
    await response.body.discard();
    // Whatever else it says is said again, with words, when something is pushed.
    if (response.status !== 200) return undefined;
    const said = response.headers.get('docker-content-digest')?.trim();
    return (said ?? (version.includes(':') ? version : undefined)) as Digest | undefined;
  }

  async #pushBlob(target: Descriptor, open: OpenBlob, options: PushOptions): Promise<PushOutcome> {
    const { locations } = this.#options;
    const registry = this.#host.root.host;
    // Of a small one a mount saves nothing.
    const sentTo = target.size > smallBlob ? ((await locations?.get(registry, target.digest)) ?? []) : undefined;
    const outcome = await this.#bringBlob(target, open, sentTo ?? [], options);
    if (sentTo?.includes(this.#path) === false) await locations?.add(registry, target.digest, this.#path);
    return outcome;
  }

  async #bringBlob(
    target: Descriptor,
    open: OpenBlob,
    sentTo: readonly string[],
    { onResume, signal }: PushOptions,
  ): Promise<PushOutcome> {
    const uploadTarget = this.#uploadTarget(target, signal);
    const mount = await this.#mount(target, uploadTarget, sentTo);
    if (mount === 'mounted') return 'mounted';
    if (target.size > smallBlob && (await blobExists(uploadTarget, target))) {
      await mount?.cancel();
      return 'exists';
    }
    const { sessions } = this.#options;
    return await new Upload({ target: uploadTarget, blob: target, open, session: mount, sessions, onResume }).run();
  }

  // The session that a registry opens instead of mounting is used for the upload.
  async #mount(
    target: Descriptor,
    uploadTarget: UploadTarget,
    sentTo: readonly string[],
  ): Promise<'mounted' | UploadSession | undefined> {
    // What was sent here already is most likely here: that is looked for instead.
    if (sentTo.includes(this.#path)) return undefined;
    const candidates = (await this.#options.mountFrom?.(target)) ?? [];
    const usable = new Set([...sentTo, ...candidates].filter((path) => this.#isCandidate(path)));
    for (const from of [...usable].slice(0, mountLimit)) {
      const outcome = await mountBlob(uploadTarget, target.digest, from);
      if (outcome !== undefined) return outcome;
      this.#unmountable.add(from);
    }
    return undefined;
  }

  #isCandidate(path: string): boolean {
    return isRepositoryPath(path) && path !== this.#path && !this.#unmountable.has(path);
  }

  #uploadTarget(target: Descriptor, signal: AbortSignal | undefined): UploadTarget {
    const { repository } = this.#options;
    return { host: this.#host, path: this.#path, operation: `push ${target.digest} to ${nameOf(repository)}`, signal };
  }
}

// Registries that know no subjects, or want them first, answer as if something else were missing.
function aboutSubject(error: unknown, { subject }: Referrer): unknown {
  if (!is(error, 'not-found') && !is(error, 'failed-precondition')) return error;
  const { status, codes = [] } = error.context;
  const isUnclear = status === 404 && !codes.includes('NAME_UNKNOWN');
  if (!isUnclear && !codes.includes('MANIFEST_BLOB_UNKNOWN')) return error;
  const hint = `the registry may want the subject, ${subject.digest}, before what refers to it, or know no subjects at all`;
  return new DrayError(error.kind, error.message, { ...error.context, hint });
}
