import type { Any } from '@bufbuild/protobuf/wkt';
import { DrayError } from '../../../errors.ts';
import type { AnyInit } from '../../any.ts';

interface Outgoing {
  readonly message: AnyInit;
  readonly sent: PromiseWithResolvers<void>;
}

/** Messages both ways over one call of `Streaming.Stream`, for whoever answers the call that names it. */
export class MessageStream implements Disposable {
  readonly #incoming: AsyncIterator<Any>;
  readonly #outgoing: Outgoing[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => {};

  constructor(incoming: AsyncIterator<Any>) {
    this.#incoming = incoming;
  }

  /** The next message of the client; undefined when it sends no more. One caller at a time. @throws DrayError `canceled` when it has gone. */
  async receive(): Promise<Any | undefined> {
    const { done, value } = await this.#incoming.next();
    return done === true ? undefined : value;
  }

  /** Resolves when the message is on its way. @throws DrayError `canceled` when the stream is over. */
  async send(message: AnyInit): Promise<void> {
    if (this.#end !== undefined) throw over();
    const sent = Promise.withResolvers<void>();
    this.#outgoing.push({ message, sent });
    this.#wake();
    await sent.promise;
  }

  /** Ends the stream for the client too, when what was sent is on its way; with a failure if there is one. The first call counts. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake();
  }

  /** What goes to the client, until the stream ends. @throws what {@link end} was given. */
  async *answers(): AsyncGenerator<AnyInit> {
    try {
      for (;;) {
        for (let [next] = this.#outgoing; next !== undefined; [next] = this.#outgoing) {
          yield next.message;
          this.#outgoing.shift();
          next.sent.resolve();
        }
        if (this.#end?.error !== undefined) throw this.#end.error;
        if (this.#end !== undefined) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.end();
    for (const { sent } of this.#outgoing.splice(0)) sent.reject(over());
  }
}

function over(): DrayError {
  return new DrayError('canceled', 'the client has ended the stream');
}
