import { parseFilters } from '../../filters/filter.ts';
import {
  algorithmOf,
  canonicalAlgorithm,
  createHasher,
  type Digest,
  digestOf,
  type Hasher,
  parseDigest,
} from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { checkChunk } from '../chunk.ts';
import { checkLabels, presentLabels, updateLabels } from '../labels.ts';
import {
  checkExpected,
  checkRef,
  checkSize,
  closedWriter,
  continues,
  infoFields,
  ingestExists,
  locked,
  missing,
  noIngest,
  statusFields,
  totalOf,
} from '../outcomes.ts';
import { checkCut, checkRange } from '../range.ts';
import type {
  AbortableOptions,
  BlobReader,
  CommitOptions,
  ContentStore,
  Info,
  LabelChange,
  RangeOptions,
  Status,
  Target,
  Writer,
  WriterOptions,
} from '../store.ts';
import { checkStoredSize, verified } from '../verified.ts';

interface Blob {
  readonly bytes: Uint8Array;
  info: Info;
}

interface Ingest {
  readonly ref: string;
  readonly total: number | undefined;
  readonly startedAt: Timestamp;
  updatedAt: Timestamp;
  chunks: Uint8Array[];
  offset: number;
  hasher: Hasher;
  writer: MemoryWriter | undefined;
}

/** A content store that lives as long as its process: for tests and for what is too small or too short-lived for a disk. */
export class MemoryStore implements ContentStore {
  readonly #blobs = new Map<Digest, Blob>();
  readonly #ingests = new Map<string, Ingest>();

  async reader(target: Target): Promise<BlobReader> {
    const { bytes } = this.#blob(target.digest);
    checkStoredSize(target, bytes.byteLength);
    return new MemoryReader(target.digest, bytes);
  }

