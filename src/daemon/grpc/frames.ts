import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { DrayError } from '../../errors.ts';
import { freshMemory, type MessageMemory } from './memory.ts';

/** The longest message that is taken, in bytes: what containerd's clients and servers take. */
const largestMessage: number = 16 * 1024 * 1024;

const prefixLength = 5;
/** Pieces that a message may be in before it is looked whether they are worth being kept apart. */
const fewPieces = 1024;
/** A piece takes about as many bytes beside those in it, so what comes in smaller ones is put together meanwhile. */
const smallPiece = 64;
// From here on a copy costs more than a second write.
const largeField = 16 * 1024;

/**
 * A message as gRPC sends it: a flag, a length of four bytes, the message. What is large in it is a piece of its own, so that it
 * is not copied.
 */
export function encodeFrame<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Uint8Array[] {
  const message = create(schema, init);
  const large = takeLargeField(schema, message);
  const rest = toBinary(schema, message);
  if (large === undefined) return [Buffer.concat([prefix(rest.byteLength), rest])];
  const { number, bytes } = large;
  const tag = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(bytes.byteLength).finish();
  const length = rest.byteLength + tag.byteLength + bytes.byteLength;
  return [Buffer.concat([prefix(length), rest, tag]), bytes];
}

function takeLargeField<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
): { number: number; bytes: Uint8Array } | undefined {
  for (const field of schema.fields) {
    if (field.fieldKind !== 'scalar' || field.scalar !== ScalarType.BYTES) continue;
    const fields = message as unknown as Record<string, Uint8Array>;
    const bytes = fields[field.localName];
    if (bytes === undefined || bytes.byteLength < largeField) continue;
    fields[field.localName] = new Uint8Array(0);
    return { number: field.number, bytes };
  }
  return undefined;
}

function prefix(length: number): Buffer {
  if (length > largestMessage) {
    throw new DrayError(
      'resource-exhausted',
      `a message of ${length} bytes is longer than the limit of ${largestMessage}`,
    );
  }
  const bytes = Buffer.alloc(prefixLength);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/** @throws DrayError `internal` when the bytes are no such message. Unknown fields are passed over. */
export function decodeMessage<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new DrayError('internal', `the peer sent no valid ${schema.typeName}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Puts messages together from chunks that come as they come. */
export class FrameReader {
  readonly #chunks: Buffer[] = [];
  readonly #memory: MessageMemory;
  #length = 0;

  constructor(memory: MessageMemory = freshMemory) {
    this.#memory = memory;
  }

  /**
   * The messages that are complete with this chunk.
   * @throws DrayError `resource-exhausted` for one over {@link largestMessage}; `not-implemented` for a compressed one.
   */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#length += chunk.byteLength;
    for (;;) {
      const length = this.#messageLength();
      if (length === undefined || this.#length < prefixLength + length) break;
      const whole = this.#joined();
      this.#keep(whole.subarray(prefixLength + length));
      yield whole.subarray(prefixLength, prefixLength + length);
    }
    const pieces = this.#chunks.length;
    if (pieces > fewPieces && this.#length / pieces < smallPiece) this.#joined();
  }

  /** Whether a message has begun that is not complete. */
  get pending(): boolean {
    return this.#length > 0;
  }

  #messageLength(): number | undefined {
    if (this.#length < prefixLength) return undefined;
    const [first] = this.#chunks;
    const head = first !== undefined && first.byteLength >= prefixLength ? first : this.#joined();
    if (head[0] !== 0)
      throw new DrayError('not-implemented', 'the peer sent a compressed message, which nobody asked for');
    const length = head.readUInt32BE(1);
    if (length <= largestMessage) return length;
    throw new DrayError(
      'resource-exhausted',
      `the peer sent a message of ${length} bytes; the limit is ${largestMessage}`,
    );
  }

  #joined(): Buffer {
    const [first, ...more] = this.#chunks;
    if (first !== undefined && more.length === 0) return first;
    const whole = this.#memory.take(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) at += chunk.copy(whole, at);
    this.#keep(whole);
    return whole;
  }

  #keep(rest: Buffer): void {
    this.#chunks.splice(0, this.#chunks.length, ...(rest.byteLength > 0 ? [rest] : []));
    this.#length = rest.byteLength;
  }
}
