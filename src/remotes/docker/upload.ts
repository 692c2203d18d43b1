import { rest } from '../../content/abort.ts';
import { type OpenBlob, onceMoreIfWrong, type PushOutcome } from '../../content/copy.ts';
import { collectDocument } from '../../content/documents.ts';
import { because, DrayError, is } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { algorithmOf, canonicalAlgorithm } from '../../spec/digest.ts';
import { errorFrom, isTransientStatus } from './answer-errors.ts';
import { blobExists } from './exists.ts';
import type { HostResponse } from './host-request.ts';
import type { Learned } from './host-state.ts';
import { backOff } from './retry.ts';
import { acknowledged, isAccepted, type Piece, UploadSession, type UploadTarget } from './upload-session.ts';
import type { UploadKey, UploadSessionStore } from './upload-sessions.ts';
import { UploadSource } from './upload-source.ts';
import { UploadWays, type Way } from './upload-ways.ts';

/** What the upload of a blob needs to know. */
export interface UploadOptions {
  readonly target: UploadTarget;
  readonly blob: Descriptor;
  readonly open: OpenBlob;
  /** A session that is open already. */
  readonly session?: UploadSession | undefined;
  readonly sessions?: UploadSessionStore | undefined;
  readonly onResume?: ((offset: number) => void) | undefined;
}

/** Up to this size a blob is sent with the request that opens the session, without asking whether it is there; in bytes. */
export const smallBlob: number = 64 * 1024;

/** One request: a piece, which ends the session or not, or the end of the session alone. */
interface Step {
  readonly way: Way;
  readonly piece: Piece | undefined;
  readonly isLast: boolean;
}

/**
 * Sends one blob: in one request while that works, in chunks where it is too large for that or where a connection broke,
 * as a stream where a registry knows nothing else. After a failure it asks the registry what it has and goes on from there.
 */
export class Upload {
  readonly #options: UploadOptions;
  readonly #learned: Learned;
  readonly #source: UploadSource;
  readonly #signal: AbortSignal | undefined;
  readonly #size: number;
  readonly #ways: UploadWays;
  #session: UploadSession | undefined;
  /** Bytes that the registry is known to have. */
  #offset = 0;
  #best = 0;
  #failures = 0;

  constructor(options: UploadOptions) {
    this.#options = options;
    this.#learned = options.target.host.learned;
    this.#signal = options.target.signal;
    this.#size = options.blob.size;
    this.#session = options.session;
    this.#ways = new UploadWays(this.#learned, this.#size, options.target.host.context.chunkSize);
    this.#source = new UploadSource(options.blob, options.open);
  }

