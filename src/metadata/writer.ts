import { checkLabels, presentLabels } from '../content/labels.ts';
import { checkExpected, checkSize, ingestExists, takenAway } from '../content/outcomes.ts';
import { checkCut } from '../content/range.ts';
import type { AbortableOptions, CommitOptions, Info, Status, Target, Writer } from '../content/store.ts';
import { DrayError, is, unless } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import { findBlob, madeAt, putBlob } from './blobs.ts';
import type { Transaction } from './database.ts';
import { publish } from './events.ts';
import { putIngest, recordGrace, removeIngest } from './ingests.ts';
import { checkLease, hold, letGo } from './leases.ts';
import { ensureNamespace } from './namespaces.ts';
import type { StoreParts } from './parts.ts';

/** What a writer needs of its namespace. */
export interface NamespacedWriterContext extends StoreParts {
  readonly namespace: string;
  readonly ref: string;
  /** Of the ingest's record. */
  readonly token: string;
  readonly target: Target | undefined;
  readonly lease: string | undefined;
}

/** A blob whose bytes are on disk already, for another namespace or since a crash came between file and entry. */
export interface AdoptedBlob {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * An ingest of a namespace, open. One whose blob is on disk already begins at its end, and its commit only makes the entry;
 * the first write or truncate copies the bytes into an ingest of its own instead.
 */
export class NamespacedWriter implements Writer {
  readonly ref: string;
  readonly #context: NamespacedWriterContext;
  readonly #ingest: Writer;
  #adopted: AdoptedBlob | undefined;
  #expected: Digest | undefined;
  #notedAt = performance.now();
  #closed = false;

  constructor(context: NamespacedWriterContext, ingest: Writer, adopted: AdoptedBlob | undefined) {
    this.ref = context.ref;
    this.#context = context;
    this.#ingest = ingest;
    this.#adopted = adopted;
    this.#expected = context.target?.digest;
  }

  async status(): Promise<Status> {
    const status = await this.#ingest.status();
    const size = this.#adopted?.size;
    return {
      ...status,
      ref: this.ref,
      ...(size === undefined ? {} : { offset: size, total: size }),
      ...(this.#expected === undefined ? {} : { expected: this.#expected }),
      active: !this.#closed,
    };
  }

  async digest(): Promise<Digest> {
    return this.#adopted?.digest ?? (await this.#ingest.digest());
  }

  async write(chunk: Uint8Array, options: AbortableOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#adopted !== undefined) await this.#unshare(this.#adopted, this.#adopted.size, options);
    await this.#ingest.write(chunk, options);
  }

  async truncate(size: number): Promise<void> {
    if (this.#adopted === undefined) return await this.#ingest.truncate(size);
    checkCut(this.ref, this.#adopted.size, size);
    await this.#unshare(this.#adopted, size, {});
  }

  async #unshare({ digest }: AdoptedBlob, length: number, options: AbortableOptions): Promise<void> {
    await this.#ingest.truncate(0);
    await using reader = await this.#context.local.reader({ digest });
    for await (const chunk of reader.stream({ ...options, length })) await this.#ingest.write(chunk, options);
    this.#adopted = undefined;
  }

  async commit(expected: CommitOptions = {}): Promise<Info> {
    this.#checkOpen();
    // Also to a second call before this one has ended.
    this.#closed = true;
    try {
      checkLabels(expected.labels ?? {});
      expected.signal?.throwIfAborted();
      // Before the ingest becomes a blob, so that it can be gone on with under another lease.
      const { database, namespace, lease } = this.#context;
      if (lease !== undefined) checkLease(database, namespace, lease);
      const blob = this.#adopted === undefined ? await this.#publish(expected) : this.#adopt(this.#adopted, expected);
      const info = await database.write((transaction) => this.#enter(transaction, blob, expected));
      if (this.#adopted !== undefined) await this.#discard();
      if (info === undefined) throw ingestExists(blob.digest);
      return info;
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  // The record names the digest before the file is there, so that nobody takes the file for garbage.
  async #publish(expected: CommitOptions): Promise<Published> {
    const digest = expected.digest ?? (await this.#ingest.digest());
    if (digest !== this.#expected || performance.now() - this.#notedAt > recordGrace / 4) await this.#note(digest);
    const { offset: size } = await this.#ingest.status();
    const { labels: _, ...checks } = expected;
    const info = await unless('already-exists', this.#ingest.commit(checks));
    return { digest: info?.digest ?? digest, size: info?.size ?? size, placed: info !== undefined };
  }

  async #note(digest: Digest): Promise<void> {
    const { database, namespace, token } = this.#context;
    await database.write(
      (transaction) => {
        ensureNamespace(transaction, namespace);
        putIngest(transaction, namespace, this.ref, { digest, token });
      },
      { durable: false },
    );
    this.#expected = digest;
    this.#notedAt = performance.now();
  }

  #adopt(adopted: AdoptedBlob, { size, digest }: CommitOptions): Published {
    checkSize(this.ref, adopted.size, size);
    checkExpected(this.ref, adopted.digest, digest);
    return { ...adopted, placed: false };
  }

  /** Makes the entry; undefined when it is there. */
  #enter(
    transaction: Transaction,
    { digest, size, placed }: Published,
    { labels = {} }: CommitOptions,
  ): Info | undefined {
    const { namespace, files, lease, token } = this.#context;
    const file = files.findNow(digest);
    if (file?.size !== size) throw takenAway(digest);
    const since = madeAt(transaction);
    if (file.committedAt.nanoseconds < since.nanoseconds) files.touchNow(digest, since);
    ensureNamespace(transaction, namespace);
    removeIngest(transaction, namespace, this.ref, token);
    if (lease !== undefined) {
      hold(transaction, namespace, lease, { type: 'content', id: digest });
      letGo(transaction, namespace, lease, { type: 'ingests', id: this.ref });
    }
    const known = findBlob(transaction, namespace, digest);
    if (known !== undefined && !placed) return undefined;
    const now = Timestamp.now();
    const info: Info = {
      digest,
      size,
      createdAt: known?.createdAt ?? now,
      updatedAt: now,
      labels: presentLabels({ ...known?.labels, ...labels }),
    };
    putBlob(transaction, namespace, info);
    if (known === undefined) publish(transaction, namespace, '/content/create', { digest, size: String(size) });
    return info;
  }

  // An adopted blob leaves an ingest behind that never held a byte.
  async #discard(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.#context.local.abort(this.#ingest.ref).catch((error: unknown) => {
      // Somebody else has begun to use it.
      if (!is(error, 'not-found') && !is(error, 'unavailable')) throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#ingest[Symbol.asyncDispose]();
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new DrayError('failed-precondition', `cannot commit ingest ${this.ref}: its writer is closed`);
  }
}

interface Published extends AdoptedBlob {
  /** Whether this commit put the file there: then an entry that is there already had lost its file. */
  readonly placed: boolean;
}
