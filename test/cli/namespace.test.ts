import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDigest } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { servedStore } from '../daemon/served.ts';
import { drayDone } from '../support/command.ts';
import { temporaryDirectory } from '../support/temporary.ts';

describe('CONTAINERD_NAMESPACE', () => {
  it('counts on a daemon unless a flag names another one, and nowhere else', async () => {
    await using served = await servedStore();
    await using directory = await temporaryDirectory();
    const environment = { CONTAINERD_NAMESPACE: 'team', DRAY_ROOT: directory.path, DRAY_DURABILITY: 'none' };
    const ingested = async (input: string, ...flags: string[]): Promise<ReturnType<typeof parseDigest>> =>
      parseDigest(await drayDone(['content', 'ingest', input, ...flags], { environment, input }));
    const daemon = ['--containerd', served.address];
    const team = served.daemon.services('team').content;
    const [one, two] = [await ingested('one', ...daemon), await ingested('two', ...daemon, '--namespace', 'default')];
    assert.equal((await team.info(one)).size, 3);
    assert.equal((await served.daemon.content.info(two)).size, 3);
    await fails(team.info(two), 'not-found');
    const three = await ingested('three');
    assert.equal(await drayDone(['content', 'ls', '-q', '--namespace', 'default'], { environment }), three);
  });
});
