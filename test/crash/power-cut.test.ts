import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { eraseCredentials, storeCredentials } from '../../src/remotes/docker/auth-file.ts';
import { passwordCredentials } from '../../src/remotes/docker/credentials.ts';
import { randomBlob } from '../../src/testing/random.ts';
import { put } from '../metadata/support.ts';
import { drayDone, drayStart } from '../support/command.ts';
import { pieceFlushed } from '../support/flushes.ts';
import { type DiskFormat, mountDisk, unlessDisks } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const layout = join(import.meta.dirname, '..', 'fixtures', 'hello');
const formats: readonly DiskFormat[] = ['ext4', 'xfs'];

for (const format of formats)
  describe(`a power cut, on ${format}`, { skip: unlessDisks(format) }, () => {
    it('takes nothing back that a command has done, and the next one goes on', async () => {
      await using directory = await temporaryDirectory();
      await using disk = await mountDisk(directory.join('disk'), format);
      const at = (name: string): string => join(disk.path, name);
      const environment = { DRAY_ROOT: at('new/store') };
      await drayDone(['import', layout, '--name', 'app:1'], { environment });
      await drayDone(['images', 'tag', 'app:1', 'app:2', 'app:3'], { environment });
      await drayDone(['images', 'rm', 'app:2'], { environment });
      await drayDone(['lease', 'create', '--id', 'mine'], { environment });
      await drayDone(['content', 'ingest', 'mine', '--label', 'a=b'], { environment, input: 'bytes' });
      await drayDone(['export', 'app:1', at('app.tar')], { environment });
      await drayDone(['export', 'app:1', `${at('shared')}/`, '--link', format === 'xfs' ? 'reflink' : 'hard'], {
        environment,
      });
      await drayDone(['doctor', '--backup', at('backup.db')], { environment });
      const archive = await readFile(at('app.tar'));

      const served = drayStart(['serve', '--addr', '127.0.0.1:0', '--root', at('registry')]);
      const [, address = ''] = await served.printed(/serving \S+ at http:\/\/(\S+)/);
      await drayDone(['copy', 'store:app:1', `${address}/app:1`], { environment });
      await disk.cutPower();
      await served.kill();
      await disk.start();

      assert.deepEqual((await drayDone(['images', 'ls', '-q'], { environment })).split('\n'), [
        'docker.io/library/app:1',
        'docker.io/library/app:3',
      ]);
      assert.equal(await drayDone(['lease', 'ls', '-q'], { environment }), 'mine');
      assert.match(await drayDone(['content', 'ls', 'labels.a==b', '-q'], { environment }), /^sha256:/);
      for (const root of [at('new/store'), at('registry')]) {
        assert.equal(await drayDone(['doctor', '--verify', '--json', '--root', root]), '[]');
        await drayDone(['images', 'check', '--root', root]);
        await drayDone(['gc', '--root', root]);
      }
      assert.deepEqual(await readFile(at('app.tar')), archive);
      assert.ok(existsSync(at('backup.db')));
      await drayDone(['import', at('app.tar'), '--root', at('again')]);
      await drayDone(['import', at('shared'), '--root', at('again')]);
      await drayDone(['copy', `oci:${at('shared')}`, 'store:app:4'], { environment });
    });

    it('leaves a file with credentials as it was before or after a login or logout', async () => {
      await using directory = await temporaryDirectory();
      await using disk = await mountDisk(directory.join('disk'), format);
      const file = join(disk.path, 'config.json');
      const users = async (): Promise<string[]> => Object.keys(JSON.parse(await readFile(file, 'utf8')).auths);
      for (const registry of ['one', 'two', 'three'])
        await storeCredentials(`${registry}.example`, passwordCredentials('u', 'p'), { file });
      await disk.cutPower();
      await disk.start();
      assert.deepEqual(await users(), ['one.example', 'two.example', 'three.example']);
      await eraseCredentials('two.example', { file });
      await disk.cutPower();
      await disk.start();
      assert.deepEqual(await users(), ['one.example', 'three.example']);
    });

    it('takes nothing back that was promised, also when who promises nothing closed the store last', async () => {
      await using directory = await temporaryDirectory();
      await using disk = await mountDisk(directory.join('disk'), format);
      const root = join(disk.path, 'store');
      const careless = await openStore({ root, durability: 'none' });
      const careful = await openStore({ root });
      await careful.namespaces.create({ name: 'promised' });
      await careful[Symbol.asyncDispose]();
      await careless[Symbol.asyncDispose]();
      // Somebody else flushes, and with that the file system what it did until now with its directories.
      await writeFile(join(disk.path, 'else'), 'x', { flush: true });
      await disk.cutPower();
      await disk.start();
      await using store = await openStore({ root });
      const names = await Array.fromAsync(store.namespaces.list());
      assert.deepEqual(
        names.map(({ name }) => name),
        ['promised'],
      );
    });

    it('leaves what was flushed of a large ingest, and the next one goes on from there', async () => {
      await using directory = await temporaryDirectory();
      await using disk = await mountDisk(directory.join('disk'), format);
      const root = join(disk.path, 'store');
      const { descriptor: target, bytes } = randomBlob(40 * 1024 * 1024, 'large');
      const store = new LocalStore(root);
      const writer = await store.writer({ ref: 'large', target });
      await pieceFlushed(() => writer.write(bytes.subarray(0, 20 * 1024 * 1024)));
      await disk.cutPower();
      await assert.rejects(async () => writer[Symbol.asyncDispose]());
      await store[Symbol.asyncDispose]();
      await disk.start();
      await using again = new LocalStore(root);
      await using next = await again.writer({ ref: 'large', target });
      const { offset } = await next.status();
      assert.ok(offset > 0);
      await next.write(bytes.subarray(offset));
      assert.equal((await next.commit({ digest: target.digest })).size, bytes.byteLength);
    });

    it('keeps the labels of a store without names, also of one that is still open', async () => {
      await using directory = await temporaryDirectory();
      await using disk = await mountDisk(directory.join('disk'), format);
      const root = join(disk.path, 'store');
      const store = new LocalStore(root);
      const first = (await put(store, 'first', 'first', { labels: { a: 'b' } })).digest;
      const second = (await put(store, 'second', 'second')).digest;
      await store.update({ digest: second, labels: { c: 'd' } });
      await disk.cutPower();
      await store[Symbol.asyncDispose]();
      await disk.start();
      await using again = new LocalStore(root);
      assert.deepEqual((await again.info(first)).labels, { a: 'b' });
      assert.deepEqual((await again.info(second)).labels, { c: 'd' });
    });
  });
