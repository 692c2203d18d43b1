import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { htpasswd } from '../../src/registry/index.ts';
import type { RandomImage } from '../../src/testing/random.ts';
import { pushImage, serve, type TestRegistry } from '../registry/support.ts';
import { drayDone } from '../support/command.ts';
import { type Dockerd, startDockerd, unlessDockerd } from '../support/dockerd.ts';
import { succeed } from '../support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { realImage } from './oci/real-image.ts';

const single = realImage('single');
const multi = realImage('multi', ['linux/amd64', 'linux/arm64', 'linux/s390x']);

/** The `diff_ids` that the configs of an image say. */
function diffIdsOf({ blobs }: RandomImage): string[][] {
  const configs = blobs.filter(({ descriptor }) => descriptor.mediaType.endsWith('config.v1+json'));
  return configs.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()).rootfs.diff_ids);
}

describe('a Docker daemon', { skip: unlessDockerd() }, () => {
  let daemon: Dockerd;
  let registry: TestRegistry;
  let directory: TemporaryDirectory;
  const resources = new AsyncDisposableStack();

  before(async () => {
    directory = resources.use(await temporaryDirectory());
    registry = resources.use(await serve());
    await pushImage(registry.send, 'lab/single', single, '1');
    await pushImage(registry.send, 'lab/multi', multi, '1');
    daemon = resources.use(await startDockerd());
  });

  after(() => resources.disposeAsync());

  async function layersOf(name: string): Promise<string[]> {
    return JSON.parse(await daemon.docker(['image', 'inspect', '--format', '{{json .RootFS.Layers}}', name]));
  }

  for (const format of ['docker', 'both'])
    it(`loads what is exported as ${format}, and what it saves is imported`, async () => {
      const environment = { DRAY_ROOT: directory.join(format) };
      const archive = directory.join(`${format}.tar`);
      const name = `${registry.address}/lab/single:1`;
      await drayDone(['pull', name, `${registry.address}/lab/multi:1`, '--all-platforms'], { environment });
      await drayDone(['images', 'tag', name, 'app:1'], { environment });
      await drayDone(['export', name, 'app:1', archive, '--format', format], { environment });
      assert.match(await daemon.docker(['load', '--input', archive]), /app:1/);
      const [expected] = diffIdsOf(single);
      assert.deepEqual(await layersOf('app:1'), expected);
      assert.deepEqual(await layersOf(name), expected);
      const container = await daemon.docker(['create', '--network', 'none', 'app:1']);
      const files = directory.join(`${format}-files.tar`);
      await daemon.docker(['export', '--output', files, container]);
      assert.equal(await succeed('tar', ['-xOf', files, 'app/text']), 'single app linux/amd64\n');

      const saved = directory.join(`${format}-saved.tar`);
      await daemon.docker(['save', '--output', saved, name, 'app:1']);
      const back = { DRAY_ROOT: directory.join(`${format}-back`) };
      const names = await drayDone(['import', saved], { environment: back });
      assert.deepEqual(names.split('\n').sort(), [name, 'docker.io/library/app:1'].sort());
      await drayDone(['images', 'check'], { environment: back });
      await drayDone(['push', 'app:1', `${registry.address}/saved/${format}:1`], { environment: back });
      const config = await drayDone(['config', `${registry.address}/saved/${format}:1`]);
      assert.deepEqual(JSON.parse(config).rootfs.diff_ids, expected);
      await daemon.docker(['rm', container]);
      await daemon.docker(['rmi', '--force', name, 'app:1']);
    });

  it('pulls the platform that it runs on, and pushes', async () => {
    const [from, to] = [`${registry.address}/lab/multi:1`, `${registry.address}/pushed:1`];
    await daemon.docker(['pull', '--platform', 'linux/amd64', from]);
    const [expected] = diffIdsOf(multi);
    assert.deepEqual(await layersOf(from), expected);
    await daemon.docker(['tag', from, to]);
    await daemon.docker(['push', to]);
    assert.deepEqual(JSON.parse(await drayDone(['config', to, '--platform', 'linux/amd64'])).rootfs.diff_ids, expected);
    const wrong = registry.records.filter(({ status }) => status >= 500);
    assert.deepEqual(wrong, []);
  });

  it('is let in with a password, which dray finds where docker keeps it', async () => {
    const file = directory.join('htpasswd');
    await writeFile(file, 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n');
    await using guarded = await serve({ root: registry.root, authentication: await htpasswd(file) });
    const name = `${guarded.address}/lab/single:1`;
    await assert.rejects(daemon.docker(['pull', name]), /auth/);
    const login = ['login', '--username', 'me', '--password-stdin', guarded.address];
    await assert.rejects(daemon.docker(login, 'wrong'), /401/);
    await daemon.docker(login, 'secret');
    await daemon.docker(['pull', name]);
    const environment = { DOCKER_CONFIG: daemon.config };
    assert.equal(await drayDone(['tags', `${guarded.address}/lab/single`], { environment }), '1');
  });
});
