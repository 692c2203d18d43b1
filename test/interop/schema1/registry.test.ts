import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Client } from '../../../src/client/client.ts';
import type { Schema1Options } from '../../../src/client/schema1.ts';
import { readDocument } from '../../../src/content/documents.ts';
import { DirectoryPlace } from '../../../src/oci/directory.ts';
import { noCredentials } from '../../../src/remotes/docker/credentials.ts';
import {
  convertSchema1,
  emptyLayer,
  parseSchema1,
  type Schema1Manifest,
  signSchema1,
  verifySchema1,
} from '../../../src/schema1/index.ts';
import { type Descriptor, describe as describeBytes } from '../../../src/spec/descriptor.ts';
import { digestOf } from '../../../src/spec/digest.ts';
import { parseManifest } from '../../../src/spec/documents.ts';
import { mediaTypes } from '../../../src/spec/media-types.ts';
import { memoryServices } from '../../../src/testing/memory-services.ts';
import { document, type RandomImage, randomBytes } from '../../../src/testing/random.ts';
import { putBlobs } from '../../oci/images.ts';
import { idOf, layerOf, payloadOf, type Step, servingAs } from '../../schema1/documents.ts';
import { keyFor } from '../../schema1/sign-by-hand.ts';
import { dray, drayDone } from '../../support/command.ts';
import { type Containerd, startContainerd, unlessContainerd } from '../../support/containerd.ts';
import { type DockerRegistry, dockerRegistry } from '../../support/docker-registry.ts';
import { succeed } from '../../support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary.ts';
import { sharedFixtures, unlessFixtures, unlessInstalled } from '../../support/tools.ts';

const tars = ['base', 'app'].map((name) => layerOf(name, randomBytes(30_000, name)));
const layers = tars.map((tar) => gzipSync(tar));
const diffIds = tars.map((tar) => digestOf(tar));
const history = [
  { created: '2020-01-01T00:00:00Z', created_by: 'ADD <base>', author: 'me' },
  { created: '2020-01-01T00:00:01.25Z', created_by: 'ENV A=b', empty_layer: true },
  { created: '2020-01-01T00:00:02Z', created_by: 'ADD app', comment: 'both' },
  { created: '2020-01-01T00:00:03Z', empty_layer: true },
];

/** An image with a history, in the media types that registries of schema 1 know. */
function imageOf(): RandomImage {
  const blobs = layers.map((bytes) => ({ descriptor: describeBytes(mediaTypes.dockerLayerGzip, bytes), bytes }));
  const config = document(mediaTypes.dockerConfig, {
    architecture: 'amd64',
    os: 'linux',
    created: '2020-01-01T00:00:03Z',
    config: { Env: ['A=b'], Cmd: ['/app/run'], Labels: { x: '<y>' } },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history,
  });
  const manifest = document(mediaTypes.dockerManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.dockerManifest,
    config: config.descriptor,
    layers: blobs.map(({ descriptor }) => descriptor),
  });
  return { root: manifest.descriptor, blobs: [...blobs, config, manifest] };
}

const image = imageOf();

function skopeo(...args: readonly string[]): Promise<string> {
  return succeed('skopeo', ['--insecure-policy', ...args]);
}

/** A client on a store in memory. */
function clientOver(services = memoryServices()): Client {
  return Client.over(services, { registry: { credentials: noCredentials } });
}

/** What an image in a store is, in documents. */
async function imageIn(
  { services }: Client,
  name: string,
): Promise<{ target: Descriptor; config: Record<string, never> }> {
  const { target } = await services.images.get(name);
  const manifest = parseManifest(await readDocument(services.content, target));
  return { target, config: JSON.parse(Buffer.from(await readDocument(services.content, manifest.config)).toString()) };
}

const diffIdsOf = (config: Record<string, { readonly diff_ids?: unknown } | undefined>): unknown =>
  config['rootfs']?.diff_ids;

