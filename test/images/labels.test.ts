import assert from 'node:assert/strict';
import { it } from 'node:test';
import { childLabels } from '../../src/images/labels.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';

it('a parent keeps its children under the labels that containerd gives them', () => {
  const children: readonly [mediaType: string, label: string][] = [
    [mediaTypes.ociConfig, 'config'],
    [mediaTypes.dockerConfig, 'config1'],
    [mediaTypes.ociManifest, 'm.0'],
    [mediaTypes.ociLayerGzip, 'l.0'],
    [mediaTypes.dockerForeignLayerGzip, 'l.1'],
    [mediaTypes.ociIndex, '0'],
    [mediaTypes.inToto, '1'],
    [mediaTypes.ociConfig, 'config2'],
    [mediaTypes.octetStream, '2'],
    [mediaTypes.dockerManifest, 'm.1'],
    [`${mediaTypes.ociLayer}+encrypted`, 'l.2'],
  ];
  const described = children.map(([mediaType, label]) => ({ mediaType, digest: digestOf(label), size: 1 }));
  const expected = children.map(([, label]) => [`containerd.io/gc.ref.content.${label}`, digestOf(label)]);
  assert.deepEqual(childLabels(described), Object.fromEntries(expected));
});
