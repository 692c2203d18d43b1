import { ifFound, is, unless } from '../errors.ts';
import type { LeaseManager, LeaseResource } from '../services/lease-manager.ts';
import type { Digest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';

/** On every lease of the registry: the full name of the repository it belongs to. */
const repositoryLabel = 'dray.registry.repository';

const knownLimit = 100_000;
const mostAttempts = 5;

/**
 * What the registry keeps from being collected besides what a tag keeps, each as leases of the store, so that it holds for
 * every process and after a restart:
 *
 * - what was uploaded or asked for lately, since the manifest that names it comes last: for `grace` milliseconds at least;
 * - manifests without a tag;
 * - manifests with a subject, listed by the subject.
 */
export class Holds {
  readonly #leases: LeaseManager;
  readonly #grace: number;
  readonly #known = new Set<string>();

  constructor(leases: LeaseManager, grace: number) {
    this.#leases = leases;
    this.#grace = grace;
  }

  /** Keeps content that is about to arrive in a repository and to be named by a manifest there. */
  async arriving(repository: string, digest: Digest): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const slot = this.#slot();
      const id = recentId(repository, slot);
      try {
        await this.#add(id, digest, { repository, expiresAt: this.#endOf(slot) });
        this.#remember(`${id} ${digest}`);
        return;
      } catch (error) {
        // Its time was over before the store got to it.
        if (!is(error, 'failed-precondition') || attempt === mostAttempts) throw error;
      }
    }
  }

  #remember(key: string): void {
    if (this.#known.size >= knownLimit) this.#known.clear();
    this.#known.add(key);
  }

  /**
   * Keeps content that a client has been told of and may name in a manifest. False when that was done lately; true when it was
   * not, so that what had been found out before has to be looked at again: a collection may have come in between.
   */
  async mentioned(repository: string, digest: Digest): Promise<boolean> {
    if (this.#known.has(`${recentId(repository, this.#slot())} ${digest}`)) return false;
    await this.arriving(repository, digest);
    return true;
  }

  /** Ends that: the content was deleted. */
  async forget(repository: string, digest: Digest): Promise<void> {
    const slot = this.#slot();
    for (const one of [slot - 1, slot]) await this.#remove(recentId(repository, one), digest);
  }

  /** Keeps a manifest that no tag keeps. */
  async keepUntagged(repository: string, digest: Digest): Promise<void> {
    await this.#add(untaggedId(repository), digest, { repository });
  }

  /** Ends that, because something else keeps it now or because it was deleted. */
  async releaseUntagged(repository: string, digest: Digest): Promise<void> {
    await this.#remove(untaggedId(repository), digest);
  }

  /** Keeps a manifest as one that refers to `subject`, which need not be there. */
  async keepReferrer(repository: string, subject: Digest, digest: Digest): Promise<void> {
    await this.#add(referrersId(repository, subject), digest, { repository });
  }

  async releaseReferrer(repository: string, subject: Digest, digest: Digest): Promise<void> {
    await this.#remove(referrersId(repository, subject), digest);
  }

  /** Lets go of all that refers to a subject, which was deleted. */
  async releaseReferrers(repository: string, subject: Digest): Promise<void> {
    await ifFound(this.#leases.delete(referrersId(repository, subject)));
  }

  /** Manifests that refer to `subject`, ordered by digest. */
  referrers(repository: string, subject: Digest): AsyncIterable<Digest> {
    return this.#list(referrersId(repository, subject));
  }

  /** Whether anything was ever pushed to the repository that has not been forgotten since. */
  async knows(repository: string): Promise<boolean> {
    for await (const _ of this.#leases.list(`labels."${repositoryLabel}"==${JSON.stringify(repository)}`)) return true;
    return false;
  }

  /** Full names of the repositories that have manifests without a tag. */
  async *repositories(): AsyncGenerator<string> {
    for await (const { id, labels } of this.#leases.list(`labels."${repositoryLabel}"`)) {
      const repository = labels[repositoryLabel];
      if (repository !== undefined && id === untaggedId(repository) && !(await this.#isEmpty(id))) yield repository;
    }
  }

  async #isEmpty(id: string): Promise<boolean> {
    for await (const _ of this.#list(id)) return false;
    return true;
  }

  /** Until when what is held from now on is kept at least. */
  endOfGrace(): Timestamp {
    return this.#endOf(this.#slot());
  }

  // Held through the whole slot and the next one; so the grace is between one and two of them.
  #slot(): number {
    return Math.floor(Date.now() / this.#grace);
  }

  #endOf(slot: number): Timestamp {
    return new Timestamp(BigInt(Math.ceil((slot + 2) * this.#grace)) * 1_000_000n);
  }

  async #add(
    id: string,
    digest: Digest,
    { repository, expiresAt }: { repository: string; expiresAt?: Timestamp | undefined },
  ): Promise<void> {
    try {
      await this.#leases.addResource(id, content(digest));
    } catch (error) {
      if (!is(error, 'not-found')) throw error;
      const lease = { id, labels: { [repositoryLabel]: repository }, expiresAt };
      await unless('already-exists', this.#leases.create(lease));
      await this.#leases.addResource(id, content(digest));
    }
  }

  async #remove(id: string, digest: Digest): Promise<void> {
    this.#known.delete(`${id} ${digest}`);
    await ifFound(this.#leases.deleteResource(id, content(digest)));
  }

  async *#list(id: string): AsyncGenerator<Digest> {
    try {
      for await (const { id: digest } of this.#leases.resources(id)) yield digest as Digest;
    } catch (error) {
      if (!is(error, 'not-found')) throw error;
    }
  }
}

function content(digest: Digest): LeaseResource {
  return { type: 'content', id: digest };
}

function recentId(repository: string, slot: number): string {
  return `registry/recent/${slot}/${repository}`;
}

function untaggedId(repository: string): string {
  return `registry/untagged/${repository}`;
}

function referrersId(repository: string, subject: Digest): string {
  return `registry/referrers/${repository}@${subject}`;
}
