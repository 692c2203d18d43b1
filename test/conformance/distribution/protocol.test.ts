import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe as group, it } from 'node:test';
import { htpasswd } from '../../../src/registry/index.ts';
import { type Digest, digestOf } from '../../../src/spec/digest.ts';
import { mediaTypes } from '../../../src/spec/media-types.ts';
import { randomBytes } from '../../../src/testing/random.ts';
import { type Answer, nothing, type Send, serve } from '../../registry/support.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { type Named, type Row, rows } from './data.ts';

/**
 * The distribution specification, row by row: each kind of content is pushed in every way, listed, looked at, pulled and
 * deleted, while collections run, with authentication off and on.
 */

const repository = 'conformance/one';
const other = 'conformance/two';
const accept = { Accept: `${mediaTypes.ociIndex}, ${mediaTypes.ociManifest}` };

type Upload = (send: Send, digest: Digest, bytes: Uint8Array) => Promise<Answer>;

async function begin(send: Send, name = repository): Promise<string> {
  const { status, headers } = await send('POST', `/v2/${name}/blobs/uploads/`);
  assert.equal(status, 202);
  assert.ok(headers.location);
  return headers.location;
}

function ended(location: string, digest: Digest): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
}

async function chunks(
  send: Send,
  digest: Digest,
  bytes: Uint8Array,
  lastByPut: boolean,
  outOfOrder: boolean,
): Promise<Answer> {
  let location = await begin(send);
  const size = Math.max(1, Math.floor(bytes.byteLength / 3) + 1);
  let last: Answer | undefined;
  for (let from = 0; from < bytes.byteLength; from += size) {
    const to = Math.min(from + size, bytes.byteLength);
    if (outOfOrder) location = await outOfOrderChunk(send, location, digest, bytes, from, to);
    const isLast = lastByPut && to === bytes.byteLength;
    const chunk = { headers: { 'Content-Range': `${from}-${to - 1}` }, body: bytes.subarray(from, to) };
    last = await send(isLast ? 'PUT' : 'PATCH', isLast ? ended(location, digest) : location, chunk);
    if (isLast) return last;
    assert.equal(last.status, 202);
    assert.equal(last.headers['range'], `0-${to - 1}`);
    location = last.headers.location ?? '';
  }
  return await send('PUT', ended(location, digest));
}

async function outOfOrderChunk(
  send: Send,
  location: string,
  digest: Digest,
  bytes: Uint8Array,
  from: number,
  to: number,
): Promise<string> {
  const wrong = to < bytes.byteLength ? to : 0;
  if (wrong === from) return location;
  const end = Math.min(wrong + (to - from), bytes.byteLength);
  const chunk = { headers: { 'Content-Range': `${wrong}-${end - 1}` }, body: bytes.subarray(wrong, end) };
  const method = end === bytes.byteLength ? 'PUT' : 'PATCH';
  assert.equal((await send(method, method === 'PUT' ? ended(location, digest) : location, chunk)).status, 416);
  const { status, headers } = await send('GET', location);
  assert.equal(status, 204);
  assert.equal(headers['range'], `0-${Math.max(0, from - 1)}`);
  return headers.location ?? '';
}

const uploads: Readonly<Record<string, Upload>> = {
  'one POST': (send, digest, body) => send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body }),
  'POST and PUT': async (send, digest, body) => send('PUT', ended(await begin(send), digest), { body }),
  'chunks and an empty PUT': (send, digest, bytes) => chunks(send, digest, bytes, false, false),
  'chunks of which the last is the PUT': (send, digest, bytes) => chunks(send, digest, bytes, true, false),
  'chunks out of order': (send, digest, bytes) => chunks(send, digest, bytes, false, true),
  'chunks out of order of which the last is the PUT': (send, digest, bytes) => chunks(send, digest, bytes, true, true),
  'one PATCH without a range': async (send, digest, body) => {
    const { status, headers } = await send('PATCH', await begin(send), { body });
    assert.equal(status, 202);
    return await send('PUT', ended(headers.location ?? '', digest));
  },
};

