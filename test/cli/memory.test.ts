import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import { createHasher } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document } from '../../src/testing/random.ts';
import { listening } from '../support/loopback.ts';
import { run } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const mebibyte = 1024 * 1024;
// In CI the size that the guarantee names; elsewhere one that shows growth just as well.
const size = (process.env['CI'] === undefined ? 512 : 4096) * mebibyte;
const limit = 200 * mebibyte;

async function* zeros(from: number, to: number): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.alloc(mebibyte);
  for (let left = to - from; left > 0; left -= chunk.byteLength)
    yield left < chunk.byteLength ? chunk.subarray(0, left) : chunk;
}

/** A registry with one image of one layer of zeros, which takes in any blob and forgets it. */
async function largeRegistry(): Promise<{ address: string; received: () => number } & AsyncDisposable> {
  const hasher = createHasher();
  for await (const chunk of zeros(0, size)) hasher.update(chunk);
  const layer = { mediaType: mediaTypes.ociLayer, digest: hasher.digest(), size };
  const config = document(mediaTypes.ociConfig, {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  });
  const manifest = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer],
  });
  let received = 0;
  const read = (path: string, request: IncomingMessage, response: ServerResponse): Promise<void> | void => {
    if (path.startsWith('/v2/new/')) return void response.writeHead(404).end();
    const found = path.includes(layer.digest)
      ? layer
      : path.includes(config.descriptor.digest)
        ? config.descriptor
        : manifest.descriptor;
    const [, from = '0', to = String(found.size - 1)] = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from), Math.min(Number(to || found.size - 1), found.size - 1)];
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      'content-type': found.mediaType,
      'content-length': end + 1 - start,
      'docker-content-digest': found.digest,
      ...(request.headers.range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${found.size}` }),
    });
    if (request.method === 'HEAD') return void response.end();
    const small = found === config.descriptor ? config.bytes : manifest.bytes;
    return pipeline(
      Readable.from(found === layer ? zeros(start, end + 1) : [small], { objectMode: false, highWaterMark: mebibyte }),
      response,
    ).catch(() => {});
  };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (request.method === 'GET' || request.method === 'HEAD') return void read(path, request, response);
    request.on('data', (chunk: Buffer) => {
      received += chunk.byteLength;
    });
    request.on('end', () => {
      const status = request.method === 'POST' && !path.includes('digest=') ? 202 : 201;
      response.writeHead(status, { location: '/v2/new/blobs/uploads/1?state=x', 'content-length': 0 }).end();
    });
  });
  const { host: address, ...listener } = await listening(server);
  return { address, received: () => received, ...listener };
}

async function peakOf(args: readonly string[], root: string): Promise<number> {
  const result = await run(process.execPath, [
    join(import.meta.dirname, 'peak.ts'),
    ...args,
    '--root',
    root,
    '--durability',
    'none',
    '--quiet',
  ]);
  const peak = /^peak (\d+)$/m.exec(result.stderr)?.[1];
  assert.equal(result.code, 0, result.stderr);
  return Number(peak);
}

describe(`memory with a blob of ${size / mebibyte} MiB`, () => {
  it('stays under 200 MiB, in and out', async () => {
    await using registry = await largeRegistry();
    await using directory = await temporaryDirectory();
    const name = `${registry.address}/app:1`;
    const pulled = await peakOf(['pull', name, '--all-platforms'], directory.path);
    assert.ok(pulled < limit, `pull had ${pulled / mebibyte} MiB`);
    const pushed = await peakOf(['push', name, `${registry.address}/new:1`], directory.path);
    assert.ok(pushed < limit, `push had ${pushed / mebibyte} MiB`);
    assert.ok(registry.received() >= size);
    const copied = await peakOf(['copy', name, `${registry.address}/new:2`], directory.path);
    assert.ok(copied < limit, `copy had ${copied / mebibyte} MiB`);
  });
});
