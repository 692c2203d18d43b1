import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { it } from 'node:test';
import { createHasher } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document, randomBlob, randomStream } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { type ServedProcess, serveProcess } from './load.ts';
import { nothing, pushBlob } from './support.ts';

const mebibyte = 1024 * 1024;

/** What a registry needs to begin with, and what hostile clients may make of it. */
const limit = 512 * mebibyte;

async function peak(served: ServedProcess): Promise<number> {
  return Number((await served.send('GET', '/memory')).body.toString());
}

async function open(served: ServedProcess, text: string): Promise<Socket> {
  const { hostname, port } = new URL(served.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

it('hostile clients do not make it grow', async (context) => {
  await using directory = await temporaryDirectory();
  await using served = await serveProcess(directory.join('store'), { durability: 'none', connections: 400 });
  const sockets: Socket[] = [];
  // Heads that never end, and bodies of manifests of which only the last byte is missing.
  for (let count = 0; count < 100; count += 1)
    sockets.push(await open(served, `GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-${count}: `));
  const head = `PUT /v2/app/manifests/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${8 * mebibyte}\r\n\r\n`;
  const almost = Buffer.alloc(8 * mebibyte - 1, 0x20);
  for (let count = 0; count < 40; count += 1) {
    const socket = await open(served, head);
    socket.write(almost);
    sockets.push(socket);
  }
  // Documents that are small on the wire and large as objects.
  const children = Array.from({ length: 9_999 }, () => ({ mediaType: 'a/b', digest: nothing, size: 1 }));
  const wide = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: children });
  const headers = { 'Content-Type': mediaTypes.ociIndex };
  for (let count = 0; count < 10; count += 1)
    await served.send('PUT', `/v2/app/manifests/wide-${count}`, { headers, body: wide.bytes });
  // Lists of any length, uploads that nobody goes on with, methods and paths that mean nothing.
  for (const path of ['/v2/_catalog?n=1000000000', '/v2/app/tags/list?n=999999999999', `/v2/app/referrers/${nothing}`])
    await served.send('GET', path);
  for (let count = 0; count < 600; count += 1) await served.send('POST', `/v2/app-${count}/blobs/uploads/`);
  for (let count = 0; count < 1000; count += 1)
    await served.send('GET', `/v2/${'a/'.repeat(50)}${count}/manifests/${'x'.repeat(100)}`);
  const found = await peak(served);
  context.diagnostic(`peak of resident memory: ${Math.round(found / mebibyte)} MiB`);
  assert.ok(found < limit, `${Math.round(found / mebibyte)} MiB`);
  for (const socket of sockets) socket.destroy();
  assert.equal((await served.send('GET', '/v2/')).status, 200);
});

it('uploads and downloads that stand still do not make it grow, however many they are', async (context) => {
  await using directory = await temporaryDirectory();
  await using served = await serveProcess(directory.join('store'), { durability: 'none', connections: 400 });
  const sockets: Socket[] = [];
  // Just below what is written at once when there are few of them.
  const almost = Buffer.alloc(1_000_000, 0x20);
  for (let count = 0; count < 380; count += 1) {
    const { headers } = await served.send('POST', '/v2/app/blobs/uploads/');
    const head = `PATCH ${headers.location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n`;
    const socket = await open(served, head);
    await new Promise<void>((resolve) => socket.write(almost, () => resolve()));
    sockets.push(socket);
  }
  for (const socket of sockets.splice(0)) socket.destroy();
  const blob = randomBlob(16 * mebibyte, 'half read');
  await pushBlob(served.send, 'app', blob);
  for (let count = 0; count < 250; count += 1) {
    const path = `/v2/app/blobs/${blob.descriptor.digest}`;
    const socket = await open(served, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=${count + 1}-\r\n\r\n`);
    await once(socket, 'readable');
    sockets.push(socket);
  }
  const found = await peak(served);
  context.diagnostic(`peak of resident memory: ${Math.round(found / mebibyte)} MiB`);
  assert.ok(found < 400 * mebibyte, `${Math.round(found / mebibyte)} MiB`);
  for (const socket of sockets) socket.destroy();
});

it('a manifest that comes in chunks of a byte each takes no more memory than another', async (context) => {
  await using directory = await temporaryDirectory();
  await using served = await serveProcess(directory.join('store'), { durability: 'none' });
  const head = 'PUT /v2/app/manifests/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n';
  const socket = await open(served, head);
  const answered = once(socket, 'data');
  socket.write(`${'1\r\n \r\n'.repeat(700_000)}0\r\n\r\n`);
  assert.match(String(await answered), /^HTTP\/1\.1 400 /);
  socket.destroy();
  const found = await peak(served);
  context.diagnostic(`peak of resident memory: ${Math.round(found / mebibyte)} MiB`);
  assert.ok(found < 250 * mebibyte, `${Math.round(found / mebibyte)} MiB`);
});

it('a blob of any size passes through it in little memory, both ways, also to clients that hardly read', async (context) => {
  const size = 300 * mebibyte;
  await using directory = await temporaryDirectory();
  await using served = await serveProcess(directory.join('store'), { durability: 'none' });
  const hasher = createHasher();
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of randomStream(size, 'large')) {
      hasher.update(chunk);
      yield chunk;
    }
  };
  const { headers } = await served.send('POST', '/v2/app/blobs/uploads/');
  const location = new URL(headers.location ?? '', served.url);
  const sent = await fetch(location, {
    method: 'PATCH',
    body: ReadableStream.from(body()),
    duplex: 'half',
  } as RequestInit);
  assert.equal(sent.status, 202);
  const digest = hasher.digest();
  assert.equal((await served.send('PUT', `${location.pathname}?digest=${digest}`)).status, 201);
  const slow: Socket[] = [];
  for (let count = 0; count < 60; count += 1) {
    const socket = await open(served, `GET /v2/app/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(socket, 'readable');
    slow.push(socket);
  }
  const response = await fetch(`${served.url}/v2/app/blobs/${digest}`);
  let received = 0;
  for await (const chunk of response.body ?? []) received += (chunk as Uint8Array).byteLength;
  assert.equal(received, size);
  const found = await peak(served);
  context.diagnostic(`peak of resident memory: ${Math.round(found / mebibyte)} MiB`);
  assert.ok(found < limit, `${Math.round(found / mebibyte)} MiB`);
  for (const socket of slow) socket.destroy();
});
