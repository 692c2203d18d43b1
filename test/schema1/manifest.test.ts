import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { because } from '../../src/errors.ts';
import { parseSchema1, type V1History } from '../../src/schema1/index.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { layerOf, payloadOf } from './documents.ts';

const layer = layerOf('a');

function refuses(more: Record<string, unknown>, message: RegExp, steps = [{ layer }]): void {
  assert.throws(
    () => parseSchema1(payloadOf(steps, more)),
    (error) => because(error, 'bad-document') && message.test(error.message),
    JSON.stringify(more),
  );
}

describe('reading a schema 1 manifest', () => {
  it('gives the layers with what is said of them, newest first', () => {
    const payload = payloadOf([{ layer }, { layer: layerOf('b'), history: { author: 'me', comment: 'why', Size: 3 } }]);
    const manifest = parseSchema1(payload);
    assert.deepEqual([manifest.name, manifest.tag, manifest.architecture], ['lab/app', '1', 'amd64']);
    assert.equal(manifest.digest, digestOf(payload));
    assert.deepEqual(
      manifest.entries.map(({ blob }) => blob),
      [digestOf(layerOf('b')), digestOf(layer)],
    );
    const { id, parent, command, ...rest } = manifest.entries[0]?.history ?? ({} as V1History);
    assert.equal(parent, manifest.entries[1]?.history.id);
    assert.deepEqual([id?.length, command], [64, ['/bin/sh', '-c', 'step 1']]);
    assert.deepEqual(rest, {
      created: '2016-01-02T03:04:01Z',
      author: 'me',
      comment: 'why',
      throwaway: undefined,
      size: 3,
    });
  });

  it('keeps the text of a history as it is, with the line break that Docker 1.8 put there', () => {
    const text = '{ "id":"x",\t"architecture": "amd64" }\n';
    const manifest = parseSchema1(payloadOf([{ layer }], { history: [{ v1Compatibility: text }] }));
    assert.equal(manifest.entries[0]?.text, text);
  });

  it('is told what is missing, of the wrong kind or not in the same number', () => {
    refuses({ schemaVersion: 2 }, /schemaVersion/);
    refuses({ schemaVersion: '1' }, /schemaVersion/);
    refuses({ fsLayers: [] }, /fsLayers/);
    refuses({ fsLayers: undefined }, /fsLayers/);
    refuses({ history: {} }, /history/);
    refuses({ history: [{ v1Compatibility: {} }] }, /v1Compatibility/);
    refuses(
      { fsLayers: [{ blobSum: digestOf(layer) }, { blobSum: digestOf(layer) }] },
      /2 layers and the history of 1/,
    );
    refuses({ history: [{ v1Compatibility: 'not JSON' }] }, /not JSON/);
    refuses({ history: [{ v1Compatibility: '[]' }] }, /history/);
    refuses({ history: [{ v1Compatibility: '{"throwaway":"yes"}' }] }, /throwaway/);
    refuses({ name: 7 }, /name/);
  });

  it('refuses digests that nothing can be verified by', () => {
    for (const blobSum of ['tarsum.v1+sha256:'.concat('a'.repeat(64)), `md5:${'a'.repeat(32)}`, 'sha256:abc', ''])
      refuses({ fsLayers: [{ blobSum }] }, /no digest that can be verified/);
  });

  it('refuses what could be read as a manifest of another kind', () => {
    for (const key of ['config', 'layers', 'manifests', 'Manifests', 'LAYERS'])
      refuses({ [key]: [] }, /could be read as something else/);
    refuses({ FSLayers: [] }, /nothing but case/);
  });

  it('refuses a key that comes twice, also within', () => {
    const text = payloadOf([{ layer }]).toString();
    for (const [key, other] of [
      ['"fsLayers":', '"fsLayers": [],'],
      ['"tag":', '"t\\u0061g": "2",'],
      ['"blobSum":', '"blobSum": "x",'],
    ] as const) {
      assert.throws(
        () => parseSchema1(Buffer.from(text.replace(key, `${other} ${key}`))),
        (error) => because(error, 'bad-document') && /twice/.test(error.message),
      );
    }
  });

  it('refuses more than documents may have', () => {
    refuses({ padding: 'x'.repeat(9_000_000) }, /over the limit/);
    const blobSum = digestOf(layer);
    refuses({ fsLayers: Array.from({ length: 10_001 }, () => ({ blobSum })) }, /fsLayers/);
  });
});
