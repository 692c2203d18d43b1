import { DrayError } from '../../../errors.ts';
import type { MessageStream } from './message-stream.ts';

/** Bounds of what waits, for tests to make smaller. */
export interface StreamLimits {
  /** Milliseconds that a stream waits for the call that names it. */
  readonly wait?: number | undefined;
  /** Streams that wait at once. */
  readonly waiting?: number | undefined;
}

/** The longest name of a stream, in characters. */
const longestId = 1024;

/** The streams that clients have opened and no call has taken yet, each in a namespace. */
export class Streams {
  readonly #waiting = new Map<string, MessageStream>();
  readonly #limits: { readonly wait: number; readonly waiting: number };

  constructor({ wait = 60_000, waiting = 1_000 }: StreamLimits = {}) {
    this.#limits = { wait, waiting };
  }

  /**
   * Lets a stream wait for the call that names it. What is returned ends the waiting.
   * @throws DrayError `invalid-argument` for a name; `already-exists`; `resource-exhausted` when too many wait.
   */
  add(namespace: string, id: string, stream: MessageStream): Disposable {
    if (id === '' || id.length > longestId)
      throw new DrayError('invalid-argument', `a stream needs a name of at most ${longestId} characters`);
    const key = keyOf(namespace, id);
    if (this.#waiting.has(key)) throw new DrayError('already-exists', `stream ${id}`);
    if (this.#waiting.size >= this.#limits.waiting)
      throw new DrayError('resource-exhausted', `${this.#waiting.size} streams wait to be used`);
    this.#waiting.set(key, stream);
    const forget = (): void => {
      if (this.#waiting.get(key) === stream) this.#waiting.delete(key);
    };
    const timer = setTimeout(() => {
      if (this.#waiting.get(key) !== stream) return;
      forget();
      stream.end(new DrayError('deadline-exceeded', `nobody used stream ${id}`));
    }, this.#limits.wait).unref();
    return {
      [Symbol.dispose]() {
        clearTimeout(timer);
        forget();
      },
    };
  }

  /** Takes a stream, which is then the caller's to end. @throws DrayError `not-found`. */
  take(namespace: string, id: string): MessageStream {
    const key = keyOf(namespace, id);
    const stream = this.#waiting.get(key);
    if (stream === undefined) throw new DrayError('not-found', `stream ${id.slice(0, longestId)}`);
    this.#waiting.delete(key);
    return stream;
  }
}

function keyOf(namespace: string, id: string): string {
  return `${namespace} ${id}`;
}
