import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { document, type RandomBlob, randomBlob } from '../../src/testing/random.ts';
import { pullAll } from './load.ts';
import { pushBlob, putManifest, type Send, serve } from './support.ts';

const layers = Array.from({ length: 5 }, (_, at) => randomBlob(500 + at, `shared ${at}`, mediaTypes.ociLayer));

type Step =
  | { readonly do: 'push'; readonly tag: string; readonly layers: readonly number[] }
  | { readonly do: 'mount'; readonly tag: string; readonly layers: readonly number[]; readonly from: number }
  | { readonly do: 'untag'; readonly tag: string }
  | { readonly do: 'delete'; readonly tag: string };

const tag = fc.constantFrom('a', 'b');
const some = fc.uniqueArray(fc.nat(layers.length - 1), { minLength: 1, maxLength: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('push' as const), tag, layers: some }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mount' as const), tag, layers: some, from: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('untag' as const), tag }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), tag }) },
);

/** What a repository should have: tag to the layers of its image. */
type Model = Map<
  string,
  { readonly manifest: RandomBlob; readonly config: RandomBlob; readonly layers: readonly number[] }
>;

async function take(call: Send, repository: string, model: Model, todo: Step): Promise<void> {
  if (todo.do === 'untag') {
    await call('DELETE', `/v2/${repository}/manifests/${todo.tag}`);
    model.delete(todo.tag);
  } else if (todo.do === 'delete') await deleteImage(call, repository, model, todo.tag);
  else await push(call, repository, model, todo);
}

async function push(
  call: Send,
  repository: string,
  model: Model,
  todo: Step & { do: 'push' | 'mount' },
): Promise<void> {
  const config = document(mediaTypes.ociConfig, {
    os: 'linux',
    architecture: 'amd64',
    repository,
    layers: todo.layers,
  });
  const chosen = todo.layers.map((at) => layers[at] as RandomBlob);
  for (const blob of [config, ...chosen]) {
    const { digest } = blob.descriptor;
    if ((await call('HEAD', `/v2/${repository}/blobs/${digest}`)).status === 200) continue;
    const query = todo.do === 'mount' ? `?mount=${digest}&from=repository-${todo.from}` : undefined;
    const mounted = query && (await call('POST', `/v2/${repository}/blobs/uploads/${query}`)).status === 201;
    if (!mounted) assert.equal((await pushBlob(call, repository, blob)).status, 201);
  }
  const manifest = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: chosen.map(({ descriptor }) => descriptor),
  });
  const { status, body } = await putManifest(call, repository, manifest, todo.tag);
  assert.equal(status, 201, body.toString());
  model.set(todo.tag, { manifest, config, layers: todo.layers });
}

/** Deletes the manifest of a tag with every tag of it, and its blobs as far as no other image of the repository has them. */
async function deleteImage(call: Send, repository: string, model: Model, name: string): Promise<void> {
  const image = model.get(name);
  if (image === undefined) return;
  const { digest } = image.manifest.descriptor;
  assert.equal((await call('DELETE', `/v2/${repository}/manifests/${digest}`)).status, 202);
  for (const [other, { manifest }] of model) if (manifest.descriptor.digest === digest) model.delete(other);
  const used = new Set([...model.values()].flatMap(({ layers: numbers }) => numbers));
  const own = image.layers.filter((number) => !used.has(number)).map((number) => layers[number] as RandomBlob);
  for (const { descriptor } of own) await call('DELETE', `/v2/${repository}/blobs/${descriptor.digest}`);
}

group('pushes, mounts, deletions and collections', () => {
  it('in any order and at once leave every image whole that has a tag, in every repository', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 12 }), { minLength: 3, maxLength: 3 }),
        async (histories) => {
          await using registry = await serve();
          let collecting = true;
          const collections = (async () => {
            while (collecting) {
              await registry.store.collect();
              await new Promise(setImmediate);
            }
          })();
          const models: Model[] = histories.map(() => new Map());
          const outcome = await Promise.allSettled(
            histories.map(async (history, at) => {
              const model = models[at] as Model;
              for (const todo of history) {
                await take(registry.send, `repository-${at}`, model, todo);
                for (const name of model.keys()) assert.ok(await pullAll(registry.send, `repository-${at}`, name));
              }
            }),
          );
          collecting = false;
          await collections;
          for (const one of outcome) if (one.status === 'rejected') throw one.reason;
          for (const [at, model] of models.entries())
            for (const name of model.keys()) assert.ok(await pullAll(registry.send, `repository-${at}`, name));
        },
      ),
      { numRuns: 15 },
    );
  });
});

it('a full disk is said to be one, and the upload goes on when there is room', async () => {
  const services = memoryServices();
  const { content } = services;
  const open = content.writer.bind(content);
  let full = true;
  content.writer = async (options) => {
    const writer = await open(options);
    const write = writer.write.bind(writer);
    let broken = false;
    writer.write = async (chunk, given) => {
      // As with a file: a writer that has failed once is of no more use.
      if (broken) throw new DrayError('failed-precondition', 'an earlier write failed');
      broken = full;
      if (full) throw new DrayError('resource-exhausted', 'ENOSPC: /secret/path', { reason: 'disk-full' });
      await write(chunk, given);
    };
    return writer;
  };
  await using registry = await serve({ services });
  const blob = randomBlob(1000, 'no room');
  const { headers } = await registry.send('POST', '/v2/app/blobs/uploads/');
  const location = headers.location ?? '';
  const refused = await registry.send('PATCH', location, { body: blob.bytes });
  assert.equal(refused.status, 507);
  assert.doesNotMatch(refused.body.toString(), /secret/);
  full = false;
  const { status } = await registry.send('PUT', `${location}?digest=${blob.descriptor.digest}`, { body: blob.bytes });
  assert.equal(status, 201);
});

it('a file of the store that may not be touched is the failure of the registry, not of who asks', async () => {
  const services = memoryServices();
  services.content.writer = async () => {
    throw new DrayError('permission-denied', 'EACCES: /secret/path');
  };
  await using registry = await serve({ services });
  const { status, body } = await registry.send('POST', '/v2/app/blobs/uploads/');
  assert.equal(status, 500);
  assert.doesNotMatch(body.toString(), /secret|DENIED/);
});
