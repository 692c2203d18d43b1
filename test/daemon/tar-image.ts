import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document, type RandomBlob, type RandomImage, randomBytes } from '../../src/testing/random.ts';
import { tarOf } from '../oci/tar-builder.ts';

/** A program without libraries that every Debian has: it is all that a container of a test runs. */
export const staticProgram = '/sbin/ldconfig';

/** How to make an image whose layers are tar files. */
export interface TarImageOptions {
  readonly seed: string;
  /** The program of this machine that is `/program` in the image; none if not said. */
  readonly program?: string | undefined;
  /** That of this machine if not said. */
  readonly architecture?: string | undefined;
}

const ownArchitecture = process.arch === 'x64' ? 'amd64' : process.arch;

/** An image of two layers, one packed and one not, that can be unpacked. */
export function tarImage({ seed, program, architecture = ownArchitecture }: TarImageOptions): RandomImage {
  const file = { name: 'file', data: Buffer.from(randomBytes(40_000, seed)) };
  const programs = program === undefined ? [] : [{ name: 'program', data: readFileSync(program), patch: executable }];
  const [lower, upper] = [tarOf([file]), tarOf([...programs, { name: 'etc/seed', data: seed }])];
  const layers: RandomBlob[] = [blob(mediaTypes.ociLayerGzip, gzipSync(lower)), blob(mediaTypes.ociLayer, upper)];
  const config = document(mediaTypes.ociConfig, {
    architecture,
    os: 'linux',
    config: { Cmd: ['/program', '--version'], Env: ['PATH=/'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(lower), digestOf(upper)] },
  });
  const manifest = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  return { root: manifest.descriptor, blobs: [...layers, config, manifest] };
}

/** An index over an image for this machine and one for another. */
export function tarIndex(seed: string): RandomImage {
  const manifests = [ownArchitecture, 's390x'].map((architecture) => ({
    architecture,
    image: tarImage({ seed: `${seed} ${architecture}`, architecture }),
  }));
  const index = document(mediaTypes.ociIndex, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: manifests.map(({ architecture, image }) => ({ ...image.root, platform: { os: 'linux', architecture } })),
  });
  return { root: index.descriptor, blobs: [...manifests.flatMap(({ image }) => image.blobs), index] };
}

function blob(mediaType: string, bytes: Uint8Array): RandomBlob {
  return { descriptor: describe(mediaType, bytes), bytes };
}

function executable(header: Buffer): void {
  header.write('0000755\0', 100, 'latin1');
}
