import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Client } from '../../src/client/client.ts';
import type { ProgressEvent } from '../../src/client/copy.ts';
import { DrayError, is } from '../../src/errors.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { namesIn } from '../oci/images.ts';
import { layerOf, payloadOf } from '../schema1/documents.ts';
import { layers, oldRegistry, root, signed } from '../schema1/old-registry.ts';

function clientOver(services = memoryServices()): Client {
  const retry = { pause: 1, longestPause: 2 };
  return Client.over(services, { registry: { credentials: noCredentials, certificateDirectories: [], retry } });
}

describe('a client that meets Docker schema 1', () => {
  it('knows it whatever the registry calls it', async () => {
    await using registry = await oldRegistry();
    await using client = clientOver();
    for (const manifestType of [
      '',
      'application/json',
      'text/plain',
      'application/octet-stream',
      mediaTypes.dockerSchema1,
    ]) {
      registry.quirks = { manifestType };
      await assert.rejects(
        client.pull(registry.name),
        (error) =>
          is(error, 'not-implemented') &&
          error.context.side === 'source' &&
          /--convert-schema1/.test(error.context.hint ?? ''),
        manifestType,
      );
      const { root: made } = await client.pull(registry.name, { convertSchema1: true });
      assert.deepEqual(await namesIn(client.services), { [registry.name]: made.digest });
    }
  });

  it('finds it by the digest of its payload', async () => {
    await using registry = await oldRegistry();
    await using client = clientOver();
    const byDigest = `${registry.host}/lab/app@${root.digest}`;
    const byTag = await client.pull(registry.name, { convertSchema1: true });
    assert.equal((await client.pull(byDigest, { convertSchema1: true })).root.digest, byTag.root.digest);
    assert.equal((await client.resolve(registry.name)).descriptor.digest, root.digest);
  });

  it('shows the manifest as the registry sent it', async () => {
    await using registry = await oldRegistry();
    await using client = clientOver();
    const { descriptor, bytes } = await client.manifest(registry.name);
    assert.deepEqual([descriptor.digest, Buffer.from(bytes)], [root.digest, Buffer.from(signed)]);
    await fails(client.config(registry.name), 'invalid-argument', /--convert-schema1/);
  });

  it('asks for each layer once, and for none when all are there', async () => {
    await using registry = await oldRegistry();
    await using client = clientOver();
    const blobs = (): string[] =>
      registry
        .log()
        .filter((request) => request.includes('/blobs/'))
        .sort();
    const events: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent): void => void events.push(event);
    const first = await client.pull(registry.name, { convertSchema1: true, onProgress });
    assert.deepEqual(blobs(), layers.map((layer) => `GET /v2/lab/app/blobs/${digestOf(layer)} 200`).sort());
    const size = layers.reduce((sum, layer) => sum + layer.byteLength, 0);
    assert.deepEqual([first.summary.pushed, first.summary.bytesMoved], [2, size]);
    assert.deepEqual([events[0]?.type, events.at(-1)?.type], ['resolved', 'done']);
    registry.clear();
    const second = await client.pull(registry.name, { convertSchema1: true });
    assert.deepEqual([blobs(), second.root, second.summary.existed], [[], first.root, 2]);
    await using other = clientOver();
    assert.deepEqual((await other.fetch(registry.name, { convertSchema1: true })).root, first.root);
    assert.deepEqual(await namesIn(other.services), {}, 'content that is only fetched gets no name');
  });

  it('notes where the layers came from, so that they can be mounted there later', async () => {
    await using registry = await oldRegistry();
    await using client = clientOver();
    await client.pull(registry.name, { convertSchema1: true });
    const { labels } = await client.services.content.info(digestOf(layers[0] ?? Buffer.of()));
    assert.equal(labels['containerd.io/distribution.source.127.0.0.1'], 'lab/app');
  });

  it('moves no name when a layer is missing or wrong', async () => {
    await using registry = await oldRegistry();
    await using client = clientOver();
    const { content, images } = client.services;
    const [, layer = Buffer.of()] = layers;
    const path = `/v2/lab/app/blobs/${digestOf(layer)}`;
    for (const answer of [
      { status: 404, body: '' },
      { status: 200, body: layerOf('other').toString() },
      { status: 200, body: '' },
    ]) {
      registry.clear();
      registry.script({ on: new RegExp(path), answer });
      await assert.rejects(client.pull(registry.name, { convertSchema1: true }), (error) => error instanceof DrayError);
      assert.deepEqual(await namesIn(client.services), {});
    }
    registry.clear();
    const before = await client.pull(registry.name, { convertSchema1: true });
    const other = payloadOf([{ layer: gzipSync(layerOf('not there')) }]);
    const repository = registry.repository('lab/app');
    repository.manifests.set(digestOf(other), { mediaType: root.mediaType, bytes: other });
    repository.tags.set('1', digestOf(other));
    await fails(client.pull(registry.name, { convertSchema1: true }), 'not-found');
    assert.equal((await images.get(registry.name)).target.digest, before.root.digest);
    await fails(content.info(digestOf(other)), 'not-found');
  });
});
