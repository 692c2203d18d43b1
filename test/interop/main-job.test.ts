import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { digestOf, encodedOf } from '../../src/spec/digest.ts';
import { dray, drayDone } from '../support/command.ts';
import { dockerRegistry } from '../support/docker-registry.ts';
import { succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const skip = unlessInstalled('docker-registry', 'skopeo');
const hello = join(import.meta.dirname, '..', 'fixtures', 'hello');

const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
const skopeo = (args: readonly string[]): Promise<string> => succeed('skopeo', ['--insecure-policy', ...args]);
const raw = (reference: string): Promise<string> =>
  skopeo(['inspect', '--raw', '--tls-verify=false', `docker://${reference}`]);

async function layoutBlob(layout: string, digest: string): Promise<Buffer> {
  return readFile(join(layout, 'blobs', 'sha256', encodedOf(digest as `sha256:${string}`)));
}

/** Digests of all that a layout has below its one image. */
async function objectsOf(layout: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
  const visit = async (digest: string): Promise<void> => {
    const bytes = await layoutBlob(layout, digest);
    assert.equal(digestOf(bytes), digest);
    found.set(digest, bytes);
    for (const [child] of bytes.subarray(0, 1).toString() === '{'
      ? bytes.toString().matchAll(/sha256:[a-f0-9]{64}/g)
      : []) {
      if (!found.has(child) && !bytes.toString().includes(`"diff_ids":["${child}"`))
        await visit(child).catch((error) => assert.equal(error.code, 'ENOENT'));
    }
  };
  for (const { digest } of index.manifests) await visit(digest);
  return found;
}

describe('with docker-registry and skopeo', { skip }, () => {
  it('an image of one platform comes from skopeo, goes through the store, and comes back the same', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await dockerRegistry(directory);
    const environment = { DRAY_ROOT: directory.join('store') };
    const pushed = `${registry.host}/team/app:1`;
    await skopeo(['copy', '--override-arch', 'arm64', ...plain, `oci:${hello}:1.0`, `docker://${pushed}`]);
    const reference = await drayDone(['pull', pushed], { environment });
    assert.equal(reference, `${registry.host}/team/app@${digestOf(await raw(pushed))}`);
    await drayDone(['content', 'verify'], { environment });
    const again = `${registry.host}/other/name:2`;
    const back = await drayDone(['push', pushed, again], { environment });
    assert.equal(back.split('@')[1], reference.split('@')[1]);
    assert.equal(await raw(again), await raw(pushed));
    for (const name of [pushed, again])
      await skopeo([
        'copy',
        '--override-arch',
        'arm64',
        ...plain,
        `docker://${name}`,
        `oci:${directory.join(name === again ? 'b' : 'a')}:x`,
      ]);
    assert.deepEqual([...(await objectsOf(directory.join('a')))], [...(await objectsOf(directory.join('b')))]);
  });

  it('an index of two platforms stays as it is, through the store and straight from registry to registry', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await dockerRegistry(directory);
    await using other = await dockerRegistry(directory);
    const environment = { DRAY_ROOT: directory.join('store') };
    const pushed = `${registry.host}/multi:1`;
    await skopeo(['copy', '--all', ...plain, `oci:${hello}:1.0`, `docker://${pushed}`]);
    const expected = await raw(pushed);
    assert.equal(expected, (await layoutBlob(hello, digestOf(expected))).toString());
    await drayDone(['pull', pushed, '--all-platforms'], { environment });
    await drayDone(['push', pushed, `${other.host}/deep/er/multi:1`, '-t', 'latest'], { environment });
    await drayDone(['copy', pushed, `${other.host}/straight:1`], { environment });
    await drayDone(['copy', pushed, `${registry.host}/mounted:1`], { environment });
    for (const copy of [
      `${other.host}/deep/er/multi:1`,
      `${other.host}/deep/er/multi:latest`,
      `${other.host}/straight:1`,
      `${registry.host}/mounted:1`,
    ]) {
      assert.equal(await raw(copy), expected, copy);
      await skopeo(['copy', '--all', ...plain, `docker://${copy}`, `dir:${directory.join(encodeURIComponent(copy))}`]);
    }
    assert.deepEqual((await drayDone(['tags', `${other.host}/deep/er/multi`])).split('\n').sort(), ['1', 'latest']);
    assert.equal(`${await drayDone(['manifest', pushed])}`, expected);
    assert.equal(await drayDone(['digest', pushed]), digestOf(expected));
    assert.match(await drayDone(['config', pushed, '--platform', 'linux/arm64']), /arm64/);
  });

  it('an artifact without layers travels like any image', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await dockerRegistry(directory);
    const environment = { DRAY_ROOT: directory.join('store') };
    const config = '{}';
    const configDigest = await drayDone(['content', 'ingest', 'config'], { environment, input: config });
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.example',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: configDigest, size: 2, data: 'e30=' },
      layers: [],
      annotations: { note: 'no layers' },
    });
    const digest = await drayDone(['content', 'ingest', 'manifest'], { environment, input: manifest });
    const name = `${registry.host}/artifact:1`;
    await drayDone(['content', 'push-object', name, configDigest, 'application/octet-stream'], { environment });
    await drayDone(['content', 'push-object', name, digest, 'application/vnd.oci.image.manifest.v1+json'], {
      environment,
    });
    assert.equal(await raw(name), manifest);
    const fresh = { DRAY_ROOT: directory.join('fresh') };
    await drayDone(['pull', name], { environment: fresh });
    assert.equal(await drayDone(['content', 'get', digest], { environment: fresh }), manifest);
    await drayDone(['push', name, `${registry.host}/artifact:2`], { environment: fresh });
    assert.equal(await raw(`${registry.host}/artifact:2`), manifest);
    assert.match((await dray(['config', name])).stderr, /artifact/);
  });

  it('a tag and a manifest can be deleted', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await dockerRegistry(directory);
    const name = `${registry.host}/gone:1`;
    await drayDone(['copy', `oci:${hello}:1.0`, name]);
    const digest = await drayDone(['digest', name]);
    await drayDone(['delete', `${registry.host}/gone@${digest}`]);
    assert.equal((await dray(['digest', name])).code, 3);
  });
});
