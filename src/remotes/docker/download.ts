import { rest } from '../../content/abort.ts';
import { sizeMismatch } from '../../content/verified.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import type { BlobSource, Opened } from './blob-source.ts';
import { crawling, isCrawling, type ResponseBody } from './body.ts';
import { connectionError, isTransient } from './connection-errors.ts';
import type { DownloadPolicy } from './download-policy.ts';
import type { Gate } from './gate.ts';
import { Part } from './part.ts';
import { backOff } from './retry.ts';

/** So many bytes are progress: what broke off before does not count any more. */
const progress = 64 * 1024;

const finished: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

/** What a {@link Download} is made of. */
export interface DownloadRequest {
  readonly source: BlobSource;
  readonly target: Descriptor;
  readonly offset: number;
  readonly policy: DownloadPolicy;
  /** A chunk is good only until the next one is asked for. */
  readonly transient?: boolean | undefined;
  /** Where it has a place until it is over. */
  readonly gate: Gate;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The bytes of a blob from an offset on, in order, in one stream that goes on where it broke off. Where one connection is
 * slow, others fetch the next parts meanwhile, within a budget of memory.
 */
export class Download implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #request: DownloadRequest;
  readonly #leave: () => void;
  readonly #meter = new Meter();
  /** The offset of the next byte that is given out. */
  #offset: number;
  #opened: Opened | undefined;
  #lent: (() => void) | undefined;
  /** Bytes to pass over, because the server began too early. */
  #skip = 0;
  /** The next parts, one behind the other, the first where the body is given up. */
  readonly #parts: Part[] = [];
  #helpers = 0;
  #failures = 0;
  #failedAt = 0;
  #isDone = false;

  private constructor(request: DownloadRequest, leave: () => void) {
    this.#request = request;
    this.#leave = leave;
    this.#offset = request.offset;
  }

  /** @throws DrayError what the registry answers to the first request. */
  static async start(request: DownloadRequest): Promise<Download> {
    const leave = await request.gate.enter(request.signal);
    const download = new Download(request, leave);
    try {
      await download.#open();
      return download;
    } catch (error) {
      leave();
      throw error;
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#takeBack();
    while (!this.#isDone) {
      try {
        const chunk = this.#isInPart ? await this.#nextOfPart() : await this.#nextOfBody();
        if (chunk !== undefined && chunk.byteLength > 0) return { done: false, value: chunk };
      } catch (error) {
        await this.#recover(error);
      }
    }
    return finished;
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#takeBack();
    this.#close();
    return finished;
  }

  get #isInPart(): boolean {
    const [part] = this.#parts;
    return part !== undefined && this.#offset >= part.start;
  }

