import type { Http2Stream } from 'node:http2';
import { DrayError } from '../../errors.ts';
import { FrameReader } from './frames.ts';
import type { MessageMemory } from './memory.ts';

/** The messages that come in on a stream, in order. The peer has to wait while nobody asks for them. */
export class Incoming {
  readonly #stream: Http2Stream;
  readonly #frames: FrameReader;
  readonly #messages: Buffer[] = [];
  readonly #over: (error?: unknown) => void;
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => {};

  /** `over` is called once, when the last message has come or something went wrong with one. */
  constructor(stream: Http2Stream, over: (error?: unknown) => void, memory?: MessageMemory) {
    this.#frames = new FrameReader(memory);
    this.#stream = stream;
    this.#over = over;
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('end', () => this.#over(this.#frames.pending ? cutOff() : undefined));
  }

  /** The next message; undefined after the last one. @throws what {@link finish} was given. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      if (this.#stream.isPaused()) this.#stream.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Nothing more comes; what has come whole is still given. The first call counts. */
  finish(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake();
  }

  #take(chunk: Buffer): void {
    if (this.#end !== undefined) return;
    try {
      for (const message of this.#frames.push(chunk)) this.#messages.push(message);
    } catch (error) {
      this.#over(error);
    }
    if (this.#messages.length === 0) return;
    this.#stream.pause();
    this.#wake();
  }
}

function cutOff(): DrayError {
  return new DrayError('internal', 'the peer ended the stream within a message');
}
