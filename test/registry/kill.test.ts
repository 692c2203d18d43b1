import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/metadata/open-store.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { chance, pooledImage, pullAll, pushLike, type ServedProcess, serveProcess } from './load.ts';
import { putManifest, type Send } from './support.ts';

const rounds = Number(process.env['DRAY_KILLS'] ?? 4);
const clients = 6;

/** What one client was told is there, in a repository of its own. */
interface Acknowledged {
  readonly repository: string;
  /** Tag to digest; undefined while a change of the tag is under way, since then either may be true. */
  readonly tags: Map<string, string | undefined>;
  /** An upload, and the bytes of it that were acknowledged. */
  upload: { readonly location: string; readonly bytes: Uint8Array; sent: number } | undefined;
}

async function client(call: Send, random: (below: number) => number, known: Acknowledged): Promise<void> {
  for (;;) {
    await goOn(call, random, known);
    const tag = `t${random(4)}`;
    const { manifest, blobs } = pooledImage(random);
    for (const blob of blobs) await pushLike(call, random, known.repository, blob, 'client-0');
    known.tags.set(tag, undefined);
    assert.equal((await putManifest(call, known.repository, manifest, tag)).status, 201);
    known.tags.set(tag, manifest.descriptor.digest);
  }
}

/** Sends the next piece of a long upload. */
async function goOn(call: Send, random: (below: number) => number, known: Acknowledged): Promise<void> {
  if (known.upload === undefined) {
    const { status, headers } = await call('POST', `/v2/${known.repository}/blobs/uploads/`);
    assert.equal(status, 202);
    known.upload = {
      location: headers.location ?? '',
      bytes: randomBytes(400_000, `${known.repository} ${random(1e6)}`),
      sent: 0,
    };
  }
  const { upload } = known;
  const piece = upload.bytes.subarray(upload.sent, upload.sent + 20_000);
  if (piece.byteLength === 0) {
    const digest = digestOf(upload.bytes);
    known.upload = undefined;
    assert.equal((await call('PUT', `${upload.location}?digest=${digest}`)).status, 201);
    return;
  }
  const range = `${upload.sent}-${upload.sent + piece.byteLength - 1}`;
  const { status } = await call('PATCH', upload.location, { headers: { 'Content-Range': range }, body: piece });
  assert.equal(status, 202);
  upload.sent += piece.byteLength;
}

/** Everything that was acknowledged is there, and every upload goes on. */
async function check(call: Send, known: Acknowledged): Promise<void> {
  for (const [tag, digest] of known.tags) {
    if (digest === undefined) continue;
    const { status, headers } = await call('HEAD', `/v2/${known.repository}/manifests/${tag}`);
    assert.equal(status, 200);
    assert.equal(headers['docker-content-digest'], digest);
    assert.ok(await pullAll(call, known.repository, tag));
  }
  const { upload } = known;
  if (upload === undefined) return;
  const { status, headers } = await call('GET', upload.location);
  assert.equal(status, 204);
  const there = headers['range'] === '0-0' ? upload.sent : Number(String(headers['range']).slice(2)) + 1;
  assert.ok(there >= upload.sent, `${there} of ${upload.sent} acknowledged bytes`);
  const rest = {
    headers: { 'Content-Range': `${there}-${upload.bytes.byteLength - 1}` },
    body: upload.bytes.subarray(there),
  };
  const digest = digestOf(upload.bytes);
  const end = await call('PUT', `${upload.location}?digest=${digest}`, there === upload.bytes.byteLength ? {} : rest);
  assert.equal(end.status, 201);
  const found = await call('GET', `/v2/${known.repository}/blobs/${digest}`);
  assert.ok(found.body.equals(upload.bytes));
  known.upload = undefined;
}

async function loadUntilKilled(served: ServedProcess, seed: number, known: readonly Acknowledged[]): Promise<void> {
  const random = chance(seed);
  const working = known.map((one, at) => client(served.send, chance(seed * 100 + at), one));
  const ended = Promise.allSettled(working);
  await sleep(200 + random(800));
  await served.running.kill('SIGKILL');
  for (const outcome of await ended) {
    assert.equal(outcome.status, 'rejected');
    // Only the loss of the connection is a reason to fail; a wrong answer is none.
    assert.match(String((outcome as PromiseRejectedResult).reason), /ECONN|hang up|aborted|EPIPE/);
  }
}

it('killed at any moment under load it starts again with all that it acknowledged, and uploads go on', async () => {
  await using directory = await temporaryDirectory();
  const root = directory.join('store');
  const known: readonly Acknowledged[] = Array.from({ length: clients }, (_, at) => ({
    repository: `client-${at}`,
    tags: new Map(),
    upload: undefined,
  }));
  const options = { grace: 60_000, collectInterval: 300 };
  for (let round = 1; round <= rounds; round += 1) {
    await using served = await serveProcess(root, options);
    await Promise.all(known.map((one) => check(served.send, one)));
    await loadUntilKilled(served, (Date.now() % 100_000) + round, known);
  }
  await using served = await serveProcess(root, options);
  await Promise.all(known.map((one) => check(served.send, one)));
  await served.running.kill('SIGTERM');
  await using store = await openStore({ root });
  for await (const { digest, size } of store.services('default').content.walk()) {
    await using reader = await store.services('default').content.reader({ digest, size });
    for await (const chunk of reader.stream()) assert.ok(chunk.byteLength > 0);
  }
});
