import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { ingest } from '../../src/content/copy.ts';
import { parseSchema1, verifySchema1 } from '../../src/schema1/index.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { encodedOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { randomImage } from '../../src/testing/random.ts';
import { layoutEntries } from '../oci/images.ts';
import { inChunks, tarOf } from '../oci/tar-builder.ts';
import { manifestDescriptor } from '../schema1/documents.ts';
import { layers, oldRegistry, payload, root, signed } from '../schema1/old-registry.ts';
import { keyFor, signedByHand } from '../schema1/sign-by-hand.ts';
import { dray, drayDone } from '../support/command.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';

const key = keyFor('ES256');
const wrong = signedByHand(payload, { algorithm: 'ES256', key, encoding: 'der' });
const label = 'io.containerd.image/converted-docker-schema1';

interface Shown {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
}

const environmentOf = (directory: TemporaryDirectory) => ({
  DRAY_ROOT: directory.join('store'),
  DRAY_DURABILITY: 'none',
});

async function imagesIn(directory: TemporaryDirectory): Promise<Shown[]> {
  return JSON.parse(await drayDone(['images', 'ls', '--json'], { environment: environmentOf(directory) }));
}

describe('dray pull of Docker schema 1', () => {
  it('says so when nobody asked for a conversion, fetches no layer and names nothing', async () => {
    await using registry = await oldRegistry();
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    for (const args of [
      ['pull', registry.name],
      ['copy', registry.name, 'store:app:1'],
    ]) {
      const { code, stdout, stderr } = await dray(args, { environment });
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /is in the format of Docker schema 1/);
      assert.match(stderr, /hint: .*--convert-schema1/);
    }
    assert.ok(registry.log().every((request) => !request.includes('/blobs/')));
    assert.deepEqual(await imagesIn(directory), []);
  });

  it('converts when asked, and notes on the image what it was', async () => {
    await using registry = await oldRegistry();
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    const { code, stdout, stderr } = await dray(['pull', registry.name, '--convert-schema1'], { environment });
    assert.equal(code, 0, stderr);
    const [image] = await imagesIn(directory);
    assert.equal(stdout, `${registry.host}/lab/app@${image?.target.digest}\n`);
    assert.deepEqual([image?.name, image?.labels[label]], [registry.name, root.digest]);
    assert.equal(image?.target.mediaType, mediaTypes.ociManifest);
    assert.equal((await dray(['images', 'check'], { environment })).code, 0);
    await drayDone(['gc'], { environment });
    await drayDone(['content', 'verify'], { environment });
    assert.equal((await dray(['images', 'check'], { environment })).code, 0, 'nothing of it is collected');
  });

  it('converts as its flags say', async () => {
    await using registry = await oldRegistry();
    const made = async (...flags: string[]): Promise<string> => {
      await using directory = await temporaryDirectory();
      const args = ['pull', registry.name, '--convert-schema1', '-q', ...flags];
      return await drayDone(args, { environment: environmentOf(directory) });
    };
    const ways = [
      await made(),
      await made('--schema1-mode', 'containerd', '--schema1-format', 'docker'),
      await made('--schema1-mode', 'skopeo', '--schema1-format', 'docker'),
    ];
    assert.equal(new Set(ways).size, 3, ways.join());
  });

  it('refuses a wrong signature with 6, unless only the digest is to count', async () => {
    await using registry = await oldRegistry(wrong);
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    const { code, stderr } = await dray(['pull', registry.name, '--convert-schema1'], { environment });
    assert.equal(code, 6);
    assert.match(stderr, /signature is wrong/);
    assert.match(stderr, /--schema1-signatures ignore/);
    assert.deepEqual(await imagesIn(directory), []);
    await drayDone(['pull', registry.name, '--convert-schema1', '--schema1-signatures', 'ignore'], { environment });
    assert.equal((await imagesIn(directory)).length, 1);
  });

  it('leaves newer images as they are', async () => {
    await using registry = await oldRegistry();
    await using directory = await temporaryDirectory();
    const image = randomImage({ seed: 'new' });
    registry.add('lab/app', image, '2');
    const args = ['pull', `${registry.host}/lab/app:2`, '--convert-schema1', '--all-platforms', '-q'];
    assert.equal(await drayDone(args, { environment: environmentOf(directory) }), image.root.digest);
  });
});

