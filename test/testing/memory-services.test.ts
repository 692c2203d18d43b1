import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { is } from '../../src/errors.ts';
import { emptyDigest } from '../../src/spec/digest.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';

describe('services in memory', () => {
  it('refuse the images that a store on disk refuses', async () => {
    const { images } = memoryServices();
    const target = { mediaType: 'text/plain', digest: emptyDigest('sha256'), size: 1 };
    const wrong = [-1, 0, 1.5, Number.NaN, 2 ** 53].map((size) => ({ name: 'one', target: { ...target, size } }));
    for (const image of [
      ...wrong,
      { name: '', target },
      { name: '\ud800', target },
      { name: 'one', target: { ...target, mediaType: '' } },
    ]) {
      await assert.rejects(images.create(image), (error) => is(error, 'invalid-argument'), JSON.stringify(image));
    }
    await images.create({ name: 'one', target });
  });

  it('change an annotation of a target alone, as a store on disk does', async () => {
    const { images } = memoryServices();
    const target = { mediaType: 'text/plain', digest: emptyDigest('sha256'), size: 1, annotations: { a: '1', b: '2' } };
    await images.create({ name: 'one', target });
    const changed = await images.update(
      { name: 'one', target: { ...target, annotations: { a: '3' } } },
      'annotations.a',
    );
    assert.deepEqual(changed.target, { ...target, annotations: { a: '3', b: '2' } });
  });
});
