import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { describe, it } from 'node:test';
import { servedStore } from './served.ts';

/** What a caller of a service is told that is not there. */
async function answerTo(socket: string, path: string): Promise<string> {
  const session = connect('http://localhost', { createConnection: () => createConnection(socket) });
  try {
    const call = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
    const told = Promise.race([once(call, 'response'), once(call, 'trailers')]);
    call.end();
    const [{ 'grpc-status': code, 'grpc-message': message }] = await told;
    assert.equal(code, '12');
    return decodeURIComponent(`${message}`);
  } finally {
    session.destroy();
  }
}

describe('a call of a service of containerd that is not served', () => {
  it('is told what to do instead', async () => {
    await using served = await servedStore();
    const told = (service: string) => answerTo(served.address, `/containerd.services.${service}/Any`);
    assert.match(await told('transfer.v1.Transfer'), /--local/);
    assert.match(await told('streaming.v1.Streaming'), /--local/);
    assert.match(await told('snapshots.v1.Snapshots'), /^dray keeps no snapshots/);
    assert.match(await told('tasks.v1.Tasks'), /^dray runs no containers/);
    assert.match(await told('constructor.v1.X'), /^dray does not serve \/containerd.services.constructor.v1.X\/Any/);
  });

  it('is told that a socket for a content plugin has content alone', async () => {
    await using served = await servedStore({}, { pluginNamespace: 'plugin' });
    const told = await answerTo(served.address, '/containerd.services.images.v1.Images/List');
    assert.match(told, /nothing but content is served here/);
  });
});
