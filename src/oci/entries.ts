import type { Stats } from 'node:fs';
import { type FileHandle, open, readdir, readlink, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type Packing, packingBytes, packingOf, unpacked } from '../content/compression.ts';
import { interruptible } from '../content/interruptible.ts';
import { openUnlinked } from '../content/local/open-unlinked.ts';
import { readFileRange } from '../content/local/read-file.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { fileFailure } from './archive-error.ts';
import { FileSource, StreamSource } from './byte-source.ts';
import { readPipe } from './pipe.ts';
import { readTar, type TarEntry } from './tar-reader.ts';

/** The entries of an archive or of a directory, one after another. */
export type Entries = AsyncGenerator<TarEntry>;

/** Where an image comes from: the bytes of an archive, or the path of an archive or of a layout directory. */
export type ImportSource = AsyncIterable<Uint8Array> | string;

/**
 * The entries of an archive, packed or not, or of a directory. A file is closed, and a stream let go of, when the reader
 * stops.
 * @throws DrayError as {@link readTar} and `unpacked` do; what the file system has, with the path.
 */
export async function* entriesOf(source: ImportSource, options: AbortableOptions = {}): Entries {
  if (typeof source === 'string') yield* entriesOfPath(source, options);
  else if (typeof source?.[Symbol.asyncIterator] === 'function') yield* entriesOfStream(source, options);
  else
    throw new DrayError('invalid-argument', 'an archive is read from a path or from a stream of bytes', {
      side: 'source',
      hint: 'for bytes at hand: Readable.from([bytes]) of node:stream',
    });
}

async function* entriesOfPath(path: string, options: AbortableOptions): Entries {
  try {
    const found = await stat(path);
    if (found.isDirectory()) yield* entriesOfDirectory(path);
    else if (found.isFile()) yield* entriesOfFile(path, options);
    else yield* entriesOfPipe(path, found, options);
  } catch (error) {
    throw fileFailure(error, 'source', path);
  }
}

// It has no size, and a read of it may take for ever.
async function* entriesOfPipe(path: string, found: Stats, options: AbortableOptions): Entries {
  const pipe = await readPipe(path, found);
  try {
    yield* entriesOfStream(pipe, options);
  } finally {
    pipe.destroy();
  }
}

async function* entriesOfStream(stream: AsyncIterable<Uint8Array>, options: AbortableOptions): Entries {
  const chunks = interruptible(stream, options.signal);
  try {
    yield* entriesOfBytes(new StreamSource(chunks), options);
  } finally {
    // Not waited for: a source that says nothing must not keep the reader.
    chunks.return(undefined).catch(() => {});
  }
}

async function* entriesOfFile(path: string, options: AbortableOptions): Entries {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const packing = await packingOfFile(handle);
    if (packing === 'none') yield* readTar(new FileSource(handle, size, options));
    else yield* entriesOfBytes(new StreamSource(readFileRange(handle, options)), options);
  } finally {
    await handle.close();
  }
}

/** How an open file is packed. */
export async function packingOfFile(handle: FileHandle): Promise<Packing> {
  const start = Buffer.alloc(packingBytes);
  const { bytesRead } = await handle.read(start, 0, packingBytes, 0);
  return packingOf(start.subarray(0, bytesRead));
}

/** The bytes of an archive that may be packed, as they were before. */
export async function* unpackedTar(source: StreamSource, options: AbortableOptions = {}): AsyncGenerator<Uint8Array> {
  yield* unpacked(source.rest(), packingOf(await source.peek(packingBytes)), options);
}

async function* entriesOfBytes(source: StreamSource, options: AbortableOptions): Entries {
  const tar = new StreamSource(unpackedTar(source, options));
  yield* readTar(tar);
  await drain(tar);
}

/** Bytes that are read behind the end of an archive: the largest record that `tar` fills up with zeros. */
const paddingLimit = 1024 * 1024;

// Whoever writes into a pipe fails when nobody reads the padding, and what packs an archive has its checksum at the end.
async function drain(source: StreamSource): Promise<void> {
  let left = paddingLimit;
  for await (const chunk of source.rest()) {
    left -= chunk.byteLength;
    if (left < 0) return;
  }
}

/** Directories below the root of a layout that hold blobs. */
const depth = 3;

/** What tools leave in a layout while they write it. */
const leftover = /^(?:ingest|\.lock|oci-put-blob.*|.*\.tmp)$/;

async function* entriesOfDirectory(root: string, directory = '', level = 1): Entries {
  const found = await readdir(join(root, directory), { withFileTypes: true });
  for (const item of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = directory === '' ? item.name : `${directory}/${item.name}`;
    if (leftover.test(item.name)) continue;
    if (item.isDirectory() && level < depth) yield* entriesOfDirectory(root, name, level + 1);
    else if (item.isFile()) yield* fileEntry(join(root, name), name);
    else if (item.isSymbolicLink()) yield entry(name, 'symlink', 0, await linkIn(root, name));
  }
}

// With the separator of archives, whatever that of the system is.
async function linkIn(root: string, name: string): Promise<string> {
  return (await readlink(join(root, name))).replaceAll(sep, '/');
}

async function* fileEntry(path: string, name: string): Entries {
  // The directory may change under us, and a link must not lead anywhere.
  const handle = await openUnlinked(path);
  try {
    const { size } = await handle.stat();
    yield { ...entry(name, 'file', size, ''), body: () => readFileRange(handle, { length: size }) };
  } finally {
    await handle.close();
  }
}

function entry(name: string, kind: TarEntry['kind'], size: number, linkName: string): TarEntry {
  return { name, kind, size, linkName, offset: 0, body: () => readNothing() };
}

async function* readNothing(): AsyncGenerator<Uint8Array> {}