describe('schema 1 with docker-registry', { skip: unlessInstalled('docker-registry', 'skopeo') }, () => {
  let directory: TemporaryDirectory;
  let registry: DockerRegistry;

  before(async () => {
    directory = await temporaryDirectory();
    registry = await dockerRegistry(directory, { config: 'compatibility:\n  schema1:\n    enabled: true\n' });
    await using client = clientOver();
    await putBlobs(client.services.content, image.blobs);
    await client.services.images.create({ name: 'docker.io/lab/app:1', target: image.root });
    await client.push('lab/app:1', { target: `${registry.host}/lab/app:new` });
    await client.push('lab/app:1', { target: `${registry.host}/lab/app:old`, schema1: true });
  });

  after(async () => {
    await registry[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  /** What the registry answers to a client that knows nothing newer. */
  async function asOldClient(tag: string): Promise<{ bytes: Buffer; digest: string | null }> {
    const headers = { accept: mediaTypes.dockerSchema1Signed };
    const response = await fetch(`http://${registry.host}/v2/lab/app/manifests/${tag}`, { headers });
    assert.equal(response.status, 200);
    return {
      bytes: Buffer.from(await response.arrayBuffer()),
      digest: response.headers.get('docker-content-digest'),
    };
  }

  it('verifies what the registry makes of a newer image, and converts it back to the same layers', async () => {
    const { bytes, digest } = await asOldClient('new');
    const manifest = parseSchema1(bytes);
    assert.deepEqual([manifest.digest as string, verifySchema1(manifest).state], [digest, 'valid']);
    const target = { mediaType: mediaTypes.dockerSchema1Signed, digest: manifest.digest, size: bytes.byteLength };
    const served = new Map<string, Uint8Array>(image.blobs.map((blob) => [blob.descriptor.digest, blob.bytes]));
    const fetcher = servingAs(served.set(manifest.digest, bytes).set(digestOf(emptyLayer), emptyLayer));
    for (const mode of ['containerd', 'skopeo'] as const) {
      const made = await convertSchema1(memoryServices().content, fetcher, target, { mode });
      const config = JSON.parse(Buffer.from(made.config.bytes).toString());
      assert.deepEqual(config.rootfs.diff_ids, diffIds);
      assert.deepEqual(config.history, history);
      assert.deepEqual(config.config, { Env: ['A=b'], Cmd: ['/app/run'], Labels: { x: '<y>' } });
    }
  });

  it('writes byte for byte what the registry makes of the same image', async () => {
    const own = parseSchema1((await asOldClient('old')).bytes);
    const theirs = parseSchema1((await asOldClient('new')).bytes);
    const text = ({ payload }: Schema1Manifest): string => Buffer.from(payload).toString();
    assert.equal(text(own).replace('"tag": "old"', '"tag": "new"'), text(theirs));
  });

  it('sees one digest, however often the registry signs anew', async () => {
    const [first, second] = [await asOldClient('old'), await asOldClient('old')];
    assert.notDeepEqual(first.bytes, second.bytes);
    for (const { bytes, digest } of [first, second]) assert.equal(parseSchema1(bytes).digest as string, digest);
    assert.equal(first.digest, second.digest);
  });

  it('is taken from the registry with a conversion alone', async () => {
    await using client = clientOver();
    const name = `${registry.host}/lab/app:old`;
    await assert.rejects(client.pull(name), /format of Docker schema 1/);
    const copied = await client.pull(name, { convertSchema1: true });
    const { target, config } = await imageIn(client, name);
    assert.deepEqual([copied.root, diffIdsOf(config)], [target, diffIds]);
    assert.equal(copied.summary.pushed, 2);
  });

  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256'])
    it(`is accepted by the registry when it is signed with ${algorithm}`, async () => {
      await using client = clientOver();
      await putBlobs(client.services.content, image.blobs);
      await client.services.images.create({ name: 'docker.io/lab/app:1', target: image.root });
      const target = `${registry.host}/lab/signed:${algorithm.toLowerCase()}`;
      const { root, reference } = await client.push('lab/app:1', { target, schema1: { key: keyFor(algorithm) } });
      assert.equal(reference, `${registry.host}/lab/signed@${root.digest}`);
      const { descriptor } = await client.resolve(target);
      assert.equal(descriptor.digest, root.digest);
    });

  it('is read by skopeo, and what skopeo writes is read', async () => {
    const raw = await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/lab/app:old`);
    assert.equal(verifySchema1(parseSchema1(Buffer.from(raw))).state, 'valid');
    const source = `docker://${registry.host}/lab/app:new`;
    const target = `${registry.host}/lab/skopeo:1`;
    const unverified = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    await skopeo('copy', '-q', ...unverified, '--format', 'v2s1', source, `docker://${target}`);
    await using client = clientOver();
    for (const mode of ['containerd', 'skopeo'] as const) {
      await client.pull(target, { convertSchema1: { mode } });
      assert.deepEqual(diffIdsOf((await imageIn(client, target)).config), diffIds);
    }
  });

  it('is copied out of the directory that skopeo writes', async () => {
    const folder = directory.join('folder');
    await mkdir(folder);
    const unverified = ['--src-tls-verify=false'];
    await skopeo('copy', '-q', ...unverified, `docker://${registry.host}/lab/app:old`, `dir:${folder}`);
    assert.equal(parseSchema1(await readFile(directory.join('folder', 'manifest.json'))).tag, 'old');
    await using client = clientOver();
    await client.copy(new DirectoryPlace(folder), 'store:folder:1', { convertSchema1: true });
    assert.deepEqual(diffIdsOf((await imageIn(client, 'docker.io/library/folder:1')).config), diffIds);
  });

  for (const options of [
    { mode: 'containerd', family: 'oci' },
    { mode: 'containerd', family: 'docker' },
    { mode: 'skopeo', family: 'oci' },
    { mode: 'skopeo', family: 'docker' },
  ] as const satisfies Schema1Options[])
    it(`is read by skopeo after a conversion: ${options.mode}, ${options.family}`, async () => {
      await using client = clientOver();
      const name = `${registry.host}/lab/app:old`;
      const target = `${registry.host}/lab/converted:${options.mode}-${options.family}`;
      await client.pull(name, { convertSchema1: options });
      await client.push(name, { target });
      const { config } = await imageIn(client, name);
      const inspected = await skopeo('inspect', '--config', '--tls-verify=false', `docker://${target}`);
      assert.deepEqual(diffIdsOf(JSON.parse(inspected)), diffIdsOf(config));
      const out = directory.join(`${options.mode}-${options.family}`);
      await skopeo('copy', '-q', '--src-tls-verify=false', `docker://${target}`, `oci:${out}:1`);
    });

  it('comes and goes through the command', async () => {
    const environment = { DRAY_ROOT: directory.join('store'), DRAY_DURABILITY: 'none' };
    const [source, target] = [`${registry.host}/lab/app:old`, `${registry.host}/lab/command:1`];
    assert.equal((await dray(['pull', source], { environment })).code, 2);
    await drayDone(['pull', source, '--convert-schema1', '--schema1-mode', 'skopeo'], { environment });
    const [, digest] = (await drayDone(['push', source, target, '--schema1'], { environment })).split('@');
    const raw = await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${target}`);
    const manifest = parseSchema1(Buffer.from(raw));
    assert.deepEqual([manifest.digest as string, verifySchema1(manifest).state], [digest, 'valid']);
    await drayDone(['copy', target, 'store:again:1', '--convert-schema1'], { environment });
    await using client = await Client.open({ root: environment.DRAY_ROOT });
    for (const name of [source, 'docker.io/library/again:1'])
      assert.deepEqual(diffIdsOf((await imageIn(client, name)).config), diffIds);
  });

  it('of 2016, in a directory, with a layer that is not packed, has the config that skopeo gives it', {
    skip: unlessFixtures(),
  }, async () => {
    const source = join(sharedFixtures, 'schema1', 'skopeo-uncompressed-image-s1');
    await using client = clientOver();
    for (const [format, family] of [
      ['v2s2', 'docker'],
      ['oci', 'oci'],
    ] as const) {
      const out = directory.join(`fixture-${format}`);
      await skopeo('copy', '-q', '--format', format, `dir:${source}`, `dir:${out}`);
      const theirs = parseManifest(await readFile(`${out}/manifest.json`));
      const { root } = await client.copy(`dir:${source}`, 'store:fixture:1', {
        convertSchema1: { mode: 'skopeo', family },
      });
      const own = parseManifest(await readDocument(client.services.content, root));
      assert.equal(own.config.digest, theirs.config.digest);
      const [layer] = own.layers;
      assert.deepEqual([layer?.digest, layer?.size], [theirs.layers[0]?.digest, 2048]);
      assert.match(layer?.mediaType ?? '', /\.tar$/);
    }
  });

  describe('and other converters', { skip: unlessContainerd() }, () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => gzipSync(layerOf(name))) as [Buffer, Buffer, Buffer];
    const plain = layerOf('plain');
    /**
     * What is said better here than by the others: `packing`, that a layer which is not packed is not called so (skopeo calls it
     * gzip); `platform`, what the manifest says of it, when the newest layer says nothing (they leave it empty).
     */
    interface Case {
      readonly steps: readonly Step[];
      readonly better?: 'packing' | 'platform';
      readonly skopeoRefuses?: boolean;
    }
    const cases: Readonly<Record<string, Case>> = {
      plain: { steps: [{ layer: a }, { layer: b }] },
      throwaway: { steps: [{ layer: a }, { layer: emptyLayer, history: { throwaway: true } }, { layer: b }] },
      nothrow: { steps: [{ layer: a }, { layer: b }, { layer: emptyLayer }] },
      size0: { steps: [{ layer: a }, { layer: b, history: { Size: 0 } }] },
      uncompressed: { steps: [{ layer: a }, { layer: plain }], better: 'packing' },
      dup: { steps: [{ layer: a }, { layer: b }, { layer: a }] },
      dupid: {
        steps: [{ layer: a }, { layer: b }, { layer: c, history: { id: idOf(1), parent: idOf(0) } }],
        better: 'platform',
      },
      parent: { steps: [{ layer: a }, { layer: b, history: { parent: idOf(9) } }], skopeoRefuses: true },
      liethrow: { steps: [{ layer: a }, { layer: b, history: { throwaway: true } }, { layer: c }] },
      conflict: { steps: [{ layer: a, history: { throwaway: true } }, { layer: b }, { layer: a }] },
      created: {
        steps: [
          { layer: a, history: { created: undefined } },
          { layer: b, history: { created: undefined } },
        ],
      },
      bare: {
        steps: [{ layer: a, history: { architecture: undefined, os: undefined, config: undefined } }],
        better: 'platform',
      },
      markup: {
        steps: [
          {
            layer: a,
            history: {
              created: '2016-01-02T03:04:05.120+02:00',
              author: 'a <a@b> & c',
              comment: '\u2028 é',
              docker_version: '1.10.3',
              Size: 12,
              config: {
                Hostname: 'h',
                Labels: { b: '<', a: '>' },
                ExposedPorts: { '80/tcp': {}, '443/tcp': {} },
                Volumes: { '/v': {} },
                OnBuild: ['RUN x'],
                Healthcheck: { Test: ['NONE'] },
                StopSignal: 'SIGTERM',
                Shell: ['/bin/bash'],
                Env: [],
              },
              'x-other': { z: 1, a: 1.5 },
            },
          },
        ],
      },
      old: {
        steps: [
          {
            layer: a,
            history: {
              docker_version: '1.7.1',
              config: { Cmd: ['sh'], Labels: {}, Volumes: { '/v': {} } },
              Size: 5,
              x: 1,
            },
          },
        ],
      },
    };
    let containerd: Containerd;

    before(async () => {
      containerd = await startContainerd();
    });

    after(async () => await containerd[Symbol.asyncDispose]());

    /** Puts a manifest made by hand, with its layers, where other tools find it. */
    async function put(tag: string, steps: readonly Step[]): Promise<string> {
      const bytes = signSchema1(payloadOf(steps, { name: 'lab/traps', tag }), keyFor('ES256'));
      const place = `http://${registry.host}/v2/lab/traps`;
      for (const { layer } of steps) {
        const started = await fetch(`${place}/blobs/uploads/`, { method: 'POST' });
        const location = new URL(started.headers.get('location') ?? '');
        location.searchParams.set('digest', digestOf(layer));
        const closed = await fetch(location, { method: 'PUT', body: new Uint8Array(layer) });
        assert.equal(closed.status, 201);
      }
      const headers = { 'content-type': mediaTypes.dockerSchema1Signed };
      const taken = await fetch(`${place}/manifests/${tag}`, { method: 'PUT', headers, body: new Uint8Array(bytes) });
      assert.equal(taken.status, 201, await taken.text());
      return `${registry.host}/lab/traps:${tag}`;
    }

    async function converted(name: string, options: Schema1Options): Promise<Texts> {
      await using client = clientOver();
      await client.pull(name, { convertSchema1: options });
      const { content, images } = client.services;
      const bytes = await readDocument(content, (await images.get(name)).target);
      const config = await readDocument(content, parseManifest(bytes).config);
      return { manifest: Buffer.from(bytes).toString(), config: Buffer.from(config).toString() };
    }

    it('bring an image to a daemon that converts it no more, and it is unpacked there', async () => {
      const name = `${registry.host}/lab/app:old`;
      const daemon = { address: containerd.address, namespace: 'default' };
      await using client = await Client.connect({ ...daemon, registry: { credentials: noCredentials } });
      await client.pull(name, { convertSchema1: true, snapshotter: 'native', platforms: ['linux/amd64'] });
      const { target, config } = await imageIn(client, name);
      assert.deepEqual(diffIdsOf(config), diffIds);
      const checked = await containerd.ctr('images', 'check', '--snapshotter', 'native');
      assert.match(checked, new RegExp(`${name} +\\S+ +${target.digest} +complete \\(3/3\\).* true`));
    });

    interface Texts {
      readonly manifest: string;
      readonly config: string;
    }

    function assertSame(own: Texts, theirs: Texts, better: Case['better']): void {
      if (better === 'platform') {
        const { architecture, os, ...config } = JSON.parse(own.config);
        const { architecture: _, os: __, ...expected } = JSON.parse(theirs.config);
        assert.deepEqual([architecture, os, config], ['amd64', 'linux', expected]);
        return;
      }
      assert.equal(own.config, theirs.config);
      const untrue = (text: string): string => text.replaceAll(/(\.diff\.tar|\.v1\.tar)[.+]gzip/g, '$1');
      if (better === 'packing') assert.equal(untrue(own.manifest), untrue(theirs.manifest));
      else assert.equal(own.manifest, theirs.manifest);
    }

    for (const [tag, { steps, better, skopeoRefuses = false }] of Object.entries(cases))
      it(`come to the same bytes: ${tag}`, async () => {
        const name = await put(tag, steps);
        await containerd
          .ctr('images', 'pull', '--plain-http', '--snapshotter', 'native', name)
          .catch((error: Error) => {
            // It has the image by then; only layers that are no tar files cannot be unpacked.
            assert.match(error.message, /unpack|apply|extract/);
          });
        const listed = await containerd.ctr('images', 'ls', `name==${name}`);
        const digest = /sha256:[a-f0-9]{64}/.exec(listed)?.[0] ?? '';
        const manifest = await containerd.ctr('content', 'get', digest);
        const config = await containerd.ctr('content', 'get', JSON.parse(manifest).config.digest);
        assertSame(await converted(name, { mode: 'containerd' }), { manifest, config }, better);
        for (const [format, family] of [
          ['oci', 'oci'],
          ['v2s2', 'docker'],
        ] as const) {
          const out = directory.join(`${tag}-${format}`);
          const copying = skopeo(
            'copy',
            '-q',
            '--src-tls-verify=false',
            '--format',
            format,
            `docker://${name}`,
            `dir:${out}`,
          );
          if (skopeoRefuses) {
            await assert.rejects(copying);
            await assert.rejects(converted(name, { mode: 'skopeo', family }), /schema 1 history/);
            continue;
          }
          await copying;
          const theirs = await readFile(`${out}/manifest.json`, 'utf8');
          const theirConfig = await readFile(`${out}/${JSON.parse(theirs).config.digest.slice(7)}`, 'utf8');
          const own = await converted(name, { mode: 'skopeo', family });
          assertSame(own, { manifest: theirs, config: theirConfig }, better);
        }
      });
  });
});
