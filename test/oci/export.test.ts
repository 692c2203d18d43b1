import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { selectPlatforms } from '../../src/client/select.ts';
import { LocalStore } from '../../src/content/local/local-store.ts';
import type { ContentStore } from '../../src/content/store.ts';
import { StreamSource } from '../../src/oci/byte-source.ts';
import { exportArchive } from '../../src/oci/export.ts';
import { encodeHeader } from '../../src/oci/tar-header.ts';
import { readTar } from '../../src/oci/tar-reader.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { document, randomBlob, randomImage } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { blobsIn, exportBytes, fails, importBytes, namesIn, putBlobs } from './images.ts';
import { inChunks } from './tar-builder.ts';

const image = randomImage({ seed: 'export', layers: [2000, 0, 300_000] });
const other = randomImage({ seed: 'other' });
const multi = randomImage({ seed: 'multi', platforms: ['linux/amd64', 'linux/arm64/v8', 'linux/s390x'] });
const all = [...image.blobs, ...other.blobs, ...multi.blobs];

async function stored(blobs = all): Promise<ContentStore> {
  const { content } = memoryServices();
  await putBlobs(content, blobs);
  return content;
}

interface Unpacked {
  readonly names: string[];
  readonly documents: Readonly<Record<string, string>>;
}

async function unpack(bytes: Uint8Array): Promise<Unpacked> {
  const names: string[] = [];
  const documents: Record<string, string> = {};
  for await (const { name, kind, body } of readTar(new StreamSource(inChunks(bytes)))) {
    names.push(name);
    if (kind !== 'file' || name.startsWith('blobs/')) continue;
    const parts: Uint8Array[] = [];
    for await (const part of body()) parts.push(part);
    documents[name] = Buffer.concat(parts).toString();
  }
  return { names, documents };
}

function paths(blobs: readonly { descriptor: Descriptor }[]): string[] {
  return blobs.map(({ descriptor }) => `blobs/${descriptor.digest.replace(':', '/')}`).sort();
}

