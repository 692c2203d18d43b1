import { gzipSync } from 'node:zlib';
import { type Descriptor, describe } from '../../../src/spec/descriptor.ts';
import { digestOf } from '../../../src/spec/digest.ts';
import { mediaTypes } from '../../../src/spec/media-types.ts';
import { document, type RandomBlob, type RandomImage, randomBytes } from '../../../src/testing/random.ts';
import { tarOf } from '../../oci/tar-builder.ts';

/** An image that tools can unpack: its layers are tar files, and its configs say what they unpack to. */
export function realImage(seed: string, platforms: readonly string[] = ['linux/amd64']): RandomImage {
  const blobs: RandomBlob[] = [];
  const manifests = platforms.map((platform) => {
    const [os = 'linux', architecture = 'amd64', variant] = platform.split('/');
    const tars = ['base', 'app'].map((name) =>
      tarOf([
        { name: `${name}/` },
        { name: `${name}/${seed}`, data: randomBytes(20_000, `${seed} ${name} ${platform}`) },
        { name: `${name}/text`, data: `${seed} ${name} ${platform}\n` },
      ]),
    );
    const layers = tars.map((tar) => layerOf(gzipSync(tar)));
    const described = { architecture, os, ...(variant === undefined ? {} : { variant }) };
    const config = document(mediaTypes.ociConfig, {
      created: '2024-01-01T00:00:00Z',
      ...described,
      config: { Cmd: ['/app/run'], Labels: { seed } },
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
      history: [{ created_by: 'base' }, { created_by: 'app' }],
    });
    const manifest = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: config.descriptor,
      layers: layers.map(({ descriptor }) => descriptor),
    });
    blobs.push(...layers, config, manifest);
    return { ...manifest.descriptor, platform: described };
  });
  if (platforms.length === 1) return { root: blobs.at(-1)?.descriptor as Descriptor, blobs };
  const index = document(mediaTypes.ociIndex, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
  return { root: index.descriptor, blobs: [...blobs, index] };
}

function layerOf(bytes: Uint8Array): RandomBlob {
  return { descriptor: describe(mediaTypes.ociLayerGzip, bytes), bytes };
}
