import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openStore } from '../../src/metadata/open-store.ts';
import { importArchive } from '../../src/oci/import.ts';
import { convertMediaTypes } from '../../src/oci/translate.ts';
import type { Services } from '../../src/services/services.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { temporaryStore } from '../metadata/support.ts';
import { start } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { blobsIn, fails, importBytes, ingestsIn, layoutEntries, named, namesIn } from './images.ts';
import { inChunks, tarOf } from './tar-builder.ts';

const image = randomImage({ seed: 'store', layers: [100_000, 60_000, 10], platforms: ['linux/amd64', 'linux/arm64'] });
const stray = randomBlob(3000, 'stray');
const full = 'registry.example.com/team/app:1.0';
const archive = tarOf(layoutEntries([...image.blobs, stray], [named(image.root, full)]));
const child = join(import.meta.dirname, 'import-child.ts');

describe('import into a store', () => {
  it('a collection keeps what the names need and takes the rest', async () => {
    await using temporary = await temporaryStore({ durability: 'none' });
    const { store, services } = temporary;
    await importBytes(archive, {}, services);
    assert.equal((await blobsIn(services)).length, image.blobs.length + 1);
    await store.collect();
    assert.deepEqual(await blobsIn(services), image.blobs.map(({ descriptor }) => descriptor.digest).sort());
    await services.images.delete(full);
    await store.collect();
    assert.deepEqual(await blobsIn(services), []);
  });

  it('a lease holds everything, what was there before too, until it ends', async () => {
    await using temporary = await temporaryStore({ durability: 'none' });
    const { store, services } = temporary;
    await importBytes(archive, { prefix: 'other' }, services);
    assert.deepEqual(await namesIn(services), {});
    const { id } = await services.leases.create();
    await importBytes(archive, { prefix: 'other', lease: id }, services);
    await store.collect();
    assert.equal((await blobsIn(services)).length, image.blobs.length + 1);
    await services.leases.delete(id);
    await store.collect();
    assert.deepEqual(await blobsIn(services), []);
    await fails(importBytes(archive, { lease: id }, services), 'not-found');
  });

  it('two imports of one archive at once both succeed', async () => {
    await using temporary = await temporaryStore({ durability: 'none' });
    const { services } = temporary;
    const all = await Promise.all([1, 2, 3].map(() => importBytes(archive, {}, services)));
    const outcomes = all.map(({ result }) => result.images[0]?.outcome);
    assert.deepEqual(outcomes.sort(), ['created', 'exists', 'exists']);
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
    assert.deepEqual(await ingestsIn(services), []);
  });

  it('what is made of an image in one namespace can be made in another one as well', async () => {
    await using temporary = await temporaryStore({ durability: 'none' });
    const tar = tarOf([{ name: 'etc/a', data: 'a'.repeat(3000) }]);
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    });
    const list = JSON.stringify([{ Config: 'config.json', RepoTags: ['lab/app:v1'], Layers: ['a.tar'] }]);
    const saved = tarOf([
      { name: 'config.json', data: config },
      { name: 'a.tar', data: tar },
      { name: 'manifest.json', data: list },
    ]);
    const made: unknown[] = [];
    for (const namespace of ['one', 'two']) {
      const services = temporary.store.services(namespace);
      await importBytes(saved, {}, services);
      const { target } = await services.images.get('docker.io/lab/app:v1');
      made.push(await convertMediaTypes(services.content, target, 'oci'));
    }
    assert.deepEqual(made[1], made[0]);
  });

  it('an import does not wait for another one that has stopped in the middle', async () => {
    await using temporary = await temporaryStore({ durability: 'none' });
    const { services } = temporary;
    const stop = new AbortController();
    const begun = Promise.withResolvers<void>();
    async function* stuck() {
      yield* inChunks(archive.subarray(0, 50_000), 1000);
      begun.resolve();
      await new Promise(() => {});
    }
    const first = importArchive(services, stuck(), { signal: stop.signal });
    first.catch(() => {});
    await begun.promise;
    await importBytes(archive, {}, services);
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
    stop.abort();
    await assert.rejects(first);
    assert.deepEqual(await ingestsIn(services), []);
  });

  it('a process killed at any point leaves a store that opens and no name, and the next import goes on', async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('image.tar');
    await writeFile(path, archive);
    // Each blob has two events at least, and the last line comes after the name was given.
    for (let lines = 1; lines <= 2 * (image.blobs.length + 1); lines += 3) {
      const root = directory.join(`store-${lines}`);
      const printed = await killAfter(lines, root, path);
      await using store = await openStore({ root });
      const services = store.services('default');
      const done = printed.filter((line) => line.startsWith('stored ')).map((line) => line.split(' ')[1]);
      assert.deepEqual(
        await namesIn(services),
        printed.some((line) => line.startsWith('named')) ? await namesIn(services) : {},
      );
      const reused = new Set<string>();
      await importArchive(services, path, { onEvent: ({ state, entry }) => state === 'exists' && reused.add(entry) });
      assert.ok(
        done.every((entry) => reused.has(entry ?? '')),
        `of ${done.length} blobs only ${reused.size} were used again`,
      );
      assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
      assert.deepEqual(await ingestsIn(services), []);
      await readAll(services);
    }
  });
});

async function killAfter(lines: number, root: string, path: string): Promise<string[]> {
  await using running = start(process.execPath, [child, root, path]);
  await running.printed(new RegExp(`(?:.*\\n){${lines}}`)).catch(() => undefined);
  await running.kill('SIGKILL');
  return running.output().split('\n');
}

async function readAll({ content }: Services): Promise<void> {
  for (const { descriptor } of image.blobs) {
    await using reader = await content.reader(descriptor);
    for await (const _ of reader.stream());
  }
}
