import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip, createZstdCompress, constants as zlib } from 'node:zlib';
import { writeTar } from '../src/oci/tar-writer.ts';
import { mediaTypes } from '../src/spec/media-types.ts';
import { randomStream } from '../src/testing/random.ts';

/** A layer to be made. */
export interface Layer {
  readonly mediaType: string;
  /** The tar file, and what compresses it. */
  open(): { readonly tar: AsyncIterable<Uint8Array>; readonly compress: NodeJS.ReadWriteStream };
}

/**
 * Layers of random bytes. They are real gzip, since some tools look at the first bytes and compress what is not, but of
 * stored blocks: nothing is lost by making them, and who has to unpack them does little else.
 */
export function randomLayers(count: number, size: number): readonly Layer[] {
  return Array.from({ length: count }, (_, n) => ({
    mediaType: mediaTypes.ociLayerGzip,
    open: () => ({
      tar: writeTar([{ name: `file-${n}`, mode: 0o644, size, open: () => randomStream(size, `layer ${n}`) }]),
      compress: createGzip({ level: zlib.Z_NO_COMPRESSION, chunkSize: 1024 * 1024 }),
    }),
  }));
}

/** Layers of the files in a directory: one for each part of its `usr`, if it has that, and one for the rest. */
export async function directoryLayers(root: string, compression: 'gzip' | 'zstd'): Promise<readonly Layer[]> {
  const top = await readdir(root);
  const parts = top.includes('usr') ? (await readdir(join(root, 'usr'))).map((name) => [`usr/${name}`]) : [];
  const rest = top.filter((name) => !['usr', 'proc', 'sys', 'dev'].includes(name));
  return [...parts, rest]
    .filter((paths) => paths.length > 0)
    .map((paths) => ({
      mediaType: compression === 'gzip' ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd,
      open: () => ({
        tar: tarOf(root, paths),
        compress: compression === 'gzip' ? createGzip() : createZstdCompress(),
      }),
    }));
}

function tarOf(root: string, paths: readonly string[]): AsyncIterable<Uint8Array> {
  const args = ['-C', root, '--sort=name', '--numeric-owner', '--one-file-system', '-cf', '-', ...paths];
  const child = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return Readable.from(child.stdout, { objectMode: false });
}
