import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { DrayError } from '../errors.ts';
import type { AbortableOptions, Provider, Target } from './store.ts';

/** How bytes are packed, told by their first bytes. `xz` and `bzip2` are recognised, so that they can be refused by name. */
export type Packing = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

/** How many bytes {@link packingOf} looks at. */
export const packingBytes = 6;

const magics: readonly (readonly [Packing, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** How bytes with this beginning are packed. */
export function packingOf(start: Uint8Array): Packing {
  const found = magics.find(([, magic]) => magic.every((byte, index) => start[index] === byte));
  if (found !== undefined) return found[0];
  const [first = 0, ...rest] = start;
  const isSkippableFrame = first >= 0x50 && first <= 0x5f && rest[0] === 0x2a && rest[1] === 0x4d && rest[2] === 0x18;
  return isSkippableFrame ? 'zstd' : 'none';
}

/** How a blob is packed. @throws DrayError as the provider does. */
export async function packingOfBlob(
  provider: Provider,
  target: Target,
  options: AbortableOptions = {},
): Promise<Packing> {
  await using reader = await provider.reader(target, options);
  const start = new Uint8Array(packingBytes);
  await reader.read(start, 0, options);
  return packingOf(start);
}

/** Options of {@link unpacked}. */
export interface UnpackOptions extends AbortableOptions {
  /** The most bytes that may come out; without a bound if not said. */
  readonly limit?: number | undefined;
}

/** The stream packed. The same bytes in may give other bytes out under another version of Node. */
export async function* packed(
  stream: AsyncIterable<Uint8Array>,
  packing: 'gzip' | 'zstd',
  options: AbortableOptions = {},
): AsyncGenerator<Uint8Array> {
  const input = new Input(stream, options.signal);
  try {
    yield* through(input, packing === 'gzip' ? createGzip({ chunkSize }) : createZstdCompress({ chunkSize }));
  } finally {
    input.close();
  }
}

/** How often larger the unpacked bytes may be, once there are {@link ratioFloor} of them. */
const ratioLimit = 500;

/** Bytes below which nobody asks for a ratio. */
const ratioFloor = 256 * 1024 * 1024;

const chunkSize = 256 * 1024;

/**
 * The unpacked bytes of a stream in gzip (all its members) or zstd (all its frames); the same bytes for `none`.
 * @throws DrayError `invalid-argument`, reason `bad-archive`, when it is damaged; `data-loss`, reason `bad-archive`, when it
 * ends too early; `resource-exhausted` over the limit or when the output is out of all proportion; `not-implemented` for
 * `xz` and `bzip2`.
 */
export async function* unpacked(
  stream: AsyncIterable<Uint8Array>,
  packing: Packing,
  options: UnpackOptions = {},
): AsyncGenerator<Uint8Array> {
  if (packing === 'none') {
    yield* stream;
    return;
  }
  const input = new Input(stream, options.signal);
  let output = 0;
  try {
    for await (const chunk of decoded(input, packing)) {
      output += chunk.byteLength;
      checkExpansion(input.size, output, options.limit);
      yield chunk;
    }
  } finally {
    input.close();
  }
}

function decoded(input: Input, packing: Exclude<Packing, 'none'>): AsyncIterable<Uint8Array> {
  switch (packing) {
    case 'gzip':
      return through(input, createGunzip({ chunkSize }));
    case 'zstd':
      return zstdFrames(input);
    default:
      throw new DrayError('not-implemented', `${packing} is not read`, {
        side: 'source',
        hint: `unpack it first: ${packing === 'xz' ? 'xz' : 'bzip2'} -d`,
      });
  }
}

function checkExpansion(input: number, output: number, limit: number = Number.POSITIVE_INFINITY): void {
  if (output <= limit && (output <= ratioFloor || output <= input * ratioLimit)) return;
  const why = output > limit ? `more than ${limit} bytes` : `more than ${ratioLimit} times its size`;
  throw new DrayError('resource-exhausted', `packed data unpacks to ${why}`, {
    reason: 'bad-archive',
    side: 'source',
    hint: 'this looks like a decompression bomb; if it is none, unpack it by other means first',
  });
}

// Node's decoder ends with the first frame and leaves the rest, so the rest is given to the next one.
async function* zstdFrames(input: Input): AsyncGenerator<Uint8Array> {
  while (await input.hasMore()) yield* through(input, createZstdDecompress({ chunkSize }));
}

type Coder = ReturnType<
  typeof createGunzip | typeof createZstdDecompress | typeof createGzip | typeof createZstdCompress
>;

/** Feeds a coder until it has enough; what it did not use goes back to the input. */
async function* through(input: Input, coder: Coder): AsyncGenerator<Uint8Array> {
  let last: Uint8Array = new Uint8Array(0);
  let fed = 0;
  let failure: unknown;
  const feed = async (): Promise<void> => {
    for (let chunk = await input.next(); chunk !== undefined; chunk = await input.next()) {
      last = chunk;
      fed += chunk.byteLength;
      await written(coder, chunk);
      if (coder.destroyed || coder.bytesWritten < fed) return;
    }
    coder.end();
  };
  const feeding = feed().catch((error: unknown) => {
    failure = error;
    coder.destroy();
  });
  try {
    yield* coder as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw failure ?? damaged(error);
  } finally {
    // Not waited for: after an early stop it may still hang on a source that says nothing.
    coder.destroy();
  }
  await feeding;
  if (failure !== undefined) throw failure;
  const unused = fed - coder.bytesWritten;
  if (unused > 0) input.giveBack(last.subarray(last.byteLength - unused));
}

// The callback may never be called when the coder ends first.
function written(coder: Coder, chunk: Uint8Array): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  coder.once('close', resolve);
  coder.write(chunk, () => resolve());
  return promise.finally(() => coder.off('close', resolve));
}

function damaged(error: unknown): DrayError {
  const isShort = (error as { code?: unknown }).code === 'Z_BUF_ERROR';
  const message = error instanceof Error ? error.message : String(error);
  return new DrayError(isShort ? 'data-loss' : 'invalid-argument', `damaged packed data: ${message}`, {
    reason: 'bad-archive',
    side: 'source',
    hint: 'it was cut or changed on its way: get it again',
    cause: error,
  });
}

class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #rest: Uint8Array | undefined;
  /** Bytes taken from the stream so far. */
  size = 0;

  constructor(stream: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  async next(): Promise<Uint8Array | undefined> {
    this.#signal?.throwIfAborted();
    const rest = this.#rest;
    if (rest !== undefined) {
      this.#rest = undefined;
      return rest;
    }
    const next = await this.#chunks.next();
    if (next.done === true) return undefined;
    this.size += next.value.byteLength;
    return next.value;
  }

  /** Lets go of the stream, which may answer whenever it likes. */
  close(): void {
    this.#chunks.return?.().catch(() => {});
  }

  giveBack(rest: Uint8Array): void {
    this.#rest = rest;
  }

  async hasMore(): Promise<boolean> {
    const next = await this.next();
    if (next !== undefined) this.giveBack(next);
    return next !== undefined;
  }
}
