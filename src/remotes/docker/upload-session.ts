import type { Digest } from '../../spec/digest.ts';
import { exchange } from './exchange.ts';
import type { HostRequest, HostResponse } from './host-request.ts';
import type { HostState } from './host-state.ts';
import { chunkRange, parseUploadRange } from './ranges.ts';
import type { WireResponse } from './transport.ts';

/** Statuses with which registries accept a part of an upload or all of it. */
const accepted = [200, 201, 202, 204];

/** The longest wait for a session to be given up, in milliseconds: nothing depends on it. */
const cancelTimeout = 5000;

/** How to reach the uploads of a repository. */
export interface UploadTarget {
  readonly host: HostState;
  readonly path: string;
  readonly operation: string;
  readonly signal?: AbortSignal | undefined;
}

/** What a request of an operation that writes to a repository says about itself. */
export function writeRequest(
  { host, path, operation, signal }: UploadTarget,
  below: string,
): Pick<HostRequest, 'url' | 'scopes' | 'repository' | 'operation' | 'signal'> {
  return { ...host.inRepository(path, below, 'pull', 'push'), operation, signal };
}

/** Bytes that are sent: where they are in the blob and how to read them, as often as it takes. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly read: () => AsyncIterable<Uint8Array>;
}

/**
 * One upload session (distribution-spec, Pushing blobs). It knows the newest location and no more: each method sends one
 * request and gives back the answer, whatever it is.
 */
export class UploadSession {
  readonly #target: UploadTarget;
  #location: URL;
  #at: HostState;

  constructor(target: UploadTarget, at: HostState, location: URL) {
    this.#target = target;
    this.#at = at;
    this.#location = location;
  }

  /**
   * Starts a session, `query` being what the registry may do without one. Gives the answer and, when it is a 202, the
   * session.
   */
  static async start(
    target: UploadTarget,
    query: string,
    request: Partial<HostRequest> = {},
  ): Promise<{ readonly response: HostResponse; readonly session?: UploadSession }> {
    const response = await exchange(target.host, {
      ...writeRequest(target, `blobs/uploads/${query}`),
      method: 'POST',
      expect: 'any',
      ...request,
    });
    if (response.status !== 202 || response.headers.get('location') === undefined) return { response };
    learnChunks(target.host, response);
    await response.body.discard();
    const session = await UploadSession.named(target, response.headers.get('location') ?? '', response.url);
    return { response, session };
  }

  /** A session whose location a registry named, now or earlier. @throws DrayError when it must not be followed. */
  static async named(target: UploadTarget, location: string, base: URL): Promise<UploadSession> {
    const url = await target.host.guard(location, base, 'upload location');
    return new UploadSession(target, await target.host.at(url), url);
  }

  /** The newest location. */
  get location(): string {
    return this.#location.href;
  }

  /** Sends a piece; without its range when it is all that is ever sent. */
  async patch(piece: Piece, ranged: boolean): Promise<HostResponse> {
    return await this.#send({ method: 'PATCH', ...bodyOf(piece, ranged) });
  }

  /** Ends the session, with what is left of the blob if anything is. */
  async put(digest: Digest, piece?: Piece, ranged: boolean = false): Promise<HostResponse> {
    const url = withQuery(this.#location, `digest=${encodeURIComponent(digest)}`);
    const body = piece === undefined || piece.end === piece.start ? {} : bodyOf(piece, ranged);
    return await this.#send({ method: 'PUT', url, commits: true, ...body });
  }

  /** The number of bytes that the registry has, undefined when it does not say. */
  async status(): Promise<number | undefined> {
    const response = await this.#send({ method: 'GET', repeat: 'always' });
    await response.body.discard();
    if (response.status !== 204 && response.status !== 200) return undefined;
    return acknowledged(response);
  }

  /** Gives the session up. That it fails changes nothing: registries forget sessions. */
  async cancel(): Promise<void> {
    const signal = AbortSignal.timeout(cancelTimeout);
    try {
      const response = await this.#send({ method: 'DELETE', signal });
      await response.body.discard();
    } catch {
      // The upload has ended for a reason of its own, which is what the caller has to hear.
    }
  }

  async #send(request: Pick<HostRequest, 'method'> & Partial<HostRequest>): Promise<HostResponse> {
    const response = await exchange(this.#at, {
      ...writeRequest(this.#target, 'blobs/uploads/'),
      url: this.#location,
      expect: 'any',
      repeat: 'once',
      ...request,
    });
    // The location of a blob is none of a session.
    if (request.method !== 'PUT' || !isAccepted(response)) await this.#move(response);
    return response;
  }

  // Locations may change with every answer, and only the newest is good.
  async #move(response: WireResponse): Promise<void> {
    const location = response.headers.get('location');
    if (location === undefined) return;
    const next = await UploadSession.named(this.#target, location, response.url);
    this.#location = next.#location;
    this.#at = next.#at;
  }
}

/** Whether a part of an upload, or all of it, was taken. */
export function isAccepted({ status }: WireResponse): boolean {
  return accepted.includes(status);
}

/** The number of bytes that an answer says the session has. An empty one says the same as one of a single byte. */
export function acknowledged({ headers }: WireResponse): number | undefined {
  const last = parseUploadRange(headers.get('range') ?? '');
  return last === undefined || last === 0 ? last : last + 1;
}

function bodyOf({ start, end, read }: Piece, ranged: boolean): Partial<HostRequest> {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': `${end - start}` };
  const range = ranged ? { 'content-range': chunkRange(start, end) } : {};
  return { headers: { ...headers, ...range }, body: read, bulk: true };
}

function learnChunks({ learned }: HostState, { headers }: WireResponse): void {
  const least = Number(headers.get('oci-chunk-min-length'));
  const most = Number(headers.get('oci-chunk-max-length'));
  if (Number.isSafeInteger(least) && least > 0) learned.smallestChunk = least;
  if (Number.isSafeInteger(most) && most > 0) learned.largestChunk = most;
}

// As text: what a registry has signed must not be written anew.
function withQuery(location: URL, parameter: string): URL {
  const url = new URL(location);
  url.search = url.search === '' ? `?${parameter}` : `${url.search}&${parameter}`;
  return url;
}
