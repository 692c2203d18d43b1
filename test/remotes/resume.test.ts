import assert from 'node:assert/strict';
import { readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { OpenBlob } from '../../src/content/copy.ts';
import { fileBlobLocations } from '../../src/remotes/docker/blob-locations.ts';
import { fileUploadSessions, type UploadKey } from '../../src/remotes/docker/upload-sessions.ts';
import { createHasher, digestOf } from '../../src/spec/digest.ts';
import { randomBlob, randomImage, randomRange } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { start, succeed } from '../support/processes.ts';
import { bytesOf, openerOf, quickClient } from '../support/registry-client.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const mebibyte = 1024 * 1024;

function totals({ requests }: ScriptedRegistry): { received: number; sent: number } {
  return {
    received: requests.reduce((sum, { received }) => sum + received, 0),
    sent: requests.reduce((sum, { sent }) => sum + sent, 0),
  };
}

describe('a gibibyte through a connection that is reset twenty times', () => {
  const size = 1024 * mebibyte;
  const seed = 'gibibyte';
  const hasher = createHasher();
  for (const chunk of randomRange(0, size, seed)) hasher.update(chunk);
  const target = { mediaType: 'application/octet-stream', digest: hasher.digest(), size };
  const open: OpenBlob = async function* (offset = 0) {
    yield* randomRange(offset, size, seed);
  };

  it('is pushed, and less than one chunk is sent again each time', async () => {
    await using registry = await ScriptedRegistry.start({ discard: true });
    for (let times = 0; times < 20; times += 1) {
      // Somewhere in the middle of the chunk that is under way, the first of them in the middle of the whole.
      registry.script({ on: /^(PATCH|PUT) /, after: times * 2, times: 1, resetRequestAfter: (times + 1) * 700_000 });
    }
    await using client = quickClient();
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    assert.equal(await pusher.push(target, open), 'pushed');
    assert.equal(registry.repository('team/app').blobs.get(target.digest)?.size, size);
    const broken = registry.requests.filter(
      ({ method, status }) => /^P(ATCH|UT)$/.test(method) && status === undefined,
    );
    assert.equal(broken.length, 20);
    assert.ok(totals(registry).received - size < 20 * 16 * mebibyte, `${totals(registry).received - size} bytes again`);
  });

  it('is pulled, and no byte is lost', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.repository('team/app').addRandomBlob(target.digest, size, seed);
    registry.script({ on: 'GET *', times: 20, resetAfter: 30 * mebibyte });
    await using client = quickClient({ downloads: { parts: 0 } });
    const pulled = createHasher();
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    for await (const chunk of await fetcher.fetch(target)) pulled.update(chunk);
    assert.equal(pulled.digest(), target.digest);
    assert.equal(registry.requests.length, 21);
    // What was on its way when the connection broke.
    assert.ok(totals(registry).sent - size < 20 * 4 * mebibyte, `${totals(registry).sent - size} bytes again`);
  });
});

describe('uploads that a later process goes on with', () => {
  const blob = randomBlob(3 * mebibyte, 'later');
  const key: UploadKey = { registry: 'r.io', repository: 'team/app', digest: blob.descriptor.digest };

  it('send no chunk again that had arrived when the earlier one was killed', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    registry.script({ on: 'PATCH *', after: 1, times: 1, delay: 3_600_000 });
    const module = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
    const script = directory.join('push.ts');
    await writeFile(
      script,
      `import { RegistryClient } from ${module('remotes/docker/registry-client.ts')};
import { fileUploadSessions } from ${module('remotes/docker/upload-sessions.ts')};
import { randomBlob } from ${module('testing/random.ts')};
const { descriptor, bytes } = randomBlob(${3 * mebibyte}, 'later');
const client = new RegistryClient({ uploads: fileUploadSessions(${JSON.stringify(directory.join('uploads'))}), chunkSize: ${mebibyte} });
const pusher = await client.pusher('${registry.host}/team/app:1');
await pusher.push(descriptor, async function* (offset = 0) { yield bytes.subarray(offset); });`,
    );
    registry.quirks = { bodyLimit: mebibyte };
    await using earlier = start(process.execPath, [script]);
    while (registry.requests.filter(({ method }) => method === 'PATCH').length < 2)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await earlier.kill('SIGKILL');
    registry.clear();
    await using client = quickClient({ uploads: fileUploadSessions(directory.join('uploads')), chunkSize: mebibyte });
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    const resumed: number[] = [];
    const onResume = (offset: number): void => void resumed.push(offset);
    assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes), { onResume }), 'pushed');
    assert.deepEqual(resumed, [mebibyte]);
    assert.equal(totals(registry).received, 2 * mebibyte);
    assert.ok(registry.repository('team/app').bytesOf(blob.descriptor.digest)?.equals(blob.bytes));
    assert.deepEqual(await readdir(directory.join('uploads')), []);
  });

  it('begin anew when the registry has forgotten them, in chunks, so that of the next attempt something stays', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    const sessions = fileUploadSessions(directory.join('uploads'));
    await sessions.put(
      { ...key, registry: registry.host },
      { location: `${registry.origin}/v2/team/app/blobs/uploads/gone`, offset: mebibyte },
    );
    await using client = quickClient({ uploads: sessions, chunkSize: mebibyte });
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'pushed');
    assert.equal(await sessions.get({ ...key, registry: registry.host }), undefined);
    assert.equal(registry.requests.filter(({ method }) => method === 'PATCH').length, 3);
  });

  it('do not go to another server because a file says so', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    const sessions = fileUploadSessions(directory.join('uploads'));
    await sessions.put({ ...key, registry: registry.host }, { location: 'http://169.254.169.254/x', offset: mebibyte });
    await using client = quickClient({ uploads: sessions, chunkSize: mebibyte });
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'pushed');
  });

  it('stay there when somebody gives up, so that they can be taken up', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    const sessions = fileUploadSessions(directory.join('uploads'));
    await using client = quickClient({ uploads: sessions, chunkSize: mebibyte });
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    const controller = new AbortController();
    const reason = new Error('enough');
    const open: OpenBlob = async function* (offset = 0) {
      yield blob.bytes.subarray(offset, offset + mebibyte);
      controller.abort(reason);
      yield blob.bytes.subarray(offset + mebibyte);
    };
    await assert.rejects(pusher.push(blob.descriptor, open, { signal: controller.signal }), reason);
    assert.equal(registry.repository('team/app').sessions.size, 1);
    assert.ok(await sessions.get({ ...key, registry: registry.host }));
  });

  it('are remembered in files for their owner alone, for a day', async (context) => {
    await using directory = await temporaryDirectory();
    const sessions = fileUploadSessions(directory.join('uploads'));
    assert.equal(await sessions.get(key), undefined);
    await sessions.put(key, { location: 'https://r.io/x?_state=secret', offset: 5 });
    assert.deepEqual(await sessions.get(key), { location: 'https://r.io/x?_state=secret', offset: 5 });
    const [file = ''] = await readdir(directory.join('uploads'));
    if (process.platform !== 'win32') assert.equal((await stat(directory.join('uploads', file))).mode & 0o777, 0o600);
    assert.equal(await sessions.get({ ...key, digest: digestOf('other') }), undefined);
    context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 25 * 3_600_000 });
    assert.equal(await sessions.get(key), undefined);
    assert.deepEqual(await readdir(directory.join('uploads')), []);
    await sessions.put(key, { location: 'x', offset: 0 });
    const [again = ''] = await readdir(directory.join('uploads'));
    await writeFile(directory.join('uploads', again), '{"half":');
    assert.equal(await sessions.get(key), undefined);
    await sessions.delete(key);
  });
});

