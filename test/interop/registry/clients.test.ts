import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, describe as group, it } from 'node:test';
import { htpasswd } from '../../../src/registry/index.ts';
import type { RandomImage } from '../../../src/testing/random.ts';
import { importImage, isDocument, pushImage, serve, type TestRegistry } from '../../registry/support.ts';
import { type Containerd, startContainerd, unlessContainerd } from '../../support/containerd.ts';
import { succeed } from '../../support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary.ts';
import { unlessInstalled } from '../../support/tools.ts';
import { realImage } from '../oci/real-image.ts';

/** What clients that people use make of the registry: they pull what is there, and push it back under another name. */

const single = realImage('single');
const multi = realImage('multi', ['linux/amd64', 'linux/arm64', 'linux/s390x']);

interface Bench extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly directory: TemporaryDirectory;
  /** `127.0.0.1:port`. */
  readonly host: string;
}

async function bench(options: Parameters<typeof serve>[0] = {}): Promise<Bench> {
  await using undo = new AsyncDisposableStack();
  const directory = undo.use(await temporaryDirectory());
  const registry = undo.use(await serve(options));
  assert.equal((await pushImage(registry.send, 'lab/single', single, '1')).status, 201);
  assert.equal((await pushImage(registry.send, 'lab/multi', multi, '1')).status, 201);
  const parts = undo.move();
  return { registry, directory, host: registry.address, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** The repository has the image under the tag, every object of it with the bytes that it began with. */
async function isSame({ registry }: Bench, repository: string, tag: string, image: RandomImage): Promise<void> {
  const { status, headers } = await registry.send('GET', `/v2/${repository}/manifests/${tag}`);
  assert.equal(status, 200);
  assert.equal(headers['docker-content-digest'], image.root.digest);
  for (const blob of image.blobs) {
    const kind = isDocument(blob) ? 'manifests' : 'blobs';
    const found = await registry.send('GET', `/v2/${repository}/${kind}/${blob.descriptor.digest}`);
    assert.equal(found.status, 200, `${kind} ${blob.descriptor.digest}`);
    assert.ok(found.body.equals(blob.bytes));
  }
  const wrong = registry.records.filter((record) => record.status >= 500);
  assert.deepEqual(wrong, []);
}

const both = [
  ['single', single],
  ['multi', multi],
] as const;

group('skopeo', { skip: unlessInstalled('skopeo') }, () => {
  for (const [name, image] of both) {
    it(`pulls and pushes the image ${name}`, async () => {
      await using it = await bench();
      const layout = `oci:${it.directory.join('layout')}:1`;
      await succeed('skopeo', ['copy', '--all', '--src-tls-verify=false', `docker://${it.host}/lab/${name}:1`, layout]);
      await succeed('skopeo', ['copy', '--all', '--dest-tls-verify=false', layout, `docker://${it.host}/back:1`]);
      await isSame(it, 'back', '1', image);
    });
  }

  it('copies within the registry by mounting, lists tags and deletes', async () => {
    await using it = await bench();
    const [from, to] = [`docker://${it.host}/lab/multi:1`, `docker://${it.host}/copied:2`];
    await succeed('skopeo', ['copy', '--all', '--src-tls-verify=false', '--dest-tls-verify=false', from, to]);
    await isSame(it, 'copied', '2', multi);
    const tags = JSON.parse(await succeed('skopeo', ['list-tags', '--tls-verify=false', `docker://${it.host}/copied`]));
    assert.deepEqual(tags.Tags, ['2']);
    await succeed('skopeo', ['delete', '--tls-verify=false', to]);
    assert.equal((await it.registry.send('GET', '/v2/copied/manifests/2')).status, 404);
  });
});

group('skopeo with a password', { skip: unlessInstalled('skopeo') }, () => {
  it('pushes and pulls, and without it does not', async () => {
    await using it = await bench();
    const file = it.directory.join('htpasswd');
    await writeFile(file, 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n');
    await using guarded = await serve({ root: it.registry.root, authentication: await htpasswd(file) });
    const [from, to] = [`docker://${guarded.address}/lab/multi:1`, `docker://${guarded.address}/copied:1`];
    const tls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    await succeed('skopeo', ['copy', '--all', ...tls, '--src-creds=me:secret', '--dest-creds=me:secret', from, to]);
    await isSame(it, 'copied', '1', multi);
    await assert.rejects(
      succeed('skopeo', ['inspect', '--tls-verify=false', '--no-creds', from]),
      /unauthorized|authentication/,
    );
    await assert.rejects(succeed('skopeo', ['inspect', '--tls-verify=false', '--creds=me:wrong', from]));
  });
});

group('buildah', { skip: unlessInstalled('buildah') }, () => {
  it('pulls an image, and pushes a manifest list of all its platforms', async () => {
    await using it = await bench();
    const storage = [
      '--storage-driver',
      'vfs',
      '--root',
      it.directory.join('root'),
      '--runroot',
      it.directory.join('run'),
    ];
    const buildah = (...args: readonly string[]): Promise<string> => succeed('buildah', [...storage, ...args]);
    await buildah('pull', '--tls-verify=false', '--policy=always', `docker://${it.host}/lab/single:1`);
    assert.match(await buildah('images'), /lab\/single/);
    await buildah(
      'push',
      '--tls-verify=false',
      '--format=oci',
      `${it.host}/lab/single:1`,
      `docker://${it.host}/pushed:1`,
    );
    const pushed = await it.registry.send('GET', '/v2/pushed/manifests/1');
    assert.equal(pushed.status, 200);
    await buildah('manifest', 'create', 'list');
    await buildah('manifest', 'add', '--tls-verify=false', '--all', 'list', `docker://${it.host}/lab/multi:1`);
    await buildah(
      'manifest',
      'push',
      '--tls-verify=false',
      '--all',
      '--format=oci',
      'list',
      `docker://${it.host}/list:1`,
    );
    const found = (await it.registry.send('GET', '/v2/list/manifests/1')).json<{ manifests: { digest: string }[] }>();
    const original = multi.blobs.filter(isDocument).map(({ descriptor }) => descriptor.digest);
    assert.deepEqual(
      found.manifests.map(({ digest }) => digest).sort(),
      original.filter((digest) => digest !== multi.root.digest).sort(),
    );
    await isSame(it, 'lab/multi', '1', multi);
    await buildah('rmi', '--all', '--force');
  });
});

group('containerd', { skip: unlessContainerd() }, () => {
  let containerd: Containerd;
  before(async () => {
    containerd = await startContainerd();
  });
  after(() => containerd[Symbol.asyncDispose]());

  for (const [name, image] of both) {
    it(`pulls and pushes the image ${name}`, async () => {
      await using it = await bench();
      const [from, to] = [`${it.host}/lab/${name}:1`, `${it.host}/back:1`];
      const pull = ['images', 'pull', '--plain-http', '--all-platforms', '--snapshotter', 'native', from];
      await containerd.ctr(...pull);
      await containerd.ctr('images', 'push', '--plain-http', to, from);
      await isSame(it, 'back', '1', image);
      await containerd.ctr('images', 'rm', '--sync', from);
    });
  }

  it('pulls an image of another registry from here, as from a mirror', async () => {
    await using it = await bench();
    const redis = realImage('redis', ['linux/amd64', 'linux/arm64']);
    await importImage(it.registry.services, 'docker.io/library/redis:7', redis);
    const hosts = it.directory.join('hosts');
    await mkdir(`${hosts}/docker.io`, { recursive: true });
    const mirror = `[host."http://${it.host}"]\ncapabilities = ["pull", "resolve"]\n`;
    await writeFile(`${hosts}/docker.io/hosts.toml`, `server = "http://127.0.0.1:1"\n${mirror}`);
    const name = 'docker.io/library/redis:7';
    await containerd.ctr('images', 'pull', '--hosts-dir', hosts, '--all-platforms', '--snapshotter', 'native', name);
    assert.match(await containerd.ctr('images', 'ls', `name==${name}`), new RegExp(redis.root.digest));
    const pulls = it.registry.records.filter(({ path }) => path.includes('/library/redis/'));
    assert.ok(pulls.length > 5 && pulls.every(({ path }) => path.includes('ns=docker.io')));
    await containerd.ctr('images', 'rm', '--sync', name);
  });
});

group('crane', { skip: unlessInstalled('crane') }, () => {
  for (const [name, image] of both) {
    it(`pulls, pushes, copies and validates the image ${name}`, async () => {
      await using it = await bench();
      const layout = it.directory.join('layout');
      const crane = (...args: readonly string[]): Promise<string> =>
        succeed('crane', args, { env: { ...process.env, DOCKER_CONFIG: it.directory.path } });
      await crane('pull', '--format=oci', `${it.host}/lab/${name}:1`, layout);
      await crane('push', '--index', layout, `${it.host}/pushed:1`);
      await crane('copy', `${it.host}/lab/${name}:1`, `${it.host}/copied:1`);
      await isSame(it, 'copied', '1', image);
      await crane('validate', '--remote', `${it.host}/copied:1`);
      assert.equal((await crane('digest', `${it.host}/copied:1`)).trim(), image.root.digest);
      await crane('tag', `${it.host}/copied:1`, 'again');
      assert.equal(await crane('ls', `${it.host}/copied`), '1\nagain\n');
      assert.deepEqual((await crane('catalog', it.host)).trim().split('\n'), [
        'copied',
        'lab/multi',
        'lab/single',
        'pushed',
      ]);
      await crane('delete', `${it.host}/copied@${image.root.digest}`);
      assert.equal((await it.registry.send('GET', '/v2/copied/manifests/again')).status, 404);
    });
  }
});
