import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../../src/client/client.ts';
import { writeBlob } from '../../../src/content/copy.ts';
import { connectContainerd } from '../../../src/daemon/client/daemon.ts';
import { describe as describeBytes } from '../../../src/spec/descriptor.ts';
import { digestOf } from '../../../src/spec/digest.ts';
import { fails } from '../../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../../src/testing/random.ts';
import { filledRegistry, registryOptions } from '../../daemon/registry.ts';
import { tarImage } from '../../daemon/tar-image.ts';
import { put, readAll } from '../../metadata/support.ts';
import { startContainerd, unlessContainerd } from '../../support/containerd.ts';

const skip = unlessContainerd();

describe('a containerd that is killed', { skip }, () => {
  it('in the middle of an ingest has kept what it had, and the ingest is gone on with', async () => {
    await using containerd = await startContainerd();
    await using daemon = await connectContainerd({ address: containerd.address });
    const bytes = randomBytes(20_000_000, 'killed');
    const target = describeBytes('application/octet-stream', bytes);
    const { id: lease } = await daemon.leases.create();
    const broken = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      for (let at = offset; at < bytes.byteLength; at += 1_000_000) {
        if (at === 12_000_000) await containerd.kill();
        yield bytes.subarray(at, at + 1_000_000);
      }
    };
    const failed = writeBlob(daemon.content, 'layer', target, broken, { lease });
    await fails(failed, 'unavailable');
    await fails(daemon.content.info(target.digest), 'unavailable');
    await containerd.restart();
    const resumed: number[] = [];
    const whole = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(offset);
    };
    const onResume = (offset: number): void => void resumed.push(offset);
    await writeBlob(daemon.content, 'layer', target, whole, { lease, onResume });
    assert.ok((resumed[0] ?? 0) >= 9_000_000, `went on from ${resumed[0]}`);
    assert.ok((await readAll(daemon.content, target.digest)).equals(bytes));
  });

  it('in the middle of a read ends it with an error', async () => {
    await using containerd = await startContainerd();
    await using daemon = await connectContainerd({ address: containerd.address });
    const { digest } = await put(daemon.content, 'blob', randomBytes(20_000_000, 'read'));
    await using reader = await daemon.content.reader({ digest });
    const read = async (): Promise<void> => {
      for await (const _ of reader.stream()) await containerd.kill();
    };
    await fails(read(), 'unavailable');
  });

  it('in the middle of a pull is pulled into again when it is back', async () => {
    const image = tarImage({ seed: 'pulled' });
    await using registry = await filledRegistry({ 'app:1': image });
    await using containerd = await startContainerd();
    await using client = await Client.connect({ address: containerd.address, registry: registryOptions });
    const reference = `${registry.host}/app:1`;
    let killed: Promise<void> | undefined;
    const onProgress = (event: { type: string }): void => {
      if (event.type === 'resolved') killed = containerd.kill();
    };
    const pulling = client.pull(reference, { unpack: false, onProgress });
    await fails(pulling, 'unavailable');
    await killed;
    await containerd.restart();
    await client.pull(reference, { snapshotter: 'native' });
    assert.equal((await client.services.images.get(reference)).target.digest, image.root.digest);
  });
});

describe('a containerd with several namespaces', { skip }, () => {
  it('shows each what is its own', async () => {
    await using containerd = await startContainerd({ quiet: true });
    await using daemon = await connectContainerd({ address: containerd.address });
    const { digest } = await put(daemon.content, 'a', 'mine');
    const other = daemon.services('other');
    await fails(other.content.info(digest), 'not-found');
    await fails(other.images.get('x'), 'not-found');
    await fails(other.namespaces.get('absent'), 'not-found');
    assert.deepEqual(await Array.fromAsync(other.content.walk()), []);
  });
});

describe('a containerd tells', { skip }, () => {
  it('what happens in it, what it is and what it consists of', async () => {
    await using containerd = await startContainerd();
    await using daemon = await connectContainerd({ address: `unix://${containerd.address}` });
    assert.match((await daemon.version()).version, /^\d+\.\d+/);
    assert.equal(await daemon.healthy(), true);
    const snapshotters = await Array.fromAsync(daemon.plugins(['type==io.containerd.snapshotter.v1,id==native']));
    assert.deepEqual(
      snapshotters.map(({ id, failure }) => [id, failure]),
      [['native', undefined]],
    );
    const events = daemon.events.subscribe(['topic=="/images/create"'])[Symbol.asyncIterator]();
    const first = events.next();
    // The daemon may have heard of the subscriber only after the first.
    const target = { mediaType: 'application/octet-stream', digest: digestOf('x'), size: 1 };
    let count = 0;
    const told = Promise.withResolvers<void>();
    void first.then(() => told.resolve());
    for (let done = false; !done; count += 1) {
      await daemon.images.create({ name: `image ${count}`, target, labels: { a: 'b' } });
      done = await Promise.race([told.promise.then(() => true), daemon.version().then(() => false)]);
    }
    const { value } = await first;
    assert.deepEqual([value?.topic, value?.namespace], ['/images/create', 'default']);
    assert.deepEqual(value?.event['labels'], { a: 'b' });
    await events.return?.();
  });
});
