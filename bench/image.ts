import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { streamOf } from '../src/content/bytes.ts';
import { ingest } from '../src/content/copy.ts';
import { LocalStore } from '../src/content/local/local-store.ts';
import { saveArchive } from '../src/oci/archive-file.ts';
import { exportArchive } from '../src/oci/export.ts';
import { exportLayout } from '../src/oci/export-layout.ts';
import type { Descriptor } from '../src/spec/descriptor.ts';
import { mediaTypes } from '../src/spec/media-types.ts';
import { document } from '../src/testing/random.ts';
import { directoryLayers, type Layer, randomLayers } from './layers.ts';

/** An image to be made. */
export interface Shape {
  readonly name: string;
  readonly title: string;
  layers(): readonly Layer[] | Promise<readonly Layer[]>;
}

/** An image on this disk, in the forms in which tools take it in. */
export interface Image {
  readonly shape: Shape;
  /** The name in stores that it has in its archive. */
  readonly name: string;
  /** The repository and the tag in registries. */
  readonly repository: string;
  readonly tag: string;
  /** Bytes of everything in it. */
  readonly size: number;
  /** An image layout. */
  readonly layout: string;
  /** An archive of the same. */
  readonly archive: string;
}

/** How large the made images are. */
export interface ShapeOptions {
  /** Bytes of the image of a few layers; the one of a single layer is four times as large. */
  readonly size: number;
  readonly layers: number;
  /** A directory with the files of a system. */
  readonly rootfs: string;
}

/** The images that jobs are done with, by name. */
export function shapes({ size, layers, rootfs }: ShapeOptions): readonly Shape[] {
  return [
    {
      name: 'layers',
      title: `${formatBytes(size)} in ${layers} layers`,
      layers: () => randomLayers(layers, Math.floor(size / layers)),
    },
    { name: 'small', title: '200 layers of 4 KiB', layers: () => randomLayers(200, 4096) },
    { name: 'gzip', title: 'a Debian root file system, gzip', layers: () => directoryLayers(rootfs, 'gzip') },
    { name: 'zstd', title: 'a Debian root file system, zstd', layers: () => directoryLayers(rootfs, 'zstd') },
    { name: 'large', title: `one layer of ${formatBytes(4 * size)}`, layers: () => randomLayers(1, 4 * size) },
  ];
}

/** `1.5 GiB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  const value = bytes / 1024 ** power;
  return `${value.toFixed(power === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1)} ${units[power]}`;
}

/** Makes an image in a directory. */
export async function makeImage(shape: Shape, directory: string): Promise<Image> {
  await mkdir(directory, { recursive: true });
  const [layout, archive] = [join(directory, 'layout'), join(directory, 'image.tar')];
  const name = `docker.io/bench/${shape.name}:v1`;
  await using store = new LocalStore(join(directory, 'made'), { durability: 'none' });
  const { target, size } = await fill(store, await shape.layers());
  const images = [{ target, names: [name] }];
  await exportLayout(store, images, layout, { sharing: 'hard', durability: 'none' });
  await saveArchive(archive, exportArchive(store, images), { durability: 'none' });
  return { shape, name, repository: `bench/${shape.name}`, tag: 'v1', size, layout, archive };
}

async function fill(store: LocalStore, wanted: readonly Layer[]): Promise<{ target: Descriptor; size: number }> {
  const layers: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const layer of wanted) {
    const { tar, compress } = layer.open();
    const hash = createHash('sha256');
    const hashed = async function* (stream: AsyncIterable<Uint8Array>) {
      for await (const chunk of stream) {
        hash.update(chunk);
        yield chunk;
      }
    };
    const feeding = pipeline(tar, hashed, compress);
    const [{ digest, size }] = await Promise.all([
      ingest(store, { ref: `layer ${layers.length}` }, compress as unknown as AsyncIterable<Uint8Array>),
      feeding,
    ]);
    layers.push({ mediaType: layer.mediaType, digest, size });
    diffIds.push(`sha256:${hash.digest('hex')}`);
  }
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const rootfs = { type: 'layers', diff_ids: diffIds };
  const config = document(mediaTypes.ociConfig, { architecture, os: 'linux', config: {}, rootfs });
  const root = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers,
  });
  for (const { descriptor, bytes } of [config, root]) {
    await ingest(store, { ref: descriptor.digest }, streamOf(bytes));
  }
  const objects = [root.descriptor, config.descriptor, ...layers];
  return { target: root.descriptor, size: objects.reduce((sum, object) => sum + object.size, 0) };
}
