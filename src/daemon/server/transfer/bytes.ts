import { unlessAborted, waitAtMost } from '../../../content/abort.ts';
import type { AbortableOptions } from '../../../content/store.ts';
import { DrayError } from '../../../errors.ts';
import { packAny, typeOfAny, unpackAny } from '../../any.ts';
import { DataSchema, WindowUpdateSchema } from '../../gen/transfer_types_pb.ts';
import type { MessageStream } from './message-stream.ts';

/** Bytes that a client may send before they are read. */
const readWindow = 1024 * 1024;

/**
 * Bytes of a message: the window that containerd's clients give, so that they answer to each one when they have passed its bytes
 * on, to the last one too.
 */
const blockSize = 64 * 1024;

/** Milliseconds that a client gets to say that it has the last bytes; another one than containerd's need not say it. */
const lastWait = 1_000;

/** The bytes that a client sends over a stream. Whoever stops reading stops the client. */
export async function* receivedBytes(
  stream: MessageStream,
  { signal }: AbortableOptions = {},
): AsyncGenerator<Uint8Array> {
  for (let window = 0; ; ) {
    if (window <= readWindow / 2) {
      await stream.send(packAny(WindowUpdateSchema, { update: readWindow - window }));
      window = readWindow;
    }
    const message = await unlessAborted(stream.receive(), signal);
    if (message === undefined) return;
    const data = unpackAny(DataSchema, message)?.data;
    if (data === undefined) throw unexpected(typeOfAny(message));
    window -= data.byteLength;
    if (window < 0) throw new DrayError('out-of-range', 'the client sent more bytes than it may');
    if (data.byteLength > 0) yield data;
  }
}

/** Sends bytes over a stream as the client lets them come, and waits until it has them. */
export async function sendBytes(
  stream: MessageStream,
  chunks: AsyncIterable<Uint8Array>,
  { signal }: AbortableOptions = {},
): Promise<void> {
  const sender = new Sender(stream, signal);
  for await (const block of blocksOf(chunks)) await sender.send(block);
  await sender.finish();
}

class Sender {
  readonly #stream: MessageStream;
  readonly #signal: AbortSignal | undefined;
  #window = 0;
  #sent = 0;

  constructor(stream: MessageStream, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#signal = signal;
  }

  async send(data: Uint8Array): Promise<void> {
    while (this.#window < data.byteLength) await this.#widen();
    this.#window -= data.byteLength;
    await unlessAborted(this.#stream.send(packAny(DataSchema, { data })), this.#signal);
    this.#sent += data.byteLength;
  }

  async #widen(): Promise<void> {
    const message = await unlessAborted(this.#stream.receive(), this.#signal);
    if (message === undefined) throw new DrayError('canceled', 'the client takes no more of the archive');
    const update = unpackAny(WindowUpdateSchema, message)?.update;
    if (update === undefined) throw unexpected(typeOfAny(message));
    this.#window += update;
  }

  async finish(): Promise<void> {
    if (this.#sent > 0) await waitAtMost(lastWait, this.#stream.receive());
  }
}

// A block is a copy: the memory of a chunk may be used again, and a message has to stay until it is sent.
async function* blocksOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = Buffer.allocUnsafe(blockSize);
  let length = 0;
  for await (const chunk of chunks) {
    for (let offset = 0; offset < chunk.byteLength; ) {
      const piece = chunk.subarray(offset, offset + blockSize - length);
      block.set(piece, length);
      length += piece.byteLength;
      offset += piece.byteLength;
      if (length < blockSize) continue;
      yield block;
      block = Buffer.allocUnsafe(blockSize);
      length = 0;
    }
  }
  if (length > 0) yield block.subarray(0, length);
}

function unexpected(type: string): DrayError {
  return new DrayError('invalid-argument', `a stream of bytes got a message of type ${type.slice(0, 100)}`);
}
