import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { imageOf } from '../../src/testing/image.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { run, succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

describe('an image of files', () => {
  const long = `etc/${'deep/'.repeat(30)}äöü`;
  const files = [
    { 'etc/seed': 'one\n', 'bin/run': { data: '#!/bin/sh\n', mode: 0o755 } },
    { 'etc/more/text': 'two' },
    { [long]: 'three' },
  ];

  it('is the same for the same files', async () => {
    assert.deepEqual(await imageOf(files), await imageOf(files));
    assert.notEqual((await imageOf(files)).root.digest, (await imageOf(files, { packing: 'none' })).root.digest);
  });

  it('is unpacked by others to those files', { skip: unlessInstalled('skopeo', 'umoci') }, async () => {
    await using registry = await ScriptedRegistry.start();
    await using directory = await temporaryDirectory();
    registry.add('team/app', await imageOf(files, { config: { Cmd: ['/bin/run'] } }), '1');
    const layout = directory.join('layout');
    const from = `docker://${registry.host}/team/app:1`;
    await succeed('skopeo', ['copy', '--src-tls-verify=false', from, `oci:${layout}:1`]);
    const unpacked = await run('umoci', ['unpack', '--rootless', '--image', `${layout}:1`, directory.join('bundle')]);
    assert.equal(unpacked.code, 0, unpacked.stderr);
    assert.equal(await readFile(directory.join('bundle/rootfs/etc/seed'), 'utf8'), 'one\n');
    assert.equal(await readFile(directory.join('bundle/rootfs/etc/more/text'), 'utf8'), 'two');
    assert.equal(await readFile(directory.join('bundle/rootfs', long), 'utf8'), 'three');
  });
});
