import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startTestRegistry } from '../../src/testing/embedded-registry.ts';
import { dray, drayDone, drayStart } from '../support/command.ts';
import { mountReadOnly, unlessMounting } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const layout = join(import.meta.dirname, '..', 'fixtures', 'hello');

describe('dray, its store on a file system that is mounted read-only', { skip: unlessMounting }, () => {
  it('lists, exports, pushes and serves what is there, and ends with 10 when asked to change it', async () => {
    await using directory = await temporaryDirectory();
    await drayDone(['import', layout, '--name', 'app:1', '--root', directory.join('store')]);
    await using _mount = await mountReadOnly(directory.join('store'), directory.join('view'));
    const environment = { DRAY_ROOT: directory.join('view') };
    assert.equal(await drayDone(['images', 'ls', '-q'], { environment }), 'docker.io/library/app:1');
    await drayDone(['export', 'app:1', directory.join('app.tar')], { environment });

    await using registry = await startTestRegistry();
    await drayDone(['push', 'app:1', `${registry.address}/app:1`, '--all-platforms'], { environment });

    await using server = drayStart(['serve', '--addr', '127.0.0.1:0'], { environment });
    const [, address = ''] = await server.printed(/serving \S+ at http:\/\/(\S+)/);
    const copied = ['copy', `${address}/docker.io/library/app:1`, `oci:${directory.join('layout')}:1`];
    await drayDone([...copied, '--all-platforms', '--root', directory.join('unused')]);
    const refused = await dray(['copy', `oci:${directory.join('layout')}:1`, `${address}/app:2`, '--all-platforms']);
    assert.match(refused.stderr, /read-only/);

    for (const change of [['images', 'tag', 'app:1', 'app:2'], ['images', 'rm', 'app:1'], ['gc'], ['import', layout]]) {
      const { code, stderr } = await dray(change, { environment });
      assert.equal(code, 10, stderr);
      assert.match(stderr, /mounted read-only\n.*\n {2}hint: /);
    }
    const none = await dray(['pull', `${address}/app:1`, '--root', directory.join('view', 'none')]);
    assert.equal(none.code, 10);
    assert.match(none.stderr, /hint: .*--root DIR/);
  });
});