async function checkCreated(send: Send, { status, headers }: Answer, digest: Digest, bytes: Uint8Array): Promise<void> {
  assert.equal(status, 201);
  assert.equal(headers['docker-content-digest'], digest);
  const found = await send('GET', headers.location ?? '', { headers: accept });
  assert.equal(found.status, 200);
  assert.ok(found.body.equals(bytes));
}

async function checkBlob(send: Send, digest: Digest, bytes: Uint8Array): Promise<void> {
  for (const method of ['HEAD', 'GET']) {
    const { status, headers, body } = await send(method, `/v2/${repository}/blobs/${digest}`);
    assert.equal(status, 200);
    assert.equal(headers['content-length'], String(bytes.byteLength));
    assert.equal(headers['docker-content-digest'], digest);
    assert.ok(body.equals(method === 'GET' ? bytes : Buffer.alloc(0)));
  }
}

async function deleted(send: Send, path: string): Promise<void> {
  const { status } = await send('DELETE', path);
  assert.ok(status === 202 || status === 404, `${status}`);
  assert.equal((await send('HEAD', path)).status, 404);
}

async function blobCases(send: Send, algorithm: 'sha256' | 'sha512'): Promise<void> {
  for (const [way, upload] of Object.entries(uploads)) {
    for (const size of [0, 2, 512, 3 * 1024 - 5]) {
      const bytes = randomBytes(size, `${algorithm} ${way} ${size}`);
      const digest = digestOf(bytes, algorithm);
      await checkCreated(send, await upload(send, digest, bytes), digest, bytes);
      await checkBlob(send, digest, bytes);
      await deleted(send, `/v2/${repository}/blobs/${digest}`);
      const wrong = await upload(send, digest, Buffer.concat([bytes, Buffer.from('oh no')]));
      assert.equal(wrong.status, 400, `${way}: content with another digest`);
    }
  }
}

async function mountCases(send: Send, algorithm: 'sha256' | 'sha512'): Promise<void> {
  for (const [from, status] of [
    [`&from=${other}`, 201],
    ['', 201],
    [`&from=${other}/none`, 202],
  ] as const) {
    const bytes = randomBytes(512, `${algorithm} mount ${from}`);
    const digest = digestOf(bytes, algorithm);
    await send('PUT', ended(await begin(send, other), digest), { body: bytes });
    const found = await send('POST', `/v2/${repository}/blobs/uploads/?mount=${digest}${from}`);
    assert.equal(found.status, status);
    const done =
      status === 201 ? found : await send('PUT', ended(found.headers.location ?? '', digest), { body: bytes });
    await checkCreated(send, done, digest, bytes);
    await deleted(send, `/v2/${repository}/blobs/${digest}`);
    assert.equal((await send('HEAD', `/v2/${other}/blobs/${digest}`)).status, 200);
    await deleted(send, `/v2/${other}/blobs/${digest}`);
  }
}

async function pushRow(send: Send, row: Row): Promise<void> {
  const ways = Object.values(uploads);
  for (const [at, [digest, bytes]] of [...row.blobs].entries()) {
    const upload = ways[at % ways.length];
    assert.ok(upload);
    await checkCreated(send, await upload(send, digest, bytes), digest, bytes);
  }
  for (const [digest, { bytes, mediaType }] of row.manifests) {
    const tags = row.tagsByQuery ? [...row.tags].filter(([, of]) => of === digest).map(([tag]) => tag) : [];
    const path = `/v2/${repository}/manifests/${digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`;
    const answer = await send('PUT', path, { headers: { 'Content-Type': mediaType }, body: bytes });
    await checkCreated(send, answer, digest, bytes);
    checkSubject(answer, bytes);
    if (tags.length > 0) assert.deepEqual(String(answer.headers['oci-tag']).split(', '), tags);
  }
  for (const [tag, digest] of row.tagsByQuery ? [] : row.tags) {
    const manifest = row.manifests.get(digest);
    assert.ok(manifest);
    const headers = { 'Content-Type': manifest.mediaType };
    const answer = await send('PUT', `/v2/${repository}/manifests/${tag}`, { headers, body: manifest.bytes });
    await checkCreated(send, answer, digest, manifest.bytes);
    checkSubject(answer, manifest.bytes);
  }
}

