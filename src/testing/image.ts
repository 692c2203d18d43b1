import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe } from '../spec/descriptor.ts';
import { digestOf } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { document, type RandomBlob, type RandomImage } from './random.ts';

/** A file of a layer: its bytes or text, for anybody to read, or with a mode of its own. */
export type LayerFile = string | Uint8Array | { readonly data: string | Uint8Array; readonly mode: number };

/** The files of a layer by their paths, without a `/` in front; directories are made as they are needed. */
export type LayerFiles = Readonly<Record<string, LayerFile>>;

/** Options of {@link imageOf}. */
export interface ImageOptions {
  readonly architecture?: string | undefined;
  readonly os?: string | undefined;
  /** The `config` of the image config: `Cmd`, `Env`, `Labels` and so on. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** Layers are gzip files if not said. */
  readonly packing?: 'gzip' | 'none' | undefined;
}

/**
 * An image whose layers can be unpacked, for tests that let other tools look at it: a manifest, its config and a layer for
 * each set of files. The same files give the same image.
 */
export async function imageOf(
  layers: readonly LayerFiles[],
  { architecture = 'amd64', os = 'linux', config = {}, packing = 'gzip' }: ImageOptions = {},
): Promise<RandomImage> {
  const tars = await Promise.all(layers.map(tarOf));
  const blobs = tars.map((tar) => layerBlob(tar, packing));
  const diff_ids = tars.map((tar) => digestOf(tar));
  const described = document(mediaTypes.ociConfig, { architecture, os, config, rootfs: { type: 'layers', diff_ids } });
  const manifest = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: described.descriptor,
    layers: blobs.map(({ descriptor }) => descriptor),
  });
  return { root: manifest.descriptor, blobs: [...blobs, described, manifest] };
}

async function tarOf(files: LayerFiles): Promise<Buffer> {
  const tar = pack();
  const common = { mtime: new Date(0), uid: 0, gid: 0 };
  for (const name of directoriesOf(files)) tar.entry({ ...common, name, type: 'directory', mode: 0o755 });
  for (const [name, file] of Object.entries(files)) {
    const { data, mode } = typeof file === 'object' && 'data' in file ? file : { data: file, mode: 0o644 };
    tar.entry({ ...common, name, mode }, Buffer.from(data));
  }
  tar.finalize();
  return Buffer.concat(await Array.fromAsync(tar as AsyncIterable<Uint8Array>));
}

function directoriesOf(files: LayerFiles): readonly string[] {
  const parents = Object.keys(files).flatMap((path) => {
    const parts = path.split('/').slice(0, -1);
    return parts.map((_, n) => `${parts.slice(0, n + 1).join('/')}/`);
  });
  return [...new Set(parents)].sort();
}

function layerBlob(tar: Buffer, packing: 'gzip' | 'none'): RandomBlob {
  const bytes = packing === 'gzip' ? gzipSync(tar) : tar;
  return { descriptor: describe(packing === 'gzip' ? mediaTypes.ociLayerGzip : mediaTypes.ociLayer, bytes), bytes };
}