  async writer({ ref, target, size, signal }: WriterOptions): Promise<Writer> {
    checkRef(ref);
    signal?.throwIfAborted();
    const algorithm = target === undefined ? canonicalAlgorithm : algorithmOf(target.digest);
    const found = this.#ingests.get(ref);
    if (found?.writer !== undefined) throw locked(ref, found.updatedAt);
    if (target !== undefined && this.#has(target)) throw ingestExists(target.digest);
    const total = totalOf({ target, size });
    const goesOn = found !== undefined && continues(found, total);
    const ingest = goesOn ? { ...found, total: found.total ?? total } : newIngest(ref, total);
    ingest.hasher = createHasher(algorithm);
    for (const chunk of ingest.chunks) ingest.hasher.update(chunk);
    const writer = new MemoryWriter(ingest, (digest, options) => this.#publish(ingest, digest, options));
    ingest.writer = writer;
    this.#ingests.set(ref, ingest);
    return writer;
  }

  #has({ digest, size = 0 }: Target): boolean {
    const found = this.#blobs.get(digest);
    return found !== undefined && (size === 0 || found.info.size === size);
  }

  #publish(ingest: Ingest, digest: Digest, { labels }: CommitOptions): Info {
    this.#ingests.delete(ingest.ref);
    if (this.#blobs.has(digest)) throw ingestExists(digest);
    const now = Timestamp.now();
    const info = { digest, size: ingest.offset, createdAt: now, updatedAt: now, labels: presentLabels(labels ?? {}) };
    this.#blobs.set(digest, { bytes: Buffer.concat(ingest.chunks), info });
    return info;
  }

  async status(ref: string): Promise<Status> {
    const found = this.#ingests.get(ref);
    if (found === undefined) throw noIngest(ref);
    return statusOf(found);
  }

  async *statuses(...filters: string[]): AsyncGenerator<Status> {
    const filter = parseFilters(filters);
    for (const ingest of [...this.#ingests.values()]) {
      if (filter(statusFields(ingest))) yield statusOf(ingest);
    }
  }

  async abort(ref: string): Promise<void> {
    const found = this.#ingests.get(ref);
    if (found === undefined) throw noIngest(ref);
    if (found.writer !== undefined) throw locked(ref, found.updatedAt);
    this.#ingests.delete(ref);
  }

  async info(digest: Digest): Promise<Info> {
    return this.#blob(digest).info;
  }

  async update({ digest, labels = {} }: LabelChange, ...fieldpaths: string[]): Promise<Info> {
    const blob = this.#blob(digest);
    const changed = updateLabels(blob.info.labels, labels, fieldpaths);
    blob.info = { ...blob.info, labels: changed, updatedAt: Timestamp.now() };
    return blob.info;
  }

  async *walk(...filters: string[]): AsyncGenerator<Info> {
    const filter = parseFilters(filters);
    for (const digest of [...this.#blobs.keys()].sort()) {
      const info = this.#blobs.get(digest)?.info;
      if (info !== undefined && filter(infoFields(info))) yield info;
    }
  }

  async delete(digest: Digest): Promise<void> {
    if (!this.#blobs.delete(parseDigest(digest))) throw missing(digest);
  }

  #blob(digest: Digest): Blob {
    const blob = this.#blobs.get(parseDigest(digest));
    if (blob === undefined) throw missing(digest);
    return blob;
  }
}

function newIngest(ref: string, total: number | undefined): Ingest {
  const now = Timestamp.now();
  return {
    ref,
    total,
    startedAt: now,
    updatedAt: now,
    chunks: [],
    offset: 0,
    hasher: createHasher(),
    writer: undefined,
  };
}

function statusOf(ingest: Ingest): Status {
  const { ref, offset, total, startedAt, updatedAt } = ingest;
  return {
    ref,
    offset,
    ...(total === undefined ? {} : { total }),
    startedAt,
    updatedAt,
    active: ingest.writer !== undefined,
  };
}

class MemoryWriter implements Writer {
  readonly ref: string;
  readonly #ingest: Ingest;
  readonly #publish: (digest: Digest, options: CommitOptions) => Info;

  constructor(ingest: Ingest, publish: (digest: Digest, options: CommitOptions) => Info) {
    this.ref = ingest.ref;
    this.#ingest = ingest;
    this.#publish = publish;
  }

  async status(): Promise<Status> {
    return statusOf(this.#ingest);
  }

  async digest(): Promise<Digest> {
    return this.#ingest.hasher.digest();
  }

  async write(chunk: Uint8Array, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    checkChunk(chunk);
    this.#checkOpen('write to');
    // A copy: the caller may use its buffer again.
    const copy = Buffer.from(chunk);
    this.#ingest.chunks.push(copy);
    this.#ingest.hasher.update(copy);
    this.#ingest.offset += copy.byteLength;
    this.#ingest.updatedAt = Timestamp.now();
  }

  async truncate(size: number): Promise<void> {
    this.#checkOpen('truncate');
    const { offset, chunks, hasher } = this.#ingest;
    checkCut(this.ref, offset, size);
    const kept = Buffer.concat(chunks).subarray(0, size);
    this.#ingest.chunks = [kept];
    this.#ingest.offset = size;
    this.#ingest.hasher = createHasher(algorithmOf(hasher.digest()));
    this.#ingest.hasher.update(kept);
  }

  async commit(expected: CommitOptions = {}): Promise<Info> {
    this.#checkOpen('commit');
    try {
      checkLabels(expected.labels ?? {});
      expected.signal?.throwIfAborted();
      const { offset, chunks, hasher } = this.#ingest;
      checkSize(this.ref, offset, expected.size);
      const algorithm = algorithmOf(expected.digest ?? hasher.digest());
      const digest =
        algorithm === algorithmOf(hasher.digest()) ? hasher.digest() : digestOf(Buffer.concat(chunks), algorithm);
      checkExpected(this.ref, digest, expected.digest);
      return this.#publish(digest, expected);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ingest.writer === this) this.#ingest.writer = undefined;
  }

  #checkOpen(verb: string): void {
    if (this.#ingest.writer !== this) throw closedWriter(verb, this.ref);
  }
}

const chunkSize = 1024 * 1024;

class MemoryReader implements BlobReader {
  readonly digest: Digest;
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(digest: Digest, bytes: Uint8Array) {
    this.digest = digest;
    this.size = bytes.byteLength;
    this.#bytes = bytes;
  }

  async read(buffer: Uint8Array, position: number, { signal }: AbortableOptions = {}): Promise<number> {
    signal?.throwIfAborted();
    const part = this.#bytes.subarray(position, position + buffer.byteLength);
    buffer.set(part);
    return part.byteLength;
  }

  stream(options: RangeOptions = {}): AsyncIterable<Uint8Array> {
    const { offset, length } = checkRange(this, options);
    const chunks = this.#chunks(offset, offset + length, options);
    return offset === 0 && length === this.size ? verified(chunks, this) : chunks;
  }

  async *#chunks(start: number, end: number, { signal }: AbortableOptions): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += chunkSize) {
      signal?.throwIfAborted();
      yield this.#bytes.subarray(at, Math.min(at + chunkSize, end));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