describe('uploads that cannot be remembered', () => {
  const key: UploadKey = { registry: 'r.io', repository: 'team/app', digest: digestOf('any') };
  it('are not, and nothing fails for it', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('file'), '');
    const sessions = fileUploadSessions(directory.join('file', 'uploads'));
    await sessions.put(key, { location: 'https://r.io/x', offset: 1 });
    assert.equal(await sessions.get(key), undefined);
    await sessions.delete(key);
  });

  it('leave a push as it is', async () => {
    const blob = randomBlob(3 * mebibyte, 'unremembered');
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    await writeFile(directory.join('file'), '');
    await using client = quickClient({
      uploads: fileUploadSessions(directory.join('file', 'uploads')),
      locations: fileBlobLocations(directory.join('file', 'locations')),
      chunkSize: mebibyte,
    });
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'pushed');
  });
});

describe('uploads that nobody came back for', () => {
  it('are forgotten after a day, when the next one is remembered', async () => {
    await using directory = await temporaryDirectory();
    const key: UploadKey = { registry: 'r.io', repository: 'team/app', digest: digestOf('old') };
    const path = directory.join('uploads');
    await fileUploadSessions(path).put(key, { location: 'https://r.io/old', offset: 1 });
    const [old = ''] = await readdir(path);
    const dayBefore = Date.now() / 1000 - 25 * 3600;
    await utimes(join(path, old), dayBefore, dayBefore);
    const other = { ...key, digest: digestOf('new') };
    await fileUploadSessions(path).put(other, { location: 'https://r.io/new', offset: 1 });
    assert.equal((await readdir(path)).length, 1);
    assert.ok(await fileUploadSessions(path).get(other));
  });
});

describe('a push of the command that was killed', () => {
  it('goes on where it was when it is run again', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    const image = randomImage({ seed: 'killed push', layers: [40 * mebibyte] });
    registry.add('team/app', image, '1');
    const command = join(import.meta.dirname, '..', '..', 'src', 'cli', 'dray.ts');
    const env = { ...process.env, DRAY_ROOT: directory.path };
    await succeed(process.execPath, [command, 'pull', '--progress', 'none', `${registry.host}/team/app:1`], { env });
    await using other = await ScriptedRegistry.start();
    other.script({ on: 'PUT /v2/*/uploads/*', times: 1, stallRequestAfter: 30 * mebibyte });
    const push = [command, 'push', '--progress', 'none', `${registry.host}/team/app:1`, `${other.host}/team/copy:1`];
    await using first = start(process.execPath, push, { env });
    while (totals(other).received < 30 * mebibyte) await new Promise((resolve) => setTimeout(resolve, 5));
    await first.kill('SIGKILL');
    const before = totals(other).received;
    await succeed(process.execPath, push, { env });
    assert.equal(other.repository('team/copy').tags.get('1'), image.root.digest);
    // Ten of forty, the config and the manifest.
    assert.ok(totals(other).received - before < 11 * mebibyte, `${totals(other).received - before} bytes`);
  });
});

describe('a fetch in a later process', () => {
  it('asks for what is missing alone', async () => {
    const blob = randomBlob(300_000, 'rest');
    await using registry = await ScriptedRegistry.start();
    registry.repository('team/app').addBlob(blob.bytes);
    await using client = quickClient();
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    assert.equal((await bytesOf(await fetcher.fetch(blob.descriptor, { offset: 299_990 }))).byteLength, 10);
    assert.equal(totals(registry).sent, 10);
  });
});
