import { sizeMismatch } from '../../content/verified.ts';
import { DrayError } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { errorFrom } from './answer-errors.ts';
import { exchange } from './exchange.ts';
import type { HostRequest, HostResponse } from './host-request.ts';
import type { HostState } from './host-state.ts';
import { type ContentRange, parseContentRange, rangeHeader } from './ranges.ts';
import type { WireResponse } from './transport.ts';

/** What is asked for: a blob at a URL of a host. */
export interface BlobRequest {
  readonly target: Descriptor;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
  readonly repository?: string | undefined;
  /** Whether parts of it may be asked for. */
  readonly ranged: boolean;
  readonly credentials?: 'own' | 'none' | undefined;
  readonly operation: string;
  readonly signal?: AbortSignal | undefined;
}

/** An answer that begins where it has to, but for some bytes. */
export interface Opened {
  readonly response: WireResponse;
  /** Bytes at the beginning of the body that nobody asked for. */
  readonly skip: number;
}

/** Answers of a server that a registry has sent us to which mean that its permission has run out. */
const expired = [400, 401, 403, 404, 410];

/**
 * Opens a blob at any of its bytes. Where the registry sends us on to another server, later requests go there directly,
 * until that server refuses them.
 */
export class BlobSource {
  readonly host: HostState;
  readonly #request: BlobRequest;
  #direct: URL | undefined;
  #renewal: Promise<unknown> | undefined;

  constructor(host: HostState, request: BlobRequest) {
    this.host = host;
    this.#request = request;
  }

  /** Whether parts can be asked for, as far as is known. */
  get isRanged(): boolean {
    return this.#request.ranged && this.host.learned.ranges !== false;
  }

  /**
   * The bytes from `offset` on, up to before `end` when it is said. Without ranges it is the whole blob.
   * @throws DrayError what the registry answers, `unavailable` for what is no answer; `data-loss`, reason `size-mismatch`, for a
   * body of the wrong length.
   */
  async open(offset: number, end?: number): Promise<Opened> {
    const asked = this.isRanged && (offset > 0 || end !== undefined);
    const range = asked ? { range: rangeHeader(offset, end === undefined ? undefined : end - 1) } : {};
    const response = await this.#ask(range);
    if (response.status === 200) {
      checkWhole(response, this.#request.target);
      if (asked) this.host.learned.ranges = false;
      return { response, skip: offset };
    }
    if (response.status === 206 && this.#fits(response, offset, end)) return { response, skip: 0 };
    response.body.cancel();
    if (!asked) throw nothingInstead(response, this.#request.target);
    // Another part than was asked for, or none: whoever does that is asked for everything.
    this.host.learned.ranges = false;
    return await this.open(offset);
  }

  #fits({ headers }: WireResponse, offset: number, end: number | undefined): boolean {
    const { size } = this.#request.target;
    const range: ContentRange | undefined = parseContentRange(headers.get('content-range') ?? '');
    if (range?.start !== offset || (size > 0 && (range.total ?? size) !== size)) return false;
    return end === undefined || range.end === end - 1;
  }

  async #ask(range: Readonly<Record<string, string>>): Promise<HostResponse> {
    // Whoever renews the way to the other server does it for all.
    await this.#renewal;
    const direct = this.#direct;
    if (direct !== undefined) {
      const response = await this.#askDirectly(direct, range);
      if (response !== undefined) return response;
      if (this.#direct !== direct) return await this.#ask(range);
      this.#direct = undefined;
    }
    const asked = this.#askRegistry(range);
    if (direct !== undefined) this.#renewal = asked.then(ignored, ignored);
    const response = await asked;
    if (response.url.origin !== this.host.root.origin) this.#direct = response.url;
    return response;
  }

  async #askRegistry(range: Readonly<Record<string, string>>): Promise<HostResponse> {
    const { url, headers, scopes, repository, credentials } = this.#request;
    const { retry } = this.host.context;
    for (let attempts = 1; ; attempts += 1) {
      const request = { ...this.#common, url, headers: { ...headers, ...range }, scopes, repository, credentials };
      const response = await exchange(this.host, request);
      if (response.status < 300 || (response.status === 416 && 'range' in range)) return response;
      const isElsewhere = response.url.origin !== this.host.root.origin;
      const mayPass = isElsewhere && expired.includes(response.status) && attempts < Math.min(3, retry.attempts);
      if (!mayPass) throw await errorFrom(response, response.context);
      await response.body.discard();
    }
  }

  async #askDirectly(url: URL, range: Readonly<Record<string, string>>): Promise<HostResponse | undefined> {
    const server = await this.host.at(url);
    const response = await exchange(server, { ...this.#common, url, headers: range, scopes: [] });
    if (response.status < 300 || (response.status === 416 && 'range' in range)) return response;
    if (!expired.includes(response.status)) throw await errorFrom(response, response.context);
    await response.body.discard();
    return undefined;
  }

  get #common(): Pick<HostRequest, 'method' | 'expect' | 'bulk' | 'operation' | 'signal'> {
    const { operation, signal } = this.#request;
    return { method: 'GET', expect: 'any', bulk: true, operation, signal };
  }
}

function ignored(): void {}

// The length is looked at before a byte of it is read.
function checkWhole({ headers, body }: WireResponse, { digest, size }: Descriptor): void {
  const length = headers.get('content-length');
  if (length === undefined || size <= 0 || Number(length) === size) return;
  body.cancel();
  if (/^text\/html/i.test(headers.get('content-type') ?? '')) throw pageInstead(digest);
  const encoding = headers.get('content-encoding') ?? 'identity';
  throw encoding === 'identity' ? sizeMismatch(digest, size, Number(length), false) : encoded(digest, encoding);
}

function nothingInstead({ status, context }: HostResponse, { digest }: Descriptor): DrayError {
  return new DrayError('unavailable', `${context.registry} answered ${status} instead of ${digest}`, {
    ...context,
    status,
    hint: 'something else than a registry answers there',
  });
}

function pageInstead(digest: string): DrayError {
  return new DrayError('unavailable', `a page came instead of ${digest}`, {
    hint: 'a proxy or a login page answers in place of the registry',
  });
}

function encoded(digest: string, encoding: string): DrayError {
  return new DrayError('data-loss', `${digest} came encoded as ${JSON.stringify(encoding)}, which nobody asked for`, {
    reason: 'size-mismatch',
    hint: 'a proxy changes what the registry sends',
  });
}
