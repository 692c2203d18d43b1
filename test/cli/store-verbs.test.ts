import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openStore } from '../../src/metadata/open-store.ts';
import { type Digest, digestOf, encodedOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { dray, drayDone, program } from '../support/command.ts';
import { run, start } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const absent = digestOf('absent');
const halfIngest = join(import.meta.dirname, 'half-ingest.ts');

describe('the command, on a store', () => {
  it('takes content in, shows it, labels it and gives it back', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const digest = await drayDone(['content', 'ingest', 'one', '--label', 'a=1'], { environment, input: 'hello' });
    assert.equal(digest, digestOf('hello'));
    assert.equal(await drayDone(['content', 'get', digest], { environment }), 'hello');
    assert.equal(await drayDone(['content', 'label', digest, 'a=', 'team=x'], { environment }), 'team=x');
    assert.equal(await drayDone(['content', 'ls', '-q'], { environment }), digest);
    const [listed] = JSON.parse(await drayDone(['content', 'ls', 'labels.team==x', '--json'], { environment }));
    assert.deepEqual(
      { digest: listed.digest, size: listed.size, labels: listed.labels },
      { digest, size: 5, labels: { team: 'x' } },
    );
    assert.equal(JSON.parse(await drayDone(['content', 'ls', '--ndjson'], { environment })).digest, digest);
    assert.match(await drayDone(['content', 'info', digest], { environment }), /size +5/);
    assert.deepEqual(JSON.parse(await drayDone(['content', 'ls', 'labels.absent', '--json'], { environment })), []);
    assert.equal(await drayDone(['content', 'rm', digest], { environment }), digest);
    assert.equal((await dray(['content', 'get', digest], { environment })).code, 3);
  });

  it('refuses content that is not what was announced, and keeps nothing of it in sight', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const wrong = await dray(['content', 'ingest', 'w', '--expected-digest', absent], { environment, input: 'other' });
    assert.deepEqual([wrong.code, wrong.stdout], [6, '']);
    assert.match(wrong.stderr, /digest/);
    const short = await dray(['content', 'ingest', 's', '--expected-size', '9'], { environment, input: 'short' });
    assert.equal(short.code, 6);
    assert.equal(await drayDone(['content', 'ls', '-q'], { environment }), '');
  });

  it('goes on with an ingest after a kill, from the bytes on disk', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const content = 'x'.repeat(300_000);
    const half = start(process.execPath, [halfIngest, directory.path, 'upload', '100000']);
    await using _half = half;
    await half.printed(/written/);
    const status = JSON.parse(await drayDone(['content', 'status', '--json'], { environment }));
    assert.deepEqual(
      status.map((one: { ref: string; offset: number; active: boolean }) => [one.ref, one.offset, one.active]),
      [['upload', 100_000, true]],
    );
    const locked = await dray(['content', 'ingest', 'upload', '--resume'], { environment, input: content });
    assert.equal(locked.code, 10);
    await half.kill('SIGKILL');
    assert.match(await drayDone(['content', 'status'], { environment }), /upload +idle +97\.7 KiB/);
    const digest = await drayDone(['content', 'ingest', 'upload', '--resume', '--expected-digest', digestOf(content)], {
      environment,
      input: content,
    });
    assert.equal(digest, digestOf(content));
    assert.equal(await drayDone(['content', 'status', '-q'], { environment }), '');
  });

  it('says that content to be resumed is shorter than what is there', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    await dray(['content', 'ingest', 'u', '--expected-size', '99'], { environment, input: 'a long beginning' });
    const result = await dray(['content', 'ingest', 'u', '--resume'], { environment, input: 'short' });
    assert.equal(result.code, 6);
    assert.match(result.stderr, /shorter/);
    assert.equal(await drayDone(['content', 'abort', 'u'], { environment }), 'u');
    assert.equal((await dray(['content', 'abort', 'u'], { environment })).code, 3);
  });

  it('edits a blob as a new one', async () => {
    await using directory = await temporaryDirectory();
    const editor = directory.join('editor.mjs');
    const node = process.platform === 'win32' ? `"${process.execPath}"` : process.execPath;
    await writeFile(
      editor,
      "import { appendFileSync } from 'node:fs'; appendFileSync(process.argv[2], ' world'); console.log('drawn');",
    );
    const environment = { DRAY_ROOT: directory.join('store'), EDITOR: `${node} ${editor}` };
    const digest = await drayDone(['content', 'ingest', 'e'], { environment, input: 'hello' });
    const edited = await drayDone(['content', 'edit', digest], { environment });
    assert.equal(edited, digestOf('hello world'));
    assert.equal(await drayDone(['content', 'get', edited], { environment }), 'hello world');
    const failed = await dray(['content', 'edit', digest], { environment: { ...environment, EDITOR: 'false' } });
    assert.deepEqual([failed.code, failed.stdout], [9, '']);
    const missing = await dray(['content', 'edit', digest], {
      environment: { ...environment, EDITOR: '/no/such/editor' },
    });
    assert.equal(missing.code, 9);
    // The shell of Windows says itself what it cannot find.
    assert.match(missing.stderr, /cannot start the editor|the editor ended with/);
  });

  it('finds a blob that has rotted, wherever it is read', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const digest = (await drayDone(['content', 'ingest', 'r'], { environment, input: 'right' })) as Digest;
    const path = join(directory.path, 'content', 'blobs', 'sha256', encodedOf(digest));
    await chmod(path, 0o644);
    await writeFile(path, 'wrong');
    const verified = await dray(['content', 'verify', '--json'], { environment });
    assert.equal(verified.code, 6);
    assert.equal(JSON.parse(verified.stdout)[0].ok, false);
    const got = await dray(['content', 'get', digest], { environment });
    assert.deepEqual([got.code, got.stdout], [6, '']);
  });

  it('keeps namespaces apart', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    await drayDone(['content', 'ingest', 'a', '--namespace', 'team-a'], { environment, input: 'a' });
    assert.equal(await drayDone(['content', 'ls', '-q'], { environment }), '');
    assert.equal(await drayDone(['ns', 'create', 'team-b', 'owner=me'], { environment }), 'team-b');
    assert.equal(await drayDone(['ns', 'label', 'team-b', 'owner=you'], { environment }), 'owner=you');
    assert.deepEqual((await drayDone(['ns', 'ls', '-q'], { environment })).split('\n'), ['team-a', 'team-b']);
    const refused = await dray(['ns', 'rm', 'team-a'], { environment });
    assert.equal(refused.code, 9);
    assert.match(refused.stderr, /hint:/);
    assert.equal(await drayDone(['ns', 'rm', 'team-b'], { environment }), 'team-b');
    assert.equal((await dray(['ns', 'create', 'not/a/name'], { environment })).code, 2);
  });

  it('reports each of several, and 8 when only some failed', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const digest = await drayDone(['content', 'ingest', 'a'], { environment, input: 'a' });
    const some = await dray(['content', 'rm', absent, digest], { environment });
    assert.deepEqual([some.code, some.stdout], [8, `${digest}\n`]);
    assert.equal((await dray(['content', 'rm', absent, absent], { environment })).code, 3);
  });

  it('as JSON says an error as one object on stderr', async () => {
    await using directory = await temporaryDirectory();
    const result = await dray(['content', 'info', absent, '--json'], { environment: { DRAY_ROOT: directory.path } });
    assert.equal(result.stdout, '');
    const error = JSON.parse(result.stderr);
    assert.deepEqual(
      [error.code, error.kind, typeof error.message, typeof error.hint],
      [3, 'not-found', 'string', 'string'],
    );
  });

  it('shows no stack unless it is asked to', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    assert.doesNotMatch((await dray(['content', 'info', absent], { environment })).stderr, /\n\s+at /);
    assert.match((await dray(['content', 'info', absent, '--debug'], { environment })).stderr, /\n\s+at /);
  });

  it('ends quietly when its reader has seen enough', { skip: process.platform === 'win32' }, async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const digest = await drayDone(['content', 'ingest', 'big'], { environment, input: 'y'.repeat(3_000_000) });
    const shell = `'${process.execPath}' '${program}' content get ${digest} --root '${directory.path}' | head -c 10; echo "|\${PIPESTATUS[0]}"`;
    const result = await run('bash', ['-c', shell]);
    assert.equal(result.stdout.trim(), 'yyyyyyyyyy|0');
    assert.equal(result.stderr, '');
  });

  const skip = process.platform === 'linux' ? unlessInstalled('script') : 'script takes other flags here';
  it('writes no archive to a terminal', { skip }, async () => {
    await using directory = await temporaryDirectory();
    const command = `'${process.execPath}' '${program}' export app:1 - --root '${directory.path}'`;
    const result = await run('script', ['--quiet', '--return', '--command', command, '/dev/null']);
    assert.equal(result.code, 2);
    assert.match(result.stdout, /would go to the terminal/);
  });

  it('gives up when its time is over, and says so', async (t) => {
    await using directory = await temporaryDirectory();
    const child = spawn(
      process.execPath,
      [program, 'content', 'ingest', 'never', '--timeout', '300ms', '--root', directory.path],
      {
        stdio: ['pipe', 'ignore', 'pipe'],
      },
    );
    t.after(() => child.kill('SIGKILL'));
    const errors: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    // Its input never ends.
    assert.deepEqual(await once(child, 'close'), [7, null]);
    assert.match(Buffer.concat(errors).toString(), /not done within 300ms/);
  });

  it('stops at a signal with its code, and leaves what it has for the next time', {
    skip: process.platform === 'win32',
  }, async (t) => {
    for (const [signal, code] of [
      ['SIGHUP', 129],
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      await using directory = await temporaryDirectory();
      const child = spawn(process.execPath, [program, 'content', 'ingest', 'big', '--root', directory.path], {
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      t.after(() => child.kill('SIGKILL'));
      child.stdin.write('z'.repeat(200_000));
      const data = directory.join(
        'content',
        'ingest',
        createHash('sha256').update('default/big').digest('hex'),
        'data',
      );
      while (((await stat(data).catch(() => undefined))?.size ?? 0) < 200_000)
        await new Promise((resolve) => setImmediate(resolve));
      child.kill(signal);
      assert.deepEqual(await once(child, 'exit'), [code, null]);
      const [status] = JSON.parse(
        await drayDone(['content', 'status', '--json'], { environment: { DRAY_ROOT: directory.path } }),
      );
      assert.deepEqual([status.offset, status.active], [200_000, false]);
      assert.equal((await readFile(data)).byteLength, 200_000);
    }
  });

  it('lists and checks all images when the document of one is gone, and tells how each thing is mended', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const mediaType = mediaTypes.ociManifest;
    const digest = (await drayDone(['content', 'ingest', 'one'], { environment, input: 'lost' })) as Digest;
    {
      await using store = await openStore({ root: directory.path });
      const { images } = store.services('default');
      await images.create({ name: 'docker.io/library/lost:1', target: { mediaType, digest, size: 4 } });
      await images.create({ name: 'docker.io/library/zero:1', target: { mediaType, digest: absent, size: 6 } });
    }
    await rm(join(directory.path, 'content', 'blobs', 'sha256', encodedOf(digest)));
    assert.match(await drayDone(['images', 'ls', '-q'], { environment }), /lost:1\n.*zero:1$/);
    const checked = await dray(['images', 'check', '--json'], { environment });
    assert.equal(checked.code, 5);
    const missing = JSON.parse(checked.stdout).map(
      (image: { missing: { digest: Digest }[] }) => image.missing[0]?.digest,
    );
    assert.deepEqual(missing, [digest, absent]);
    const found = await dray(['doctor'], { environment });
    assert.match(found.stderr, /doctor --repair\n.*dray pull/);
    const mended = await dray(['doctor', '--repair'], { environment });
    assert.deepEqual([found.code, mended.code], [5, 5]);
    const left = await dray(['doctor'], { environment });
    assert.match(left.stderr, /^(?!.*--repair).*dray pull/s);
  });

  it('takes in what is there already, under whatever ref, and gives it the labels', async () => {
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const digest = digestOf('twice');
    for (const words of [['a'], ['a'], ['b', '--label', 'k=v'], ['c', '--label', 'l=w', '--expected-digest', digest]])
      assert.equal(await drayDone(['content', 'ingest', ...words], { environment, input: 'twice' }), digest);
    const { labels } = JSON.parse(await drayDone(['content', 'info', digest, '--json'], { environment }));
    assert.deepEqual(labels, { k: 'v', l: 'w' });
    assert.equal(await drayDone(['content', 'status', '-q'], { environment }), '');
  });

  it('checks all images when one is for other machines only', async () => {
    await using registry = await ScriptedRegistry.start();
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    for (const [tag, platform] of [
      ['here', 'linux/amd64'],
      ['there', 'plan9/386'],
    ] as const) {
      registry.add('team/app', randomImage({ seed: tag, platforms: [platform, 'linux/s390x'] }), tag);
      await drayDone(['pull', `${registry.host}/team/app:${tag}`, '--platform', platform], { environment });
    }
    const { code, stdout } = await dray(['images', 'check', '--platform', 'linux/amd64'], { environment });
    assert.match(stdout, /app:here +complete .*\n.*app:there +not for the platform /);
    assert.equal(code, 5);
  });

  it('says which flag, path or disk is in the way', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('file');
    await writeFile(file, '');
    const result = await dray(['content', 'ingest', 'a', '--root', join(file, 'store')], { input: 'a' });
    assert.notEqual(result.code, 0);
    assert.notEqual(result.code, 1);
    assert.match(result.stderr, /file/);
  });
});
