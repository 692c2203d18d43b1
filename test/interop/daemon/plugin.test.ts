import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { serveContainerd } from '../../../src/daemon/server/serve.ts';
import { is } from '../../../src/errors.ts';
import { fails } from '../../../src/testing/content-store/expectations.ts';
import { filledRegistry } from '../../daemon/registry.ts';
import { socketIn } from '../../daemon/served.ts';
import { staticProgram, tarImage } from '../../daemon/tar-image.ts';
import { put, temporaryStore } from '../../metadata/support.ts';
import { type Containerd, startContainerd, unlessContainerd } from '../../support/containerd.ts';
import { succeed } from '../../support/processes.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { unlessInstalled } from '../../support/tools.ts';

const skip =
  unlessContainerd() || unlessInstalled('runc') || (existsSync(staticProgram) ? false : `no ${staticProgram}`);

/** A containerd that keeps its content in a namespace of a store. */
async function pluggedIn(): Promise<AsyncDisposable & { containerd: Containerd; failures: unknown[] } & Stores> {
  const resources = new AsyncDisposableStack();
  const directory = resources.use(await temporaryDirectory());
  const { store } = resources.use(await temporaryStore());
  const address = socketIn(directory.path);
  const failures: unknown[] = [];
  const onCall = ({ code, method, error }: { code: number; method: string; error?: unknown }): void => {
    if (code !== 0 && code !== 1) failures.push([method, error]);
  };
  resources.use(await serveContainerd(store, address, { pluginNamespace: 'daemon', onCall }));
  const containerd = resources.use(await startContainerd({ contentPlugin: address }));
  const content = store.services('daemon').content;
  return { containerd, failures, content, store, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

type Store = Awaited<ReturnType<typeof temporaryStore>>['store'];
interface Stores {
  readonly store: Store;
  readonly content: ReturnType<Store['services']>['content'];
}

async function countOf(content: Stores['content']): Promise<number> {
  return (await Array.fromAsync(content.walk())).length;
}

describe('a containerd that keeps its content in a store', { skip }, () => {
  it('pulls, runs, exports, imports and removes an image, and its collector ends clean', async () => {
    const image = tarImage({ seed: 'plugin', program: staticProgram });
    await using registry = await filledRegistry({ 'app:1': image });
    await using directory = await temporaryDirectory();
    await using plugged = await pluggedIn();
    const { containerd, content, store } = plugged;
    const name = `${registry.host}/app:1`;
    await containerd.ctr('images', 'pull', '--plain-http', '--snapshotter', 'native', name);
    assert.equal(await countOf(content), image.blobs.length);
    // The store's own collector leaves alone what belongs to the daemon.
    await store.collect();
    assert.match(await containerd.ctr('run', '--rm', '--snapshotter', 'native', name, 'test'), /^ldconfig \(/);

    const archive = directory.join('app.tar');
    await containerd.ctr('images', 'export', archive, name);
    assert.match(await succeed('tar', ['-tf', archive]), new RegExp(image.root.digest.replace('sha256:', 'sha256/')));

    await containerd.ctr('images', 'rm', '--sync', name);
    assert.equal(await countOf(content), 0);
    assert.equal((await containerd.ctr('content', 'ls', '-q')).trim(), '');
    await containerd.ctr('images', 'import', '--snapshotter', 'native', archive);
    assert.match(await containerd.ctr('images', 'ls', '-q'), /app:1/);
    const names = (await containerd.ctr('images', 'ls', '-q')).trim().split('\n');
    await containerd.ctr('images', 'rm', '--sync', ...names);
    assert.equal(await countOf(content), 0);
    assert.deepEqual(await Array.fromAsync(content.statuses()), []);

    assert.match(containerd.log(), /content garbage collected/);
    assert.doesNotMatch(containerd.log(), /level=(error|fatal)|garbage collection failed/);
    assert.deepEqual(
      plugged.failures.filter((failure) => !isExpected(failure)),
      [],
    );
  });

  it('has a namespace that nothing else is in', async () => {
    await using directory = await temporaryDirectory();
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'mine', 'not the daemon’s');
    await fails(
      serveContainerd(fixture.store, socketIn(directory.path), { pluginNamespace: 'default' }),
      'failed-precondition',
      /holds blob/,
    );
    const other = await serveContainerd(fixture.store, socketIn(directory.path), { pluginNamespace: 'daemon' });
    await other[Symbol.asyncDispose]();
  });
});

// A daemon asks for blobs that it may not have, and brings what is there already.
function isExpected(failure: unknown): boolean {
  const [, error] = failure as [string, unknown];
  return is(error, 'not-found') || is(error, 'already-exists');
}
