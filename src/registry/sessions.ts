import { randomUUID } from 'node:crypto';
import { openWriter } from '../content/copy.ts';
import type { ContentStore, Writer } from '../content/store.ts';
import { Turns } from '../content/turns.ts';
import { type DrayError, is } from '../errors.ts';
import { isRefusal, refusal } from './codes.ts';

/** Options of {@link Sessions}. */
export interface SessionsOptions {
  /** Milliseconds after which an upload that nobody sends to is closed; its next request opens it again. */
  readonly idle: number;
  /** The most uploads that are kept open between requests. */
  readonly open: number;
}

interface Entry {
  writer: Writer | undefined;
  /** Ends the request that is at work on the session, for one that comes after it. */
  stop: AbortController | undefined;
  touched: number;
}

const lockTimeout = 5_000;

/**
 * The uploads under way. Each is an ingest of the store, and what is said of it is what the store says: so it outlives the
 * registry, `dray content status` lists it, and the store's collection ends it when it is forgotten. Between the requests of
 * an upload its writer stays open for a while, so that its bytes are not hashed again for each chunk.
 */
export class Sessions implements AsyncDisposable {
  readonly #content: ContentStore;
  readonly #options: SessionsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #turns = new Turns();
  readonly #timer: NodeJS.Timeout;

  constructor(content: ContentStore, options: SessionsOptions) {
    this.#content = content;
    this.#options = options;
    this.#timer = setInterval(() => this.#closeIdle(), options.idle / 2).unref();
  }

  /** Uploads that are open at the moment. */
  get open(): number {
    return this.#entries.size;
  }

  /** Starts an upload; returns its id. */
  async start(repository: string): Promise<string> {
    const id = randomUUID();
    const ref = refOf(repository, id);
    const writer = await openWriter(this.#content, { ref });
    this.#entries.set(ref, { writer, stop: undefined, touched: performance.now() });
    await this.#closeSurplus();
    return id;
  }

  /** Bytes that an upload has. @throws DrayError `BLOB_UPLOAD_UNKNOWN`. */
  async offset(repository: string, id: string): Promise<number> {
    const ref = refOf(repository, id);
    const open = this.#entries.get(ref)?.writer;
    const { offset } = open === undefined ? await this.#status(ref, id) : await open.status();
    return offset;
  }

  /**
   * Works on an upload, alone. A request that is still at work on it is ended first: its client has lost it, or it would not
   * send another one.
   * @throws DrayError `BLOB_UPLOAD_UNKNOWN`, and what `run` throws.
   */
  async use<T>(repository: string, id: string, run: (writer: Writer, signal: AbortSignal) => Promise<T>): Promise<T> {
    const ref = refOf(repository, id);
    this.#entries.get(ref)?.stop?.abort(overtaken());
    return await this.#turns.take(ref, async () => {
      const stop = new AbortController();
      const entry = await this.#enter(ref, id, stop);
      try {
        return await run(await this.#writer(entry, ref), stop.signal);
      } catch (error) {
        // A writer that has failed is of no more use, unlike one whose client has.
        if (!isRefusal(error) && !is(error, 'aborted')) await this.#release(entry);
        throw error;
      } finally {
        entry.stop = undefined;
        entry.touched = performance.now();
        await this.#closeSurplus();
      }
    });
  }

  /** Forgets an upload that was committed. */
  async finish(repository: string, id: string): Promise<void> {
    await this.#close(refOf(repository, id));
  }

  /** Ends an upload and drops its bytes. @throws DrayError `BLOB_UPLOAD_UNKNOWN`. */
  async cancel(repository: string, id: string): Promise<void> {
    const ref = refOf(repository, id);
    this.#entries.get(ref)?.stop?.abort(overtaken());
    await this.#turns.take(ref, () => this.drop(repository, id));
  }

  /** As {@link cancel}, for whoever is at work on it. */
  async drop(repository: string, id: string): Promise<void> {
    const ref = refOf(repository, id);
    await this.#close(ref);
    try {
      await this.#content.abort(ref);
    } catch (error) {
      throw is(error, 'not-found') ? unknown(id) : error;
    }
  }

  // Leaves the entry in use, so that nobody closes it as idle meanwhile.
  async #enter(ref: string, id: string, stop: AbortController): Promise<Entry> {
    const found = this.#entries.get(ref);
    if (found !== undefined) {
      found.stop = stop;
      // Behind all others, since the first are closed first.
      this.#entries.delete(ref);
      this.#entries.set(ref, found);
      return found;
    }
    await this.#status(ref, id);
    const entry: Entry = { writer: undefined, stop, touched: performance.now() };
    this.#entries.set(ref, entry);
    return entry;
  }

  async #writer(entry: Entry, ref: string): Promise<Writer> {
    entry.writer ??= await openWriter(this.#content, { ref, timeout: lockTimeout });
    return entry.writer;
  }

  async #release(entry: Entry): Promise<void> {
    const { writer } = entry;
    entry.writer = undefined;
    await writer?.[Symbol.asyncDispose]();
  }

  async #status(ref: string, id: string): Promise<{ offset: number }> {
    if (!/^[0-9a-f-]{36}$/.test(id)) throw unknown(id);
    try {
      return await this.#content.status(ref);
    } catch (error) {
      throw is(error, 'not-found') ? unknown(id) : error;
    }
  }

  async #close(ref: string): Promise<void> {
    const entry = this.#entries.get(ref);
    this.#entries.delete(ref);
    if (entry !== undefined) await this.#release(entry);
  }

  #closeIdle(): void {
    const before = performance.now() - this.#options.idle;
    for (const [ref, { stop, touched }] of this.#entries) {
      if (stop === undefined && touched < before) this.#turns.take(ref, () => this.#closeUnused(ref)).catch(() => {});
    }
  }

  async #closeUnused(ref: string): Promise<void> {
    const entry = this.#entries.get(ref);
    if (entry !== undefined && entry.touched < performance.now() - this.#options.idle) await this.#close(ref);
  }

  async #closeSurplus(): Promise<void> {
    if (this.#entries.size <= this.#options.open) return;
    for (const [ref, { stop }] of this.#entries) {
      if (stop !== undefined) continue;
      await this.#close(ref);
      if (this.#entries.size <= this.#options.open) return;
    }
  }

  /** Ends what is at work and closes every upload; their bytes stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const { stop } of this.#entries.values()) stop?.abort(overtaken());
    for (const ref of [...this.#entries.keys()]) await this.#turns.take(ref, () => this.#close(ref));
  }
}

function refOf(repository: string, id: string): string {
  return `upload/${repository}/${id}`;
}

function unknown(id: string): Error {
  return refusal('BLOB_UPLOAD_UNKNOWN', `no upload ${JSON.stringify(id.slice(0, 64))} in this repository`, {
    hint: 'it is finished, cancelled or too old: start another one',
  });
}

function overtaken(): DrayError {
  return refusal('BLOB_UPLOAD_INVALID', 'another request goes on with this upload', { status: 409 });
}