describe('export of an archive', () => {
  it('is a layout and a docker-archive in one, sorted, with the headers that containerd writes', async () => {
    const bytes = await exportBytes(await stored(), [{ target: image.root, names: ['docker.io/lab/app:v1'] }]);
    const { names, documents } = await unpack(bytes);
    assert.deepEqual(names, [
      'blobs/',
      'blobs/sha256/',
      ...paths(image.blobs),
      'index.json',
      'manifest.json',
      'oci-layout',
    ]);
    const [first, empty, last, config] = image.blobs.map(
      ({ descriptor }) => `blobs/sha256/${descriptor.digest.slice(7)}`,
    );
    const { mediaType, digest, size } = image.root;
    assert.deepEqual(documents, {
      'index.json':
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[' +
        `{"mediaType":"${mediaType}","digest":"${digest}","size":${size},"annotations":` +
        '{"io.containerd.image.name":"docker.io/lab/app:v1","org.opencontainers.image.ref.name":"v1"}}]}',
      'manifest.json': JSON.stringify([{ Config: config, RepoTags: ['lab/app:v1'], Layers: [first, empty, last] }]),
      'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
    });
    assert.deepEqual(bytes.subarray(-1024), Buffer.alloc(1024));
    assert.equal(bytes.byteLength % 512, 0);
    const header = bytes.subarray(0, 512);
    assert.equal(header.toString('latin1', 0, 7), 'blobs/\0');
    assert.equal(header.toString('latin1', 100, 148), '0000755\x000000000\x000000000\x0000000000000\x0000000000000\0');
    assert.equal(header.toString('latin1', 156, 158), '5\0');
    assert.equal(header.toString('latin1', 257, 265), 'ustar\x0000');
    assert.equal(header.toString('latin1', 329, 345), '0000000\x000000000\0');
  });

  it('the same images give the same bytes, in whatever order they are given', async () => {
    const images = [
      { target: image.root, names: ['docker.io/lab/app:v1', 'docker.io/lab/app:v2'] },
      { target: other.root, names: ['docker.io/lab/db:v1'] },
      { target: multi.root },
    ];
    const content = await stored();
    const bytes = await exportBytes(content, images);
    assert.deepEqual(await exportBytes(await stored([...all].reverse()), [...images].reverse()), bytes);
    const renamed = images.map((one) => ({ ...one, names: [...(one.names ?? [])].reverse() }));
    assert.deepEqual(await exportBytes(content, renamed), bytes);
  });

  it('one index entry for each name, one item of manifest.json for each image; a shared tag is written whole', async () => {
    const { documents } = await unpack(
      await exportBytes(await stored(), [
        { target: image.root, names: ['docker.io/lab/app:v1', 'docker.io/lab/app:v2'] },
        { target: other.root, names: ['docker.io/lab/db:v1', `docker.io/lab/db@${other.root.digest}`, 'Any Text'] },
      ]),
    );
    const { manifests } = JSON.parse(documents['index.json'] ?? '');
    assert.deepEqual(
      manifests.map(({ annotations }: Descriptor) => Object.values(annotations ?? {})),
      [
        ['Any Text'],
        ['docker.io/lab/app:v1', 'docker.io/lab/app:v1'],
        ['docker.io/lab/app:v2', 'v2'],
        ['docker.io/lab/db:v1', 'docker.io/lab/db:v1'],
        [`docker.io/lab/db@${other.root.digest}`, `docker.io/lab/db@${other.root.digest}`],
      ],
    );
    const items = JSON.parse(documents['manifest.json'] ?? '');
    assert.deepEqual(
      items.map(({ RepoTags }: { RepoTags: string[] }) => RepoTags),
      [['lab/app:v1', 'lab/app:v2'], ['lab/db:v1']],
    );
  });

  it('formats: a layout alone, or a docker-archive without manifests', async () => {
    const images = [{ target: multi.root, names: ['docker.io/lab/multi:v1'] }];
    const oci = await unpack(await exportBytes(await stored(), images, { format: 'oci' }));
    assert.deepEqual(Object.keys(oci.documents), ['index.json', 'oci-layout']);
    const docker = await unpack(await exportBytes(await stored(), images, { format: 'docker' }));
    assert.deepEqual(docker.names.slice(2), [...paths(multi.blobs.slice(0, 3)), 'manifest.json']);
  });

  it('platforms: the others do not go out, the index does as it is', async () => {
    const images = [{ target: multi.root, names: ['docker.io/lab/multi:v1'] }];
    const select = selectPlatforms(['linux/arm64']);
    const { names, documents } = await unpack(await exportBytes(await stored(), images, { select }));
    const arm = multi.blobs.slice(4, 8);
    assert.deepEqual(names.slice(2, -3), paths([...arm, ...multi.blobs.slice(-1)]));
    assert.equal(JSON.parse(documents['manifest.json'] ?? '')[0].Config, paths(arm.slice(2, 3))[0]);
    const none = exportBytes(await stored(), images, { select: selectPlatforms(['plan9/386']) });
    await fails(none, 'not-found', /plan9\/386/);
  });

  it('missing content is an error before the first byte, or left out when asked', async () => {
    const lacking = await stored(multi.blobs.slice(4));
    const images = [{ target: multi.root, names: ['docker.io/lab/multi:v1'] }];
    const stream = exportArchive(lacking, images);
    await fails(stream.next(), 'not-found');
    const { names, documents } = await unpack(await exportBytes(lacking, images, { missing: 'skip' }));
    assert.deepEqual(names.slice(2, -3), paths(multi.blobs.slice(4)));
    assert.equal(JSON.parse(documents['manifest.json'] ?? '')[0].Config, paths(multi.blobs.slice(6, 7))[0]);
    const half = await stored([...multi.blobs.slice(1, 4), ...multi.blobs.slice(-1)]);
    const sparse = await unpack(await exportBytes(half, images, { missing: 'skip' }));
    assert.equal(sparse.documents['manifest.json'], undefined);
    await fails(exportBytes(half, images, { missing: 'skip', format: 'docker' }), 'invalid-argument', /no place/);
  });

  it('layers that are not to be distributed, and anything else, can be left out', async () => {
    const foreign = randomBlob(70, 'foreign', mediaTypes.dockerForeignLayerGzip);
    const config = document(mediaTypes.dockerConfig, { os: 'windows', architecture: 'amd64' });
    const layers = [foreign.descriptor, ...other.blobs.slice(0, 1).map(({ descriptor }) => descriptor)];
    const root = document(mediaTypes.dockerManifest, { schemaVersion: 2, config: config.descriptor, layers });
    const content = await stored([foreign, config, root, ...other.blobs]);
    const images = [{ target: root.descriptor }];
    const count = async (options: Parameters<typeof exportBytes>[2]): Promise<number> =>
      (await unpack(await exportBytes(content, images, { format: 'oci', ...options }))).names.length - 4;
    assert.equal(await count({}), 4);
    assert.equal(await count({ nonDistributable: false }), 3);
    assert.equal(await count({ filter: ({ mediaType }) => mediaType === mediaTypes.dockerManifest }), 1);
  });

  it('referrers go out with their subjects, and theirs too', async () => {
    const about = (subject: Descriptor, n: number) =>
      document(mediaTypes.ociManifest, {
        schemaVersion: 2,
        config: image.blobs[3]?.descriptor,
        layers: [],
        subject,
        n,
      });
    const first = about(image.root, 1);
    const second = about(first.descriptor, 2);
    const content = await stored([...image.blobs, first, second]);
    const graph = new Map([
      [image.root.digest, [first.descriptor]],
      [first.descriptor.digest, [second.descriptor]],
    ]);
    const referrers = async ({ digest }: Descriptor) => graph.get(digest) ?? [];
    const bytes = await exportBytes(content, [{ target: image.root, names: ['docker.io/lab/app:v1'] }], { referrers });
    const { documents } = await unpack(bytes);
    const entries: Descriptor[] = JSON.parse(documents['index.json'] ?? '').manifests;
    assert.deepEqual(
      Object.fromEntries(
        entries.slice(1).map(({ digest, annotations }) => [digest, annotations?.['io.containerd.manifest.subject']]),
      ),
      { [first.descriptor.digest]: image.root.digest, [second.descriptor.digest]: first.descriptor.digest },
    );
    const { services, result } = await importBytes(bytes);
    assert.deepEqual(await namesIn(services), { 'docker.io/lab/app:v1': image.root.digest });
    assert.deepEqual(result.unnamed, []);
    assert.equal((await blobsIn(services)).length, image.blobs.length + 2);
  });

  it('an artifact is in a layout, and in no docker-archive', async () => {
    const config = document(mediaTypes.ociEmpty, {});
    const root = document(mediaTypes.ociManifest, { schemaVersion: 2, config: config.descriptor, layers: [] });
    const content = await stored([config, root]);
    const { documents } = await unpack(await exportBytes(content, [{ target: root.descriptor }]));
    assert.deepEqual(Object.keys(documents), ['index.json', 'oci-layout']);
    const docker = exportBytes(content, [{ target: root.descriptor }], { format: 'docker' });
    await fails(docker, 'invalid-argument', /no place in a docker-archive/);
  });

  it('chunks that are good for one turn only make the same archive', async () => {
    const big = randomImage({ seed: 'big', layers: [1024 * 1024, 2 * 1024 * 1024 + 1, 5_000_000, 0, 1] });
    const content = await stored([...big.blobs, ...all]);
    const images = [{ target: big.root, names: ['docker.io/lab/big:v1'] }, { target: multi.root }];
    const copies: Buffer[] = [];
    for await (const chunk of exportArchive(content, images, { transient: true })) copies.push(Buffer.from(chunk));
    assert.deepEqual(Buffer.concat(copies), await exportBytes(content, images));
  });

  for (const transient of [false, true])
    it(`a blob that has rotted ends the archive with an error${transient ? ', also in chunks for one turn' : ''}`, async () => {
      await using directory = await temporaryDirectory();
      await using content = new LocalStore(directory.path, { durability: 'none' });
      await putBlobs(content, image.blobs);
      for (const { descriptor } of image.blobs.slice(0, 3)) {
        const path = directory.join('blobs', 'sha256', descriptor.digest.slice(7));
        const bytes = await readFile(path);
        await rm(path);
        const rotten = Buffer.from(bytes);
        rotten[0] = (rotten[0] ?? 0) ^ 1;
        const damaged = [
          rotten.subarray(0, bytes.byteLength),
          bytes.subarray(1),
          Buffer.concat([bytes, bytes, Buffer.of(1)]),
        ];
        for (const one of damaged.filter((other) => Buffer.compare(other, bytes) !== 0)) {
          await writeFile(path, one);
          await fails(exportBytes(content, [{ target: image.root }], { transient }), 'data-loss');
          await rm(path);
        }
        await writeFile(path, bytes);
      }
    });

  it('says what goes out, and stops when it is given up', async () => {
    const content = await stored();
    const seen: string[] = [];
    const images = [{ target: image.root }];
    await exportBytes(content, images, {
      onEvent: ({ target, state }) => state === 'pushed' && seen.push(target.digest),
    });
    assert.deepEqual(seen, image.blobs.map(({ descriptor }) => descriptor.digest).sort());
    const stop = new AbortController();
    const reason = new Error('enough');
    const stream = exportArchive(content, images, { signal: stop.signal });
    stop.abort(reason);
    await assert.rejects(stream.next(), reason);
  });

  it('a blob of another size than its descriptor says ends the archive with an error', async () => {
    const blob = randomBlob(600, 'size');
    const config = document(mediaTypes.ociConfig, { os: 'linux', architecture: 'amd64' });
    for (const size of [599, 601, 0]) {
      const layers = [{ ...blob.descriptor, size }];
      const root = document(mediaTypes.ociManifest, { schemaVersion: 2, config: config.descriptor, layers });
      const content = await stored([blob, config, root]);
      await fails(exportBytes(content, [{ target: root.descriptor }]), 'data-loss', 'size-mismatch');
    }
  });
});

describe('export and import', () => {
  it('export, import, export gives the same bytes, in every format', async () => {
    for (const format of ['oci', 'docker', 'both'] as const) {
      const images = [
        { target: image.root, names: ['docker.io/lab/app:v1', 'docker.io/lab/app:latest'] },
        { target: other.root, names: ['localhost:5000/db:v1'] },
        ...(format === 'docker' ? [] : [{ target: multi.root, names: ['docker.io/lab/multi:v1'] }]),
      ];
      const bytes = await exportBytes(await stored(), images, { format });
      const { services } = await importBytes(bytes);
      const again = [];
      for await (const { name, target } of services.images.list()) again.push({ target, names: [name] });
      assert.deepEqual(await exportBytes(services.content, again, { format }), bytes, format);
    }
  });
});

describe('tar headers that are written', () => {
  it('a size from 8 GiB on and a name over 100 bytes go into a pax header', () => {
    const size = 8 ** 11;
    const big = encodeHeader({ name: 'blobs/sha256/x', typeflag: '0', size, mode: 0o444 });
    assert.equal(big.byteLength, 3 * 512);
    assert.equal(big.toString('latin1', 0, 33), 'blobs/sha256/PaxHeaders.0/x\0\0\0\0\0\0');
    assert.equal(big.toString('latin1', 512, 512 + 19), '19 size=8589934592\n');
    assert.equal(big.toString('latin1', 1024 + 124, 1024 + 136), '00000000000\0');
    assert.equal(encodeHeader({ name: 'x', typeflag: '0', size: size - 1, mode: 0 }).byteLength, 512);
  });

  it('and are read back', async () => {
    for (const length of [1, 85, 86, 99, 100, 101, 145, 986, 987, 5000]) {
      const name = 'n'.repeat(length);
      const bytes = Buffer.concat([encodeHeader({ name, typeflag: '0', size: 0, mode: 0 }), Buffer.alloc(1024)]);
      for await (const entry of readTar(new StreamSource(inChunks(bytes)))) assert.equal(entry.name, name);
    }
  });
});