describe('Docker schema 1 from elsewhere', () => {
  it('is copied out of a directory as skopeo writes it', async () => {
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    const folder = directory.join('folder');
    await mkdir(folder);
    await writeFile(directory.join('folder', 'manifest.json'), signed);
    for (const layer of layers)
      await writeFile(directory.join('folder', encodedOf(manifestDescriptor(layer, 'layer').digest)), layer);
    assert.equal((await dray(['copy', `dir:${folder}`, 'store:old:1'], { environment })).code, 2);
    await drayDone(['copy', `dir:${folder}`, 'store:old:1', '--convert-schema1'], { environment });
    const [image] = await imagesIn(directory);
    assert.deepEqual([image?.name, image?.labels[label]], ['docker.io/library/old:1', root.digest]);
  });

  it('is not converted on its way to anything but a store', async () => {
    await using registry = await oldRegistry();
    await using directory = await temporaryDirectory();
    const args = ['copy', registry.name, `oci:${directory.join('layout')}:1`, '--convert-schema1'];
    const { code, stderr } = await dray(args, { environment: environmentOf(directory) });
    assert.equal(code, 2);
    assert.match(stderr, /hint: bring it into the store first/);
  });

  it('is imported from an archive when asked', async () => {
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    const blobs = [payload, ...layers].map((bytes) => ({ descriptor: manifestDescriptor(bytes, 'blob'), bytes }));
    const annotations = { 'org.opencontainers.image.ref.name': 'lab/app:1' };
    const file = directory.join('old.tar');
    const target = { ...manifestDescriptor(payload), annotations };
    await writeFile(file, tarOf(layoutEntries(blobs, [target])));
    const refused = await dray(['import', file], { environment });
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /Docker schema 1[\s\S]*hint: .*--convert-schema1/);
    assert.deepEqual(await imagesIn(directory), []);
    assert.equal(await drayDone(['import', file, '--convert-schema1'], { environment }), 'docker.io/lab/app:1');
    assert.equal((await dray(['images', 'check'], { environment })).code, 0);
    const [image] = await imagesIn(directory);
    assert.equal(image?.target.mediaType, mediaTypes.ociManifest);
  });

  it('is converted in the store to the media types of either family', async () => {
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    {
      await using client = await Client.open({ root: environment.DRAY_ROOT, durability: 'none' });
      const { content, images } = client.services;
      for (const bytes of [payload, ...layers]) {
        const { digest } = manifestDescriptor(bytes, 'blob');
        await ingest(content, { ref: digest, expected: { digest } }, inChunks(bytes));
      }
      await images.create({ name: 'docker.io/lab/old:1', target: manifestDescriptor(payload) });
    }
    await drayDone(['convert', 'lab/old:1', 'lab/new:oci'], { environment });
    await drayDone(['convert', 'lab/old:1', 'lab/new:docker', '--docker', '--schema1-mode', 'skopeo'], { environment });
    assert.equal((await dray(['convert', 'lab/old:1', 'lab/new:both', '--docker', '--oci'], { environment })).code, 2);
    const made = (await imagesIn(directory)).map(({ name, target, labels }) => [name, target.mediaType, labels[label]]);
    assert.deepEqual(made.toSorted(), [
      ['docker.io/lab/new:docker', mediaTypes.dockerManifest, root.digest],
      ['docker.io/lab/new:oci', mediaTypes.ociManifest, root.digest],
      ['docker.io/lab/old:1', mediaTypes.dockerSchema1Signed, undefined],
    ]);
  });
});

describe('dray push --schema1', () => {
  it('sends what the store has as a signed schema 1 manifest, and what it means comes back', async () => {
    await using registry = await oldRegistry();
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    await drayDone(['pull', registry.name, '--convert-schema1', '--schema1-mode', 'skopeo'], { environment });
    registry.clear();
    const target = `${registry.host}/lab/copy:2`;
    const reference = await drayDone(['push', registry.name, target, '--schema1'], { environment });
    const put = registry.requests.filter(({ method, url }) => method === 'PUT' && url.includes('/manifests/'));
    assert.deepEqual(
      put.map(({ url, headers }) => [url, headers['content-type']]),
      [['/v2/lab/copy/manifests/2', mediaTypes.dockerSchema1Signed]],
    );
    const [stored] = [...registry.repository('lab/copy').manifests.values()];
    const manifest = parseSchema1(stored?.bytes ?? Buffer.of());
    assert.deepEqual([verifySchema1(manifest).state, manifest.name, manifest.tag], ['valid', 'lab/copy', '2']);
    assert.equal(reference, `${registry.host}/lab/copy@${manifest.digest}`);
  });

  it('refuses an image whose history is missing, and several platforms', async () => {
    await using registry = await oldRegistry();
    await using directory = await temporaryDirectory();
    const environment = environmentOf(directory);
    registry.add('lab/app', randomImage({ seed: 'bare' }), 'bare');
    const name = `${registry.host}/lab/app:bare`;
    await drayDone(['pull', name, '--all-platforms'], { environment });
    const { code, stderr } = await dray(['push', name, `${registry.host}/lab/copy:1`, '--schema1'], { environment });
    assert.notEqual(code, 0);
    assert.match(stderr, /hint: /);
    const several = await dray(['push', name, '--schema1', '--all-platforms'], { environment });
    assert.equal(several.code, 2);
    assert.match(several.stderr, /image of one platform[\s\S]*hint: .*--platform/);
    assert.equal(registry.repository('lab/copy').manifests.size, 0);
  });
});