function checkSubject({ headers }: Answer, bytes: Uint8Array): void {
  const { subject } = JSON.parse(Buffer.from(bytes).toString()) as { subject?: Named };
  assert.equal(headers['oci-subject'], subject?.digest);
}

async function listRow(send: Send, row: Row): Promise<void> {
  const list = async (query = ''): Promise<string[]> => {
    const { status, body } = await send('GET', `/v2/${repository}/tags/list${query}`);
    assert.equal(status, 200);
    return (JSON.parse(body.toString()) as { tags: string[] }).tags;
  };
  if (row.tags.size === 0) return;
  const all = await list();
  for (const tag of row.tags.keys()) assert.ok(all.includes(tag));
  assert.deepEqual(all, all.toSorted());
  const half = Math.ceil(all.length / 2);
  assert.deepEqual(await list(`?last=${all[half - 1]}`), all.slice(half));
  assert.deepEqual(await list(`?n=${half}`), all.slice(0, half));
}

async function pullRow(send: Send, row: Row): Promise<void> {
  const references: [string, Digest][] = [
    ...row.tags,
    ...[...row.manifests.keys()].map((digest): [string, Digest] => [digest, digest]),
  ];
  for (const [reference, digest] of references) {
    const manifest = row.manifests.get(digest);
    assert.ok(manifest);
    for (const method of ['HEAD', 'GET']) {
      const { status, headers, body } = await send(method, `/v2/${repository}/manifests/${reference}`, {
        headers: accept,
      });
      assert.equal(status, 200);
      assert.equal(headers['content-type'], manifest.mediaType);
      assert.equal(headers['content-length'], String(manifest.bytes.byteLength));
      assert.equal(headers['docker-content-digest'], digest);
      assert.ok(body.equals(method === 'GET' ? manifest.bytes : Buffer.alloc(0)));
    }
  }
  for (const [digest, bytes] of row.blobs) await checkBlob(send, digest, bytes);
}

async function referrersOf(send: Send, subject: Digest, type?: string): Promise<Named[]> {
  const query = type === undefined ? '' : `?artifactType=${encodeURIComponent(type)}`;
  const { status, headers, body } = await send('GET', `/v2/${repository}/referrers/${subject}${query}`);
  assert.equal(status, 200);
  assert.equal(headers['content-type'], mediaTypes.ociIndex);
  assert.equal(headers['oci-filters-applied'], type === undefined ? undefined : 'artifactType');
  return (JSON.parse(body.toString()) as { manifests: Named[] }).manifests;
}

async function referRow(send: Send, row: Row): Promise<void> {
  const sorted = (list: readonly Named[]): Named[] => list.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  for (const [subject, expected] of row.subjects) {
    assert.deepEqual(sorted(await referrersOf(send, subject)), sorted(expected));
    for (const type of new Set(expected.map(({ artifactType }) => String(artifactType)))) {
      const wanted = expected.filter(({ artifactType }) => artifactType === type);
      assert.deepEqual(sorted(await referrersOf(send, subject, type)), sorted(wanted));
    }
  }
}

