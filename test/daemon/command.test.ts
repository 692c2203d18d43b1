import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/spec/digest.ts';
import { dray, drayDone, drayStart } from '../support/command.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { servedStore, socketIn } from './served.ts';

describe('dray --containerd', () => {
  it('works on the store behind the socket', async () => {
    await using served = await servedStore();
    const environment = { DRAY_CONTAINERD: served.address };
    const digest = await drayDone(['content', 'ingest', 'ref'], { environment, input: 'hello' });
    assert.equal(digest, digestOf('hello'));
    assert.equal(await drayDone(['content', 'get', digest], { environment }), 'hello');
    assert.match(await drayDone(['content', 'ls', '--containerd', served.address]), new RegExp(digest));
    assert.equal((await served.daemon.content.info(digest)).size, 5);
    const version = JSON.parse(await drayDone(['version', '--json'], { environment }));
    assert.equal(version.containerd.revision, 'dray');
    assert.match(await drayDone(['plugins', 'id==images'], { environment }), /io\.containerd\.grpc\.v1 +images +- +ok/);
  });

  it('says what cannot be, and what to do', async () => {
    await using served = await servedStore();
    await using directory = await temporaryDirectory();
    const nowhere = await dray(['images', 'ls', '--containerd', socketIn(directory.path)]);
    assert.equal(nowhere.code, 7);
    assert.match(nowhere.stderr, /there is no such socket[\s\S]*hint:/);
    if (process.platform === 'linux') {
      const long = await dray(['images', 'ls', '--containerd', directory.join('s'.repeat(110))]);
      assert.match(long.stderr, /the path is too long\n {2}hint: .*100 bytes/);
    }
    for (const command of [['gc'], ['doctor', '--repair'], ['images', 'usage', 'x']]) {
      const refused = await dray([...command, '--containerd', served.address]);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /store in a directory only[\s\S]*hint:/);
    }
    const plugins = await dray(['plugins', '--root', directory.join('store')]);
    assert.equal(plugins.code, 2);
    assert.match(plugins.stderr, /--containerd/);
  });
});

describe('dray serve --containerd-socket', () => {
  it('serves the store to clients of containerd, and as a registry when asked', async () => {
    await using directory = await temporaryDirectory();
    const [root, socket] = [directory.join('store'), socketIn(directory.path)];
    const flags = ['--root', root, '--containerd-socket', socket, '--addr', '127.0.0.1:0', '--print-url'];
    await using serving = drayStart(['serve', ...flags]);
    const [, url] = await serving.printed(/^(http:\S+)$/m);
    await serving.printed(/clients of containerd/);
    assert.equal((await fetch(`${url}/v2/`)).status, 200);
    const digest = await drayDone(['content', 'ingest', 'ref', '--containerd', socket], { input: 'hello' });
    assert.match(await drayDone(['content', 'ls', '--root', root]), new RegExp(digest));
  });

  it('moves images for its clients, unless the store is that of a daemon', async () => {
    await using directory = await temporaryDirectory();
    const [socket, other] = ['one', 'other'].map((name) => socketIn(directory.join(name)));
    assert.ok(socket !== undefined && other !== undefined);
    for (const name of ['one', 'other']) await mkdir(directory.join(name));
    await using serving = drayStart(['serve', '--root', directory.join('store'), '--containerd-socket', socket]);
    await serving.printed(/clients of containerd/);
    await using passing = drayStart(['serve', '--containerd', socket, '--containerd-socket', other]);
    await passing.printed(/clients of containerd/);
    const movers = (address: string): Promise<string> => drayDone(['plugins', 'id==transfer', '--containerd', address]);
    assert.match(await movers(socket), /io\.containerd\.grpc\.v1 +transfer/);
    assert.doesNotMatch(await movers(other), /transfer/);
  });

  it('keeps what a killed server had of an ingest', async () => {
    await using directory = await temporaryDirectory();
    const [root, socket] = [directory.join('store'), socketIn(directory.path)];
    const { connectContainerd } = await import('../../src/daemon/client/daemon.ts');
    const serving = drayStart(['serve', '--root', root, '--containerd-socket', socket]);
    await serving.printed(/clients of containerd/);
    await using daemon = await connectContainerd({ address: socket });
    const writer = await daemon.content.writer({ ref: 'half' });
    await writer.write(Buffer.alloc(3_000_000));
    assert.equal((await writer.status()).offset, 3_000_000);
    await serving.kill('SIGKILL');
    await assert.rejects(writer.commit());
    await using again = drayStart(['serve', '--root', root, '--containerd-socket', socket]);
    await again.printed(/clients of containerd/);
    await using next = await daemon.content.writer({ ref: 'half' });
    assert.equal((await next.status()).offset, 3_000_000);
  });

  it('refuses a plugin without a socket', async () => {
    const { code, stderr } = await dray(['serve', '--content-plugin']);
    assert.equal(code, 2);
    assert.match(stderr, /--containerd-socket/);
  });
});
