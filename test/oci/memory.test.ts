import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import { createHasher, type Digest } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document, randomStream } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { layoutEntries, named } from './images.ts';
import { entryBytes, tarOf } from './tar-builder.ts';

/** MiB of the archive; with `DRAY_TEST_ARCHIVE_MIB=10240` it cannot be held by accident. */
const mebibytes = Number(process.env['DRAY_TEST_ARCHIVE_MIB'] ?? 512);
const layerSize = Math.floor(mebibytes / 4) * 1024 * 1024;
const child = join(import.meta.dirname, 'memory-child.ts');

async function digestOfLayer(seed: string): Promise<Digest> {
  const hasher = createHasher();
  for await (const chunk of randomStream(layerSize, seed)) hasher.update(chunk);
  return hasher.digest();
}

async function* archive(): AsyncGenerator<Uint8Array> {
  const layers = [];
  for (const seed of ['one', 'two', 'three', 'four']) {
    const digest = await digestOfLayer(seed);
    layers.push({ mediaType: mediaTypes.ociLayer, digest, size: layerSize });
    yield entryBytes({ name: `blobs/${digest.replace(':', '/')}`, statedSize: layerSize });
    yield* randomStream(layerSize, seed);
  }
  const config = document(mediaTypes.ociConfig, { os: 'linux', architecture: 'amd64' });
  const root = document(mediaTypes.ociManifest, { schemaVersion: 2, config: config.descriptor, layers });
  yield tarOf(layoutEntries([config, root], [named(root.descriptor, 'lab/app:v1')]));
}

async function memoryFor(directory: string, path: string, from: string): Promise<number> {
  const running = spawn(process.execPath, [child, directory, from], { stdio: ['pipe', 'pipe', 'inherit'] });
  const output: Buffer[] = [];
  running.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  const ended = once(running, 'close');
  if (from === '-') await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), running.stdin);
  else running.stdin.end();
  assert.deepEqual(await ended, [0, null]);
  const [written = 0, used = 0] = Buffer.concat(output).toString().split(' ').map(Number);
  assert.ok(written > 4 * layerSize);
  return used;
}

describe('memory', () => {
  it(`an archive of ${mebibytes} MiB goes in, from a file and from a pipe, and out again in less than 200 MiB`, async (t) => {
    await using directory = await temporaryDirectory();
    const path = directory.join('archive.tar');
    await pipeline(archive(), createWriteStream(path));
    for (const from of [path, '-']) {
      await using store = await temporaryDirectory();
      const used = await memoryFor(store.path, path, from);
      t.diagnostic(`${used} MiB from ${from === '-' ? 'a pipe' : 'a file'}`);
      assert.ok(used > 0 && used < 200, `${used} MiB`);
    }
  });
});
