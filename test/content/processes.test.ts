import assert from 'node:assert/strict';
import { mkdir, readdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { Paths } from '../../src/content/local/paths.ts';
import { describe as describeBytes } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { run, start } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const program = join(import.meta.dirname, 'writer-process.ts');

describe('local store, many processes', () => {
  it('an ingest has one owner: a living process is not robbed, a killed one loses it at once', async () => {
    await using directory = await temporaryDirectory();
    await using store = new LocalStore(directory.path);
    await using owner = start(process.execPath, [program, 'hold', directory.path, 'ref']);
    await owner.printed(/holding 100000/);
    await fails(store.writer({ ref: 'ref' }), 'locked');
    await fails(store.abort('ref'), 'locked');
    const held = await store.status('ref');
    assert.equal(held.active, true);
    assert.equal(held.offset, 100_000);
    await owner.kill('SIGKILL');
    assert.equal((await store.status('ref')).active, false);
    const writer = await store.writer({ ref: 'ref' });
    assert.equal((await writer.status()).offset, 100_000);
    assert.equal(await writer.digest(), digestOf(randomBytes(100_000, 'hold')));
    await writer.commit();
  });

  it('of many processes that want one ingest at once, one gets it', async () => {
    await using directory = await temporaryDirectory();
    const processes = Array.from({ length: 5 }, () =>
      start(process.execPath, [program, 'race', directory.path, 'ref']),
    );
    try {
      const outcomes = await Promise.all(processes.map((one) => one.printed(/^(won|locked)$/m)));
      assert.deepEqual(outcomes.map((match) => match[1]).sort(), ['locked', 'locked', 'locked', 'locked', 'won']);
    } finally {
      for (const one of processes) await one.kill();
    }
  });

  it('of many processes that find a dead owner at once, none fails over what another one has removed', async () => {
    await using directory = await temporaryDirectory();
    const paths = new Paths(directory.path);
    await mkdir(paths.owners, { recursive: true });
    for (let dead = 0; dead < 3000; dead += 1) await writeFile(paths.owner(`dead${dead}`), '');
    const looks = Array.from({ length: 3 }, () => run(process.execPath, [program, 'look', directory.path]));
    for (const { stdout, stderr } of await Promise.all(looks)) assert.equal(stdout, 'looked\n', stderr);
  });

  it('a process that Node lets write to the store and to nothing else can write to it', async () => {
    await using directory = await temporaryDirectory();
    const root = await realpath(directory.path);
    const permissions = ['--permission', '--allow-fs-read=*', `--allow-fs-write=${root}`];
    const bring = (durability: 'full' | 'none') =>
      run(process.execPath, [...permissions, program, 'bring', root, `ref-${durability}`, durability]);
    const full = await bring('full');
    // Node from 26.10 on lets nobody flush, who then has to be told what to do.
    if (!full.stdout.startsWith('pushed 5000000')) assert.match(full.stderr, /use a store with durability none/);
    const none = await bring('none');
    assert.match(none.stdout, /^(pushed 5000000|exists 0)\n$/, none.stderr);
  });

  it('several processes that bring the same blob make one, and each has it', async () => {
    await using directory = await temporaryDirectory();
    const processes = Array.from({ length: 4 }, () =>
      start(process.execPath, [program, 'bring', directory.path, 'blob']),
    );
    try {
      const outcomes = await Promise.all(processes.map((one) => one.printed(/^(pushed|exists) (\d+)$/m)));
      assert.deepEqual(outcomes.map((match) => match[1]).sort(), ['exists', 'exists', 'exists', 'pushed']);
      const moved = outcomes.map((match) => Number(match[2])).reduce((sum, one) => sum + one, 0);
      assert.equal(moved, 5_000_000);
    } finally {
      for (const one of processes) await one.kill();
    }
    await using store = new LocalStore(directory.path);
    await using reader = await store.reader(describeBytes(mediaTypes.octetStream, randomBytes(5_000_000, 'bring')));
    for await (const _ of reader.stream());
  });

  it('killed at any moment, a writer leaves a store that opens and an ingest that goes on', async () => {
    await using directory = await temporaryDirectory();
    let resumed = 0;
    for (let round = 0; round < 12; round += 1) {
      await using child = start(process.execPath, [program, 'commit', directory.path, `ref ${round}`]);
      // A different distance into the program each time.
      await child.printed(new RegExp(`step ${round % 6}`));
      await child.kill('SIGKILL');
      await using store = new LocalStore(directory.path);
      const bytes = randomBytes(3_000_000, `ref ${round}`);
      const target = describeBytes(mediaTypes.octetStream, bytes);
      for await (const info of store.walk()) {
        await using reader = await store.reader(info);
        for await (const _ of reader.stream());
      }
      try {
        await using writer = await store.writer({ ref: `ref ${round}`, target });
        const { offset } = await writer.status();
        assert.ok(offset <= bytes.byteLength);
        assert.equal(await writer.digest(), digestOf(bytes.subarray(0, offset)));
        resumed += Number(offset > 0);
        await writer.write(bytes.subarray(offset));
        await writer.commit({ size: target.size, digest: target.digest });
      } catch (error) {
        assert.match(String(error), /in the store already/);
      }
      assert.equal((await store.info(target.digest)).size, target.size);
    }
    assert.ok(resumed > 0, 'no kill met a running ingest');
    assert.deepEqual(await readdir(join(directory.path, 'ingest')), []);
  });
});
