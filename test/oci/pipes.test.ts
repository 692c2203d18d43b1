import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { fetcherOf, pusherOf } from '../../src/content/copy.ts';
import type { ContentStore } from '../../src/content/store.ts';
import { is } from '../../src/errors.ts';
import { transfer } from '../../src/images/transfer.ts';
import { ArchivePlace } from '../../src/oci/archive.ts';
import { saveArchive } from '../../src/oci/archive-file.ts';
import { exportArchive } from '../../src/oci/export.ts';
import { importArchive } from '../../src/oci/import.ts';
import { LayoutPlace } from '../../src/oci/layout.ts';
import { encodedOf } from '../../src/spec/digest.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { run, succeed } from '../support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { fails, namesIn, putBlobs } from './images.ts';

const image = randomImage({ seed: 'pipe', layers: [3000, 300_000] });
const images = [{ target: image.root, names: ['docker.io/lab/app:v1'] }];
const skip = process.platform === 'win32' ? 'there are no named pipes in directories' : false;

async function stored(): Promise<ContentStore> {
  const { content } = memoryServices();
  await putBlobs(content, image.blobs);
  return content;
}

async function archive(): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(exportArchive(await stored(), images)));
}

async function pipeIn(directory: TemporaryDirectory): Promise<string> {
  const path = directory.join('pipe');
  await succeed('mkfifo', [path]);
  return path;
}

/** Runs a shell command beside what is tested, with the path of the pipe as `$0`. */
function beside(command: string, path: string): Promise<{ code: number | null; stdout: string }> {
  return run('sh', ['-c', command, path]);
}

describe('archives through pipes', { skip }, () => {
  it('a pipe takes an archive as it comes, and stays a pipe', async () => {
    await using directory = await temporaryDirectory();
    const path = await pipeIn(directory);
    const [{ code }] = await Promise.all([
      beside('cat < "$0" > "$0.copy"', path),
      saveArchive(path, exportArchive(await stored(), images)),
    ]);
    assert.equal(code, 0);
    assert.deepEqual(await readFile(`${path}.copy`), await archive());
    assert.ok((await lstat(path)).isFIFO());
    assert.deepEqual((await readdir(directory.path)).sort(), ['pipe', 'pipe.copy']);
  });

  it('a copy goes into a pipe', async () => {
    await using directory = await temporaryDirectory();
    const path = await pipeIn(directory);
    const reading = beside('cat < "$0" > "$0.copy"', path);
    {
      await using target = await new ArchivePlace(path, { format: 'oci', image: 'v1' }).target();
      await transfer(fetcherOf(await stored()), target.pusher, [image.root]);
      await target.finish(image.root);
    }
    await reading;
    const services = memoryServices();
    await importArchive(services, `${path}.copy`, { prefix: 'docker.io/lab/app' });
    assert.deepEqual(await namesIn(services), { 'docker.io/lab/app:v1': image.root.digest });
    assert.deepEqual((await readdir(directory.path)).sort(), ['pipe', 'pipe.copy']);
  });

  it('a reader that leaves is an error', async () => {
    await using directory = await temporaryDirectory();
    const path = await pipeIn(directory);
    const reading = beside('head -c 10 < "$0"', path);
    await fails(saveArchive(path, exportArchive(await stored(), images)), 'aborted');
    await reading;
    assert.ok((await lstat(path)).isFIFO());
  });

  it('waiting for a reader can be given up', async () => {
    await using directory = await temporaryDirectory();
    const path = await pipeIn(directory);
    const giveUp = new AbortController();
    const saving = saveArchive(path, exportArchive(await stored(), images), { signal: giveUp.signal });
    const reason = new Error('enough');
    setImmediate(() => giveUp.abort(reason));
    await assert.rejects(saving, reason);
  });

  for (const pack of [(bytes: Buffer) => bytes, gzipSync]) {
    it(`a copy comes out of a pipe, ${pack === gzipSync ? '' : 'not '}packed`, async () => {
      await using directory = await temporaryDirectory();
      const path = await pipeIn(directory);
      await writeFile(`${path}.original`, pack(await archive()));
      const writing = beside('cat "$0.original" > "$0"', path);
      await using source = await new ArchivePlace(path, { format: 'oci', image: 'v1' }).source();
      await transfer(source.fetcher, pusherOf(memoryServices().content), [source.root]);
      assert.equal(source.root.digest, image.root.digest);
      await writing;
    });
  }

  it('waiting for a writer can be given up, and nothing keeps the process', {
    skip: process.platform === 'linux' ? false : 'a thread waits for it',
  }, async () => {
    await using directory = await temporaryDirectory();
    const path = await pipeIn(directory);
    const reason = new Error('enough');
    const open: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => importArchive(memoryServices(), path, { signal }),
      (signal) => new ArchivePlace(path, { format: 'oci' }).source({ signal }),
    ];
    for (const one of open) {
      const giveUp = new AbortController();
      setImmediate(() => giveUp.abort(reason));
      await assert.rejects(one(giveUp.signal), reason);
    }
  });

  it('a pipe in the place of a document of a layout is refused, and not waited for', async () => {
    await using directory = await temporaryDirectory();
    await mkdir(directory.join('blobs'));
    await succeed('mkfifo', [directory.join('index.json')]);
    await fails(new LayoutPlace(directory.path).source(), 'invalid-argument', 'bad-archive', /is none/);
  });

  it('a pipe in the place of a blob of a layout neither', { timeout: 60_000 }, async () => {
    await using directory = await temporaryDirectory();
    const { root } = randomImage({ seed: 'pipe' });
    await mkdir(directory.join('blobs', 'sha256'), { recursive: true });
    await writeFile(directory.join('index.json'), JSON.stringify({ schemaVersion: 2, manifests: [root] }));
    await succeed('mkfifo', [directory.join('blobs', 'sha256', encodedOf(root.digest))]);
    await using source = await new LayoutPlace(directory.path).source();
    const reading = source.fetcher.fetch(root).then((stream) => Array.fromAsync(stream));
    await assert.rejects(reading, (error) => is(error, 'failed-precondition') && /is not a file/.test(error.message));
    await fails(importArchive(memoryServices(), directory.path), 'not-found', 'bad-archive', /is not in it/);
  });
});

describe('an archive over what is there', () => {
  it('keeps a link to a file, and the mode of the file', { skip }, async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('real', 'image.tar');
    await mkdir(directory.join('real'));
    await writeFile(file, 'before');
    await chmod(file, 0o600);
    const link = directory.join('link.tar');
    await symlink(join('real', 'image.tar'), link);
    await saveArchive(link, exportArchive(await stored(), images));
    assert.equal(await readlink(link), join('real', 'image.tar'));
    assert.deepEqual(await readFile(file), await archive());
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(directory.join('real')), ['image.tar']);
  });
});
