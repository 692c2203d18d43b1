import { rest } from '../../content/abort.ts';
import { DrayError, type ErrorContext, withContext } from '../../errors.ts';
import { errorFrom, isTransientStatus } from './answer-errors.ts';
import { connectionError, isTransient, isUnreachable } from './connection-errors.ts';
import type { HostRequest, HostResponse } from './host-request.ts';
import type { HostState } from './host-state.ts';
import { backOff, parseRetryAfter, timeOf } from './retry.ts';
import { RoundTrip } from './round-trip.ts';
import type { WireResponse } from './transport.ts';

/**
 * Sends a request until there is an answer that counts.
 * @throws DrayError of the kind the answer means, `unavailable` without one; with registry, request, status, codes, attempts
 * and the source of the credentials in its context. The signal's reason.
 */
export function exchange(host: HostState, request: HostRequest): Promise<HostResponse> {
  return receive(host, request, async (response) => response);
}

/**
 * As {@link exchange}, until what the answer holds has been read as well: the request is sent again when its body breaks off.
 * @throws DrayError as {@link exchange} does; what `read` throws.
 */
export function receive<T>(
  host: HostState,
  request: HostRequest,
  read: (response: HostResponse) => Promise<T>,
): Promise<T> {
  return new Exchange(host, request, read).run();
}

class Exchange<T> {
  readonly #host: HostState;
  readonly #request: HostRequest;
  readonly #read: (response: HostResponse) => Promise<T>;
  readonly #trip: RoundTrip;
  #attempts = 0;

  constructor(host: HostState, request: HostRequest, read: (response: HostResponse) => Promise<T>) {
    this.#host = host;
    this.#request = request;
    this.#read = read;
    this.#trip = new RoundTrip(host, request, () => this.#context());
  }

  async run(): Promise<T> {
    this.#host.checkOnline();
    for (;;) {
      this.#attempts += 1;
      const outcome = await this.#attempt();
      if ('result' in outcome) return outcome.result;
      if (outcome.again > 0) await this.#rest(outcome.again, outcome.cause);
    }
  }

  // What an answer that counts holds, or that there is to be another attempt.
  async #attempt(): Promise<Done<T> | Again> {
    const { signal } = this.#request;
    await this.#host.pace.ready(signal);
    const leave = this.#request.bulk === true ? undefined : await this.#host.pace.metadata.enter(signal);
    try {
      const response = await this.#trip.run();
      // What a TLS server answers to plain http.
      if (response.status === 400 && this.#host.tryOtherRoot())
        return { again: 0, cause: 'the host speaks another protocol' };
      const again = isTransientStatus(response.status) ? await this.#afterStatus(response) : undefined;
      if (again !== undefined) return again;
      const result = await this.#readFrom(await this.#judge(response));
      if (leave !== undefined && !isTransientStatus(response.status)) this.#host.pace.metadata.grow();
      return { result };
    } catch (error) {
      signal?.throwIfAborted();
      return this.#afterFailure(error);
    } finally {
      leave?.();
    }
  }

  async #readFrom(response: HostResponse): Promise<T> {
    try {
      return await this.#read(response);
    } catch (error) {
      throw error instanceof DrayError ? withContext(error, response.context) : error;
    }
  }

  async #judge(response: WireResponse): Promise<HostResponse> {
    const { expect } = this.#request;
    const context = this.#context(response.url);
    if (expect === 'any' || expect.includes(response.status)) return { ...response, context };
    throw await errorFrom(response, context);
  }

  #afterFailure(error: unknown): Again {
    if (!isTransient(error)) throw connectionError(error, this.#context());
    if (this.#host.tryOtherRoot()) return { again: 0, cause: 'the host speaks another protocol' };
    const most = isUnreachable(error) ? Math.min(3, this.#most) : this.#most;
    const failure = connectionError(error, this.#context());
    if (this.#request.repeat === 'once' || this.#attempts >= most) throw failure;
    return { again: backOff(this.#host.context.retry, this.#attempts + 1), cause: failure.message };
  }

  async #afterStatus(response: WireResponse): Promise<Again | undefined> {
    const { retry } = this.#host.context;
    const { headers } = response;
    const asked = parseRetryAfter(headers.get('retry-after'), timeOf(headers.get('date')));
    // However little a server asks for, it gets at least the usual pause.
    const pause = Math.max(asked ?? 0, backOff(retry, this.#attempts + 1));
    const throttled = response.status === 429 || asked !== undefined;
    if (throttled) this.#host.slowDown(Math.min(pause, retry.longestWait));
    if (asked !== undefined && asked > retry.longestWait) throw await this.#tooLong(response, asked);
    if (this.#request.repeat === 'once' || this.#attempts >= this.#most) return undefined;
    await response.body.discard();
    return { again: throttled ? 0 : pause, cause: `status ${response.status}` };
  }

  get #most(): number {
    return this.#host.attemptsOf(this.#request.method);
  }

  async #tooLong(response: WireResponse, pause: number): Promise<DrayError> {
    const hint = `the registry wants to be left alone for ${Math.ceil(pause / 1000)} seconds`;
    return errorFrom(response, { ...this.#context(response.url), hint, reason: 'rate-limited' });
  }

  async #rest(pause: number, cause: string): Promise<void> {
    const { signal } = this.#request;
    this.#host.context.emit({
      type: 'retry',
      registry: this.#host.registry,
      request: this.#described(),
      attempt: this.#attempts + 1,
      pause,
      cause,
    });
    await rest(pause, signal);
  }

  #context(url?: URL): ErrorContext {
    const elsewhere = url !== undefined && url.origin !== this.#host.root.origin;
    return {
      operation: this.#request.operation,
      registry: elsewhere ? url.host : this.#host.registry,
      request: this.#described(),
      attempts: this.#attempts,
      credentials: this.#trip.sent?.credentials?.source ?? 'none',
    };
  }

  #described(): string {
    return `${this.#request.method} ${this.#request.url.pathname}`;
  }
}

interface Done<T> {
  readonly result: T;
}

interface Again {
  readonly again: number;
  readonly cause: string;
}
