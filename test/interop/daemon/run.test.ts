import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Client } from '../../../src/client/client.ts';
import { fails } from '../../../src/testing/content-store/expectations.ts';
import { document, type RandomImage } from '../../../src/testing/random.ts';
import { filledRegistry, registryOptions } from '../../daemon/registry.ts';
import { staticProgram, tarImage } from '../../daemon/tar-image.ts';
import { drayDone } from '../../support/command.ts';
import { startContainerd, unlessContainerd } from '../../support/containerd.ts';
import { unlessInstalled } from '../../support/tools.ts';

const skip =
  unlessContainerd() || unlessInstalled('runc') || (existsSync(staticProgram) ? false : `no ${staticProgram}`);

describe('an image that was pulled into a containerd', { skip }, () => {
  it('is unpacked, and a container of it runs', async () => {
    const image = tarImage({ seed: 'run', program: staticProgram });
    await using registry = await filledRegistry({ 'app:1': image });
    await using containerd = await startContainerd();
    const name = `${registry.host}/app:1`;
    const pulled = await drayDone(['pull', name, '--containerd', containerd.address, '--snapshotter', 'native']);
    assert.equal(pulled, `${registry.host}/app@${image.root.digest}`);
    const snapshots = await containerd.ctr('snapshots', '--snapshotter', 'native', 'ls');
    assert.equal(snapshots.match(/Committed/g)?.length, 2, snapshots);
    assert.doesNotMatch(snapshots, /Active/);
    // Nothing keeps the content but the name, and the snapshots but the content.
    await containerd.ctr('content', 'rm', await strayBlob(containerd.address));
    const printed = await containerd.ctr('run', '--rm', '--snapshotter', 'native', name, 'test');
    assert.match(printed, /^ldconfig \(/);
    await containerd.ctr('images', 'rm', '--sync', name);
    assert.equal((await containerd.ctr('content', 'ls', '-q')).trim(), '');
    assert.doesNotMatch(await containerd.ctr('snapshots', '--snapshotter', 'native', 'ls'), /Committed/);
    assert.equal((await containerd.ctr('leases', 'ls', '-q')).trim(), '');
  });

  it('is unpacked once, in whatever order layers were there', async () => {
    const image = tarImage({ seed: 'again' });
    await using registry = await filledRegistry({ 'app:1': image });
    await using containerd = await startContainerd();
    await using client = await Client.connect({ address: containerd.address, registry: registryOptions });
    await client.pull(`${registry.host}/app:1`, { snapshotter: 'native' });
    const outcomes: string[] = [];
    const onLayer = (_: unknown, outcome: string): void => void outcomes.push(outcome);
    await client.daemon?.unpack(image.root, { snapshotter: 'native', onLayer });
    assert.deepEqual(outcomes, ['exists', 'exists']);
  });

  it('is not unpacked when its layers are not what its config says, and leaves no snapshot', async () => {
    await using registry = await filledRegistry({ 'liar:1': withWrongDiffId() });
    await using containerd = await startContainerd();
    await using client = await Client.connect({ address: containerd.address, registry: registryOptions });
    await fails(client.pull(`${registry.host}/liar:1`, { snapshotter: 'native' }), 'data-loss', 'digest-mismatch');
    assert.doesNotMatch(await containerd.ctr('snapshots', '--snapshotter', 'native', 'ls'), /extract/);
  });

  it('is there also when the snapshotter is not, and that is said', async () => {
    await using registry = await filledRegistry({ 'app:1': tarImage({ seed: 'app' }) });
    await using containerd = await startContainerd();
    await using client = await Client.connect({ address: containerd.address, registry: registryOptions });
    await fails(client.pull(`${registry.host}/app:1`, { snapshotter: 'stargz' }), 'not-found', /stargz/, /native/);
    const names = await Array.fromAsync(client.services.images.list());
    assert.deepEqual(
      names.map(({ name }) => name),
      [`${registry.host}/app:1`],
    );
  });
});

// A deletion makes the daemon collect.
async function strayBlob(address: string): Promise<string> {
  return await drayDone(['content', 'ingest', 'stray', '--containerd', address], { input: 'stray' });
}

function withWrongDiffId(): RandomImage {
  const [lower, upper, config, manifest] = tarImage({ seed: 'liar' }).blobs;
  assert.ok(lower && upper && config && manifest);
  const said = JSON.parse(Buffer.from(config.bytes).toString());
  said.rootfs.diff_ids.reverse();
  const lie = document(config.descriptor.mediaType, said);
  const told = { ...JSON.parse(Buffer.from(manifest.bytes).toString()), config: lie.descriptor };
  const root = document(manifest.descriptor.mediaType, told);
  return { root: root.descriptor, blobs: [lower, upper, lie, root] };
}