async function deleteRow(send: Send, row: Row): Promise<void> {
  for (const tag of row.tags.keys()) {
    assert.equal((await send('DELETE', `/v2/${repository}/manifests/${tag}`)).status, 202);
    assert.equal((await send('HEAD', `/v2/${repository}/manifests/${tag}`)).status, 404);
  }
  for (const digest of [...row.manifests.keys()].reverse())
    await deleted(send, `/v2/${repository}/manifests/${digest}`);
  for (const digest of row.blobs.keys()) await deleted(send, `/v2/${repository}/blobs/${digest}`);
  for (const subject of row.subjects.keys()) assert.deepEqual(await referrersOf(send, subject), []);
}

/** A user `me` with the password `secret`. */
const passwords = 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';

for (const authenticated of [false, true]) {
  group(`the distribution specification, authentication ${authenticated ? 'on' : 'off'}`, () => {
    async function withRegistry(run: (send: Send) => Promise<void>): Promise<void> {
      await using directory = await temporaryDirectory();
      const file = directory.join('htpasswd');
      await writeFile(file, passwords);
      const authentication = authenticated ? await htpasswd(file) : undefined;
      let running: Awaited<ReturnType<typeof serve>> | undefined;
      const collect = async (): Promise<unknown> => running?.store.collect();
      await using registry = await serve({
        authentication,
        sparse: 'all',
        collect,
        collectDelay: 1,
        collectInterval: 50,
      });
      running = registry;
      const proof = `Basic ${Buffer.from('me:secret').toString('base64')}`;
      await run(async (method, path, options) => {
        if (!authenticated) return await registry.send(method, path, options);
        const refused = await registry.send(method, path, options);
        assert.equal(refused.status, 401);
        assert.match(String(refused.headers['www-authenticate']), /^Basic realm="[^"]+"/);
        return await registry.send(method, path, {
          ...options,
          headers: { ...options?.headers, Authorization: proof },
        });
      });
    }

    it('is spoken here, and nothing is there yet', () =>
      withRegistry(async (send) => {
        assert.equal((await send('GET', '/v2/')).status, 200);
        assert.equal((await send('GET', `/v2/${repository}/tags/list`)).status, 404);
        assert.deepEqual(await referrersOf(send, digestOf('nobody')), []);
        assert.equal((await send('GET', `/v2/${repository}/blobs/${nothing}`)).status, 404);
        assert.equal((await send('GET', `/v2/${repository}/manifests/${nothing}`)).status, 404);
        assert.equal((await send('GET', `/v2/${repository}/manifests/missing`)).status, 404);
      }));

    for (const algorithm of ['sha256', 'sha512'] as const) {
      it(`takes ${algorithm} blobs in every way, mounts and cancels`, () =>
        withRegistry(async (send) => {
          await blobCases(send, algorithm);
          await mountCases(send, algorithm);
          const location = await begin(send);
          assert.equal((await send('DELETE', location)).status, 204);
          assert.equal((await send('GET', location)).status, 404);
        }));
    }

    for (const row of rows()) {
      it(`takes, lists, gives and deletes: ${row.name}`, () =>
        withRegistry(async (send) => {
          await pushRow(send, row);
          await listRow(send, row);
          await pullRow(send, row);
          await referRow(send, row);
          await deleteRow(send, row);
        }));
    }

    it('refuses manifests with another digest or none', () =>
      withRegistry(async (send) => {
        const [image] = rows();
        assert.ok(image);
        await pushRow(send, image);
        const [first] = [...image.manifests];
        assert.ok(first);
        const [digest, { bytes, mediaType }] = first;
        const headers = { 'Content-Type': mediaType };
        const padded = Buffer.concat([bytes, Buffer.from('  ')]);
        assert.equal(
          (await send('PUT', `/v2/${repository}/manifests/${digest}`, { headers, body: padded })).status,
          400,
        );
        const bad = `/v2/${repository}/manifests/sha256:baddigeststring`;
        assert.equal((await send('PUT', bad, { headers, body: bytes })).status, 400);
        assert.equal((await send('GET', bad)).status, 400);
      }));
  });
}
