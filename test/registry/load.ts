import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { join } from 'node:path';
import type { RegistryOptions } from '../../src/registry/index.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document, type RandomBlob, randomBlob } from '../../src/testing/random.ts';
import { type Running, start } from '../support/processes.ts';
import { type Answer, type Send, type SendOptions, send } from './support.ts';

/** A registry in a process of its own. */
export interface ServedProcess extends AsyncDisposable {
  readonly url: string;
  readonly running: Running;
  send: Send;
}

/** Starts one over the store in `root`. */
export async function serveProcess(
  root: string,
  options: Partial<RegistryOptions> & { durability?: 'full' | 'none' } = {},
): Promise<ServedProcess> {
  const running = start(process.execPath, [
    join(import.meta.dirname, 'serve-process.ts'),
    root,
    JSON.stringify(options),
  ]);
  const [, url = ''] = await running.printed(/serving (\S+)/);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  return {
    url,
    running,
    send: (method: string, path: string, given?: SendOptions): Promise<Answer> => send(url, method, path, given, agent),
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      await running.kill();
    },
  };
}

/** A source of numbers that looks like chance and is the same for the same seed. */
export function chance(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** An image over layers of a small pool, so that images share many of them. */
export function pooledImage(random: (below: number) => number): { manifest: RandomBlob; blobs: readonly RandomBlob[] } {
  const layers = Array.from({ length: 1 + random(3) }, () => {
    const number = random(40);
    return randomBlob(1000 + number * 3000, `layer ${number}`, mediaTypes.ociLayer);
  });
  const config = document(mediaTypes.ociConfig, { os: 'linux', architecture: 'amd64', made: random(1_000_000) });
  const named = [...new Map(layers.map((layer) => [layer.descriptor.digest, layer])).values()];
  const manifest = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: named.map(({ descriptor }) => descriptor),
  });
  return { manifest, blobs: [config, ...named] };
}

/** Pushes one blob as clients do: it is looked for, mounted or sent in some way. */
export async function pushLike(
  call: Send,
  random: (below: number) => number,
  repository: string,
  { descriptor, bytes }: RandomBlob,
  from: string,
): Promise<void> {
  const { digest } = descriptor;
  if ((await call('HEAD', `/v2/${repository}/blobs/${digest}`)).status === 200) return;
  const query = random(3) === 0 ? `?mount=${digest}&from=${from}` : '';
  const session = await call('POST', `/v2/${repository}/blobs/uploads/${query}`);
  if (session.status === 201) return;
  assert.equal(session.status, 202);
  const location = session.headers.location ?? '';
  let status: number;
  if (random(2) === 0) {
    status = (await call('PUT', `${location}?digest=${digest}`, { body: bytes })).status;
  } else {
    const half = bytes.byteLength >> 1;
    const first = { headers: { 'Content-Range': `0-${half - 1}` }, body: bytes.subarray(0, half) };
    assert.equal((await call('PATCH', location, first)).status, 202);
    assert.equal((await call('PATCH', location, { body: bytes.subarray(half) })).status, 202);
    status = (await call('PUT', `${location}?digest=${digest}`)).status;
  }
  assert.equal(status, 201);
}

/** Pulls a tag with all below it; false when there is no such tag. What a manifest names has to be there. */
export async function pullAll(call: Send, repository: string, reference: string): Promise<boolean> {
  const found = await call('GET', `/v2/${repository}/manifests/${reference}`);
  if (found.status === 404) return false;
  assert.equal(found.status, 200);
  const { config, layers } = found.json<{ config: Descriptor; layers: Descriptor[] }>();
  for (const { digest, size } of [config, ...layers]) {
    const { status, body } = await call('GET', `/v2/${repository}/blobs/${digest}`);
    assert.equal(status, 200, `${repository}:${reference} names ${digest}`);
    assert.equal(body.byteLength, size);
  }
  return true;
}
