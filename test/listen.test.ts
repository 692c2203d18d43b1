import assert from 'node:assert/strict';
import { lstat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { exitCodeOf } from '../src/cli/failures.ts';
import { type DrayError, is } from '../src/errors.ts';
import { listenAt } from '../src/listen.ts';
import { temporaryDirectory } from './support/temporary.ts';

const refusal = async (address: Parameters<typeof listenAt>[1]): Promise<DrayError> => {
  const server = createServer();
  try {
    await listenAt(server, address);
  } catch (error) {
    return error as DrayError;
  } finally {
    server.close();
  }
  throw new Error('it listens');
};

describe('a place to listen at', () => {
  it('that somebody else has is a matter of this machine', async (t) => {
    const other = createServer();
    t.after(() => other.close());
    await listenAt(other, { host: '127.0.0.1', port: 0 });
    const error = await refusal({ host: '127.0.0.1', port: (other.address() as AddressInfo).port });
    assert.match(error.message, /something listens at 127\.0\.0\.1:\d+ already/);
    assert.equal(exitCodeOf(error), 10);
  });

  it('that is not of this machine is told as such', async () => {
    // An address for documentation.
    const error = await refusal({ host: '192.0.2.1', port: 0 });
    assert.ok(is(error, 'invalid-argument') && /127\.0\.0\.1/.test(error.context.hint ?? ''), error.message);
  });

  it('whose path is too long for a socket is told as such', { skip: process.platform === 'win32' }, async () => {
    await using directory = await temporaryDirectory();
    const error = await refusal({ path: directory.join('x'.repeat(200)) });
    assert.equal(exitCodeOf(error), 2);
    assert.match(error.context.hint ?? '', /shorter/);
  });

  it('where a file is, or a server that answers, is left as it is', {
    skip: process.platform === 'win32',
  }, async (t) => {
    await using directory = await temporaryDirectory();
    const file = directory.join('file');
    await writeFile(file, 'kept');
    assert.match((await refusal({ path: file })).message, /something is at .*file already/);
    assert.equal((await lstat(file)).size, 4);
    const path = directory.join('socket');
    const other = createServer();
    t.after(() => other.close());
    await listenAt(other, { path });
    assert.equal(exitCodeOf(await refusal({ path })), 10);
    assert.ok((await lstat(path)).isSocket());
  });
});
