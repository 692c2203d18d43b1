import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { namesIn, putBlobs } from '../oci/images.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const image = randomImage({ seed: 'named' });
const { digest } = image.root;

describe('names as a user writes them', () => {
  it('an import under a short name is found by it, at every door', async () => {
    await using directory = await temporaryDirectory();
    await using made = Client.over(memoryServices());
    await putBlobs(made.services.content, image.blobs);
    await made.services.images.create({ name: 'docker.io/lab/any:1', target: image.root });
    await using client = Client.over(memoryServices());
    const archive = made.export(['lab/any:1']);
    const { images } = await client.import(archive, { name: 'app:1', indexName: 'all' });
    assert.deepEqual(images.map(({ name }) => name).sort(), [
      'docker.io/library/all:latest',
      'docker.io/library/app:1',
    ]);
    const copied = await client.copy('store:app:1', `oci:${directory.join('layout')}`);
    assert.equal(copied.root.digest, digest);
  });

  it('tags for what is no registry are refused, not forgotten', async () => {
    await using directory = await temporaryDirectory();
    await using client = Client.over(memoryServices());
    await putBlobs(client.services.content, image.blobs);
    await client.services.images.create({ name: 'docker.io/lab/any:1', target: image.root });
    for (const target of [`oci:${directory.join('layout')}`, 'store:lab/other:1'])
      await assert.rejects(client.copy('store:lab/any:1', target, { tags: ['2'] }), /no further tags/);
    assert.deepEqual(Object.keys(await namesIn(client.services)), ['docker.io/lab/any:1']);
  });

  it('an image that another tool has called by no canonical name is found as well, and is left alone by what is written', async () => {
    await using directory = await temporaryDirectory();
    await using client = Client.over(memoryServices());
    await putBlobs(client.services.content, image.blobs);
    await client.services.images.create({ name: 'app', target: image.root });
    await client.copy('store:app', `oci:${directory.join('layout')}`);
    await client.copy(`oci:${directory.join('layout')}`, 'store:app');
    assert.deepEqual(await namesIn(client.services), { app: digest, 'docker.io/library/app:latest': digest });
  });
});
