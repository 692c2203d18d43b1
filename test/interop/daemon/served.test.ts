import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/spec/digest.ts';
import { servedStore } from '../../daemon/served.ts';
import { succeed } from '../../support/processes.ts';
import { unlessInstalled } from '../../support/tools.ts';

const target = { mediaType: 'application/octet-stream', digest: digestOf('x'), size: 1, annotations: { a: 'b' } };

describe('ctr on a served store', { skip: unlessInstalled('ctr') }, () => {
  it('labels an image without saying its target, which stays', async () => {
    await using served = await servedStore();
    const { images } = served.daemon;
    await images.create({ name: 'app:1', target, labels: { k: 'v' } });
    const label = (change: string) => succeed('ctr', ['-a', served.address, 'images', 'label', 'app:1', change]);
    await label('l=m');
    await label('k=');
    const image = await images.get('app:1');
    assert.deepEqual({ ...image.labels }, { l: 'm' });
    assert.deepEqual(image.target, target);
  });

  it('makes a namespace by labelling it', async () => {
    await using served = await servedStore();
    await succeed('ctr', ['-a', served.address, 'namespaces', 'label', 'new', 'k=v']);
    assert.deepEqual({ ...(await served.daemon.namespaces.get('new')).labels }, { k: 'v' });
  });
});
