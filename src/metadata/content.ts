import { randomUUID } from 'node:crypto';
import { updateLabels } from '../content/labels.ts';
import { checkRef, infoFields, ingestExists, missing, noIngest, statusFields } from '../content/outcomes.ts';
import type {
  AbortableOptions,
  BlobReader,
  ContentStore,
  Info,
  LabelChange,
  Labels,
  Status,
  Target,
  Writer,
  WriterOptions,
} from '../content/store.ts';
import { DrayError, is } from '../errors.ts';
import { parseFilters } from '../filters/filter.ts';
import { type Digest, parseDigest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import { type BlobRow, blobColumns, findBlob, infoOf, putBlob, removeBlob } from './blobs.ts';
import type { Rows } from './database.ts';
import { publish } from './events.ts';
import { findIngest, forgetIngest, ownerOf, putIngest, sharedRef } from './ingests.ts';
import { checkLease, hold } from './leases.ts';
import { ensureNamespace, shareableLabel } from './namespaces.ts';
import { pages } from './pages.ts';
import type { StoreParts } from './parts.ts';
import { prefilter } from './prefilter.ts';
import { NamespacedWriter } from './writer.ts';

/**
 * The content of one namespace of a directory: the blobs it has an entry for, its labels, its ingests. The bytes are in one
 * store that all namespaces share; sizes and times are the database's.
 */
export class NamespacedContent implements ContentStore {
  readonly #parts: StoreParts;
  readonly #namespace: string;

  constructor(parts: StoreParts, namespace: string) {
    this.#parts = parts;
    this.#namespace = namespace;
  }

  async reader(target: Target, { signal }: AbortableOptions = {}): Promise<BlobReader> {
    signal?.throwIfAborted();
    const { digest, size } = this.#find(this.#parts.database, target.digest);
    try {
      // The size that is recorded is the one that was verified.
      return await this.#parts.local.reader({ digest, size: target.size || size });
    } catch (error) {
      if (!is(error, 'not-found')) throw error;
      // It may have been collected since.
      this.#find(this.#parts.database, digest);
      throw new DrayError('data-loss', `blob ${digest} is recorded, but its file is gone`, {
        side: 'store',
        hint: 'pull what it belongs to again, which brings it back; dray doctor finds what else is missing',
      });
    }
  }

  async writer({ ref, target, size, lease, signal }: WriterOptions): Promise<Writer> {
    checkRef(ref);
    if (target !== undefined) parseDigest(target.digest);
    signal?.throwIfAborted();
    const { database, local, files } = this.#parts;
    if (lease !== undefined) checkLease(database, this.#namespace, lease);
    await this.#unlessThere(target, lease);
    const ingest = await local.ingests.open({ ref: sharedRef(this.#namespace, ref), target, size, signal });
    let token: string | undefined;
    try {
      // Whoever had the ingest until now may have committed it.
      await this.#unlessThere(target, lease);
      token = await this.#note(ref, target, lease);
      const onDisk = target === undefined || files.size(target.digest) === undefined ? undefined : target;
      const adopted = onDisk === undefined ? undefined : await this.#adoptable(onDisk);
      // Its file is there before it lets go of the ingest, its entry perhaps only now.
      if (adopted === undefined) await this.#unlessThere(onDisk, lease);
      const context = { ...this.#parts, namespace: this.#namespace, ref, token, target, lease };
      return new NamespacedWriter(context, ingest, adopted);
    } catch (error) {
      await this.#giveUp(ingest);
      if (token !== undefined) await forgetIngest(database, this.#namespace, ref, token);
      throw error;
    }
  }

  async #unlessThere(target: Target | undefined, lease: string | undefined): Promise<void> {
    if (target !== undefined && (await this.#has(target, lease))) throw ingestExists(target.digest);
  }

  // An entry whose file is missing or has another size is no reason to refuse the bytes: that is how it heals.
  async #has({ digest, size }: Target, lease: string | undefined): Promise<boolean> {
    const found = findBlob(this.#parts.database, this.#namespace, digest);
    if (found === undefined || (size || found.size) !== found.size) return false;
    if (this.#parts.files.size(digest) !== found.size) return false;
    if (lease === undefined) return true;
    return await this.#parts.database.write((transaction) => {
      if (findBlob(transaction, this.#namespace, digest) === undefined) return false;
      hold(transaction, this.#namespace, lease, { type: 'content', id: digest });
      return true;
    });
  }

  async #note(ref: string, target: Target | undefined, lease: string | undefined): Promise<string> {
    const record = { digest: target?.digest ?? null, token: randomUUID() };
    await this.#parts.database.write(
      (transaction) => {
        ensureNamespace(transaction, this.#namespace);
        putIngest(transaction, this.#namespace, ref, record);
        if (lease !== undefined) hold(transaction, this.#namespace, lease, { type: 'ingests', id: ref });
      },
      { durable: false },
    );
    return record.token;
  }

  // Only after the ingest was noted: from then on a file that is there stays.
  async #adoptable({ digest, size = 0 }: Target): Promise<{ digest: Digest; size: number } | undefined> {
    const owners = this.#parts.database.all<{ namespace: string; size: bigint; labels: string }>(
      'SELECT namespace, size, namespace.labels FROM blob JOIN namespace ON name = namespace WHERE digest = ?',
      digest,
    );
    const known = size || Number(owners[0]?.size ?? 0);
    const allowed = this.#parts.sharing === 'shared' || owners.length === 0 || owners.some((one) => this.#gives(one));
    if (!allowed || known === 0 || owners.some((one) => one.namespace === this.#namespace)) return undefined;
    return (await this.#parts.local.has({ digest, size: known })) ? { digest, size: known } : undefined;
  }

  #gives({ labels }: { labels: string }): boolean {
    return (JSON.parse(labels) as Labels)[shareableLabel] === 'true';
  }

  async #giveUp(ingest: Writer): Promise<void> {
    const { offset } = await ingest.status();
    await ingest[Symbol.asyncDispose]();
    // It failed already; what cannot be cleared away is left to the collection.
    if (offset === 0) await this.#parts.local.abort(ingest.ref).catch(() => {});
  }

  async status(ref: string, { signal }: AbortableOptions = {}): Promise<Status> {
    signal?.throwIfAborted();
    return this.#seen(ref, await this.#shared(ref, (shared) => this.#parts.local.status(shared)));
  }

  async *statuses(...filters: string[]): AsyncGenerator<Status> {
    const filter = parseFilters(filters);
    for await (const status of this.#parts.local.statuses()) {
      const [namespace, ref] = ownerOf(status.ref);
      if (namespace === this.#namespace && filter(statusFields({ ref }))) yield this.#seen(ref, status);
    }
  }

  async abort(ref: string, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    const { database, local } = this.#parts;
    const record = findIngest(database, this.#namespace, ref);
    await this.#shared(ref, (shared) => local.abort(shared));
    if (record !== undefined) await forgetIngest(database, this.#namespace, ref, record.token);
  }

  async #shared<T>(ref: string, run: (shared: string) => Promise<T>): Promise<T> {
    try {
      return await run(sharedRef(this.#namespace, ref));
    } catch (error) {
      throw is(error, 'not-found') ? noIngest(ref) : error;
    }
  }

  #seen(ref: string, status: Status): Status {
    const expected = findIngest(this.#parts.database, this.#namespace, ref)?.digest ?? undefined;
    return { ...status, ref, ...(expected === undefined ? {} : { expected }) };
  }

  async info(digest: Digest, { signal }: AbortableOptions = {}): Promise<Info> {
    signal?.throwIfAborted();
    return this.#find(this.#parts.database, digest);
  }

  async update({ digest, labels = {} }: LabelChange, ...fieldpaths: string[]): Promise<Info> {
    return await this.#parts.database.write((transaction) => {
      const found = this.#find(transaction, digest);
      const changed = updateLabels(found.labels, labels, fieldpaths);
      const info = { ...found, labels: changed, updatedAt: Timestamp.now() };
      putBlob(transaction, this.#namespace, info);
      publish(transaction, this.#namespace, '/content/update', { digest, labels: changed });
      return info;
    });
  }

  async *walk(...filters: string[]): AsyncGenerator<Info> {
    const filter = parseFilters(filters);
    const { sql, values } = prefilter(filter, { text: { digest: 'digest' }, maps: { labels: 'labels' } });
    const rows = pages<BlobRow, 'digest'>(this.#parts.database, {
      select: `SELECT ${blobColumns} FROM blob`,
      where: `namespace = ? AND ${sql}`,
      values: [this.#namespace, ...values],
      key: 'digest',
    });
    for await (const row of rows) {
      const info = infoOf(row);
      if (filter(infoFields(info))) yield info;
    }
  }

  async delete(digest: Digest, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    parseDigest(digest);
    await this.#parts.database.write((transaction) => {
      if (!removeBlob(transaction, this.#namespace, digest)) throw missing(digest);
    });
  }

  #find(rows: Rows, digest: Digest): Info {
    const found = findBlob(rows, this.#namespace, parseDigest(digest));
    if (found === undefined) throw missing(digest);
    return found;
  }
}