  async #nextOfPart(): Promise<Uint8Array | undefined> {
    const [part] = this.#parts;
    this.#giveUpBody();
    this.#help();
    const chunk = part?.take();
    if (part === undefined) return undefined;
    if (chunk !== undefined) return this.#give(chunk.bytes, chunk.body);
    if (part.isEmpty) this.#parts.shift()?.close();
    else await this.#timed(() => part.more());
    return undefined;
  }

  async #nextOfBody(): Promise<Uint8Array | undefined> {
    const { source, target } = this.#request;
    const { size } = target;
    // Nothing comes of parts where they cannot be asked for: the body has it all.
    if (!source.isRanged) this.#giveUpParts();
    if (size > 0 && this.#offset === size && this.#opened === undefined) return this.#close();
    const { body } = (this.#opened ?? (await this.#open())).response;
    const bytes = await this.#timed(() => body.borrow());
    this.#help();
    if (bytes === undefined) return this.#endOfBody();
    const limit = (this.#parts[0]?.start ?? Number.POSITIVE_INFINITY) - this.#offset + this.#skip;
    const skipped = Math.min(this.#skip, bytes.byteLength);
    this.#skip -= skipped;
    return this.#give(bytes.subarray(skipped, Math.min(bytes.byteLength, limit)), body);
  }

  #give(borrowed: Uint8Array, body: ResponseBody): Uint8Array {
    this.#offset += borrowed.byteLength;
    this.#meter.add(borrowed.byteLength);
    if (this.#offset - this.#failedAt >= progress) this.#failures = 0;
    const { digest, size } = this.#request.target;
    if (size > 0 && this.#offset > size) throw sizeMismatch(digest, size, this.#offset, true);
    this.#takeBack();
    if (this.#request.transient !== true) return body.own(borrowed);
    this.#lent = () => body.release(borrowed);
    return borrowed;
  }

  #takeBack(): void {
    this.#lent?.();
    this.#lent = undefined;
  }

  #endOfBody(): undefined {
    const { size } = this.#request.target;
    if (this.#skip > 0 || (size > 0 && this.#offset < size)) throw new Error('the body ended early');
    this.#close();
  }

  async #timed<T>(wait: () => Promise<T>): Promise<T> {
    // Not after a wait: what it brought would be lost.
    if (this.#meter.isCrawling(this.#stallTimeout)) throw crawling();
    const began = performance.now();
    const result = await wait();
    this.#meter.waited(performance.now() - began);
    return result;
  }

  get #stallTimeout(): number {
    return this.#request.source.host.context.timeouts.stall;
  }

  // Has the next parts fetched while this stream is slower than whoever reads it.
  #help(): void {
    const { policy, target, source } = this.#request;
    if (policy.parts === 0 || target.size <= 0 || !source.isRanged) return;
    if (this.#helpers < policy.parts && this.#meter.isSlow(policy)) this.#helpers += 1;
    while (this.#parts.length < this.#helpers && this.#addPart());
  }

  #addPart(): boolean {
    const { policy, target, source } = this.#request;
    const start = this.#parts.at(-1)?.end ?? this.#offset + policy.partSize;
    // A short rest goes with the part before it: one more request would take longer.
    const end = target.size - start < policy.partSize * 1.25 ? target.size : start + policy.partSize;
    // The last bytes come sooner than another connection would.
    if (end - start < policy.partSize / 4) return false;
    const { budget } = source.host.context;
    if (!budget.tryTake(end - start)) return false;
    const leave = source.host.pace.downloads.tryEnter();
    if (leave === undefined) {
      budget.give(end - start);
      return false;
    }
    this.#parts.push(new Part(source, start, end, leave, () => budget.give(end - start)));
    return true;
  }

  async #open(): Promise<Opened> {
    const opened = await this.#request.source.open(this.#offset);
    this.#opened = opened;
    this.#skip = opened.skip;
    return opened;
  }

  #giveUpParts(): void {
    for (const part of this.#parts.splice(0)) part.close();
  }

  #giveUpBody(): void {
    this.#opened?.response.body.cancel();
    this.#opened = undefined;
  }

  #close(): undefined {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#giveUpBody();
    this.#giveUpParts();
    this.#request.gate.grow();
    this.#leave();
  }

  async #recover(error: unknown): Promise<void> {
    const { signal, gate } = this.#request;
    try {
      this.#giveUpBody();
      this.#giveUpParts();
      signal?.throwIfAborted();
      if (!isTransient(error)) throw error;
      await this.#rest(error);
      await this.#open();
    } catch (failure) {
      gate.shrink();
      this.#close();
      signal?.throwIfAborted();
      throw failure;
    }
  }

  async #rest(error: unknown): Promise<void> {
    const { source, target, signal } = this.#request;
    const { retry, emit } = source.host.context;
    this.#failures += 1;
    this.#failedAt = this.#offset;
    const about = { registry: source.host.registry, request: `GET ${target.digest}` };
    if (this.#failures >= retry.attempts) throw connectionError(error, about);
    const pause = backOff(retry, this.#failures + 1);
    const cause = error instanceof Error ? error.message : String(error);
    emit({ type: 'retry', ...about, attempt: this.#failures + 1, pause, cause });
    this.#meter.restart();
    await rest(pause, signal);
  }
}

/** How fast bytes come, and how much of the time somebody waits for them. */
class Meter {
  #since = performance.now();
  #bytes = 0;
  #waited = 0;

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  waited(milliseconds: number): void {
    this.#waited += milliseconds;
  }

  restart(): void {
    this.#since = performance.now();
    this.#bytes = 0;
    this.#waited = 0;
  }

  /** Whether it was slow for as long as patience lasts; then begins anew. */
  isSlow({ patience, enough }: DownloadPolicy): boolean {
    const elapsed = performance.now() - this.#since;
    if (elapsed < patience) return false;
    const slow = this.#waited * 2 > elapsed && (this.#bytes * 1000) / Math.max(1, elapsed) < enough;
    this.restart();
    return slow;
  }

  isCrawling(timeout: number): boolean {
    return isCrawling(this.#bytes, this.#waited, timeout);
  }
}