  /** @throws DrayError of the registry, of the source, or `unavailable` when it got no further. */
  async run(): Promise<PushOutcome> {
    try {
      if (!(await this.#takeUp())) await this.#save();
      if (this.#session === undefined && this.#size <= smallBlob && (await this.#single())) return 'pushed';
      await this.#send();
      await this.#options.sessions?.delete(this.#key());
      return 'pushed';
    } catch (error) {
      await this.#abandon(error);
      throw error;
    } finally {
      await this.#source.close();
    }
  }

  async #send(): Promise<void> {
    const { pace } = this.#options.target.host;
    const leave = await pace.uploads.enter(this.#signal);
    try {
      while (!(await this.#advanceBy(this.#nextStep()))) this.#signal?.throwIfAborted();
      pace.uploads.grow();
    } finally {
      leave();
    }
  }

  // Goes on with a session of an earlier process, if the registry still has it.
  async #takeUp(): Promise<boolean> {
    const { sessions, target, onResume } = this.#options;
    const saved = await sessions?.get(this.#key());
    if (saved === undefined) return false;
    // Of one request that is broken off some registries keep nothing: who is killed again and again would never be done.
    this.#ways.preferChunks();
    try {
      const session = await UploadSession.named(target, saved.location, target.host.root);
      const offset = await session.status();
      if (offset === undefined || offset > this.#size) throw new DrayError('not-found', 'the session is gone');
      const spare = this.#session;
      this.#session = session;
      this.#acknowledge(offset);
      if (offset > 0) onResume?.(offset);
      await spare?.cancel();
      return true;
    } catch {
      this.#signal?.throwIfAborted();
      await sessions?.delete(this.#key());
      return false;
    }
  }

  // Everything in the first request. Registries that do not know that open a session, as if there were no body.
  async #single(): Promise<boolean> {
    if (this.#learned.singlePost === false || this.#size === 0) return false;
    const { target, blob, open } = this.#options;
    const body = await onceMoreIfWrong((distrust) =>
      collectDocument(open(0, { distrust }), blob, { limit: smallBlob, signal: this.#signal }),
    );
    const request = { body, headers: { 'content-type': 'application/octet-stream' } };
    const query = `?digest=${encodeURIComponent(blob.digest)}`;
    const { response, session } = await UploadSession.start(target, query, request);
    this.#session = session;
    if ([401, 403].includes(response.status) || isTransientStatus(response.status))
      throw await errorFrom(response, response.context);
    await response.body.discard();
    this.#learned.singlePost = response.status === 201;
    return this.#learned.singlePost;
  }

  #nextStep(): Step {
    const way = this.#ways.at(this.#offset);
    const start = this.#offset;
    if (way === 'whole') return { way, piece: this.#piece(0, this.#size), isLast: true };
    if (start === this.#size) return { way, piece: undefined, isLast: true };
    const end = way === 'stream' ? this.#size : Math.min(this.#size, start + this.#ways.chunkSize);
    const isLast = way === 'chunks' && end === this.#size && this.#learned.finalOnPut === true;
    return { way, piece: this.#piece(start, end), isLast };
  }

  // True when the registry has the blob.
  async #advanceBy(step: Step): Promise<boolean> {
    if (step.way === 'whole' && this.#offset > 0) await this.#restart();
    const session = this.#session ?? (await this.#begin());
    const { digest } = this.#options.blob;
    const ranged = step.way === 'chunks';
    let response: HostResponse;
    try {
      const { piece } = step;
      response =
        step.isLast || piece === undefined
          ? await session.put(digest, piece, ranged)
          : await session.patch(piece, ranged);
    } catch (error) {
      this.#signal?.throwIfAborted();
      this.#source.check();
      // Who wants to be left alone for long is not asked what it has.
      if (!is(error, 'unavailable') || because(error, 'rate-limited')) throw error;
      return await this.#recover(step, error);
    }
    this.#source.check();
    return isAccepted(response) ? await this.#accepted(response, step) : await this.#rejected(response, step);
  }

  async #begin(): Promise<UploadSession> {
    const { target, blob } = this.#options;
    const algorithm = algorithmOf(blob.digest);
    const query = algorithm === canonicalAlgorithm ? '' : `?digest-algorithm=${algorithm}`;
    const { response, session } = await UploadSession.start(target, query);
    if (session === undefined) throw await errorFrom(response, response.context);
    this.#session = session;
    this.#offset = 0;
    await this.#save();
    return session;
  }

  async #accepted(response: HostResponse, { piece, isLast }: Step): Promise<boolean> {
    await response.body.discard();
    if (isLast || piece === undefined) return true;
    // A number that does not move is known to be stale where the bytes are there: the digest decides in the end.
    const said = acknowledged(response);
    this.#acknowledge(said !== undefined && said > piece.start && said < piece.end ? said : piece.end);
    await this.#save();
    return false;
  }

  async #rejected(response: HostResponse, step: Step): Promise<boolean> {
    const { status } = response;
    const error = await errorFrom(response, response.context);
    const { piece, way, isLast } = step;
    const sent = piece === undefined ? 0 : piece.end - piece.start;
    const refusesFirst = status === 416 && !isLast && piece?.start === 0;
    if (because(error, 'digest-mismatch') || because(error, 'size-mismatch')) await this.#wrongBytes(step, error);
    else if (sent > 0 && (status === 413 || refusesFirst)) {
      this.#ways.tooLarge(way, sent);
      await this.#otherwise(error);
    } else if (status === 416 && !isLast) await this.#reorder(acknowledged(response), error);
    else if ([400, 405, 411, 415, 416, 501].includes(status)) {
      this.#ways.refuse(way, piece !== undefined);
      await this.#otherwise(error);
    } else if (status === 404 || status === 410) this.#startOver(error);
    else if (isTransientStatus(status)) return await this.#recover(step, error);
    else throw error;
    return false;
  }

  // Less at once, or another way.
  async #otherwise(error: Error): Promise<void> {
    if (this.#ways.areExhausted) throw error;
    await this.#restart();
  }

  // The bytes are read anew, from elsewhere. Wrong again, some chunks may have been lost over there; of the whole none.
  async #wrongBytes({ way }: Step, error: Error): Promise<void> {
    if (!this.#source.distrust()) {
      if (way === 'whole') throw error;
      this.#ways.sendWhole();
    }
    await this.#restart();
  }

  async #reorder(said: number | undefined, error: Error): Promise<void> {
    this.#fail(error);
    const isNews = said !== undefined && said > 0 && said !== this.#offset && said <= this.#size;
    if (isNews) this.#acknowledge(said);
    else await this.#synchronise();
  }

  #startOver(error: Error): void {
    this.#fail(error);
    this.#session = undefined;
    this.#offset = 0;
  }

  // After a failure that does not tell what arrived.
  async #recover({ isLast, way, piece }: Step, error: unknown): Promise<boolean> {
    this.#fail(error);
    await this.#rest();
    const { target, blob } = this.#options;
    if (isLast && (await blobExists(target, blob))) return true;
    if (way === 'whole' && this.#failures > 1) this.#ways.preferChunks();
    // Some do not end a session with an empty request.
    const endsWithBody = piece === undefined && this.#failures > 1;
    if (endsWithBody) this.#learned.finalOnPut = true;
    await (endsWithBody ? this.#restart() : this.#synchronise());
    return false;
  }

  async #synchronise(): Promise<void> {
    const offset = await this.#status();
    if (offset === undefined || offset === 0 || offset > this.#size) return await this.#restart();
    this.#acknowledge(offset);
    await this.#save();
  }

  async #status(): Promise<number | undefined> {
    try {
      return await this.#session?.status();
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof DrayError) return undefined;
      throw error;
    }
  }

  async #restart(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#offset = 0;
    await session?.cancel();
  }

  #acknowledge(offset: number): void {
    this.#offset = offset;
    if (offset <= this.#best) return;
    this.#best = offset;
    this.#failures = 0;
  }

  #fail(error: unknown): void {
    this.#failures += 1;
    if (this.#failures >= this.#options.target.host.context.retry.attempts) throw error;
  }

  async #rest(): Promise<void> {
    const pause = backOff(this.#options.target.host.context.retry, this.#failures + 1);
    await rest(pause, this.#signal);
  }

  #piece(start: number, end: number): Piece {
    return { start, end, read: () => this.#source.read(start, end) };
  }

  // Not worth being taken up later.
  get #isShort(): boolean {
    return this.#size <= this.#options.target.host.context.chunkSize;
  }

  #key(): UploadKey {
    const { host, path } = this.#options.target;
    return { registry: host.root.host, repository: host.repositoryName(path), digest: this.#options.blob.digest };
  }

  async #save(): Promise<void> {
    const { sessions } = this.#options;
    if (sessions === undefined || this.#session === undefined || this.#isShort) return;
    await sessions.put(this.#key(), { location: this.#session.location, offset: this.#offset });
  }

  // What may be taken up later is left there; everything else is cleared away.
  async #abandon(error: unknown): Promise<void> {
    const { sessions } = this.#options;
    const mayGoOn = this.#signal?.aborted === true || is(error, 'unavailable');
    if (sessions !== undefined && mayGoOn && !this.#isShort) return;
    await this.#session?.cancel();
    await sessions?.delete(this.#key());
  }
}
