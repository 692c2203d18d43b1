import assert from 'node:assert/strict';
import { it } from 'node:test';
import { socketPath } from '../../src/daemon/client/address.ts';
import { is } from '../../src/errors.ts';

it('the address of a daemon is a path, a pipe of Windows, or a URL of either', () => {
  for (const address of ['/run/c.sock', 'unix:///run/c.sock', 'unix:/run/c.sock'])
    assert.equal(socketPath(address), '/run/c.sock');
  for (const address of ['\\\\.\\pipe\\containerd', 'npipe:////./pipe/containerd'])
    assert.equal(socketPath(address), '\\\\.\\pipe\\containerd');
  for (const address of ['', 'unix://', 'tcp://127.0.0.1:1', 'npipe://containerd'])
    assert.throws(
      () => socketPath(address),
      (error) => is(error, 'invalid-argument') && /pipe/.test(error.context.hint ?? ''),
    );
});
