import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import { doctor } from '../../src/metadata/doctor.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { encodedOf } from '../../src/spec/digest.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { blobDigest, Model, type NamespaceModel } from './model.ts';
import { anyStep, type Real, type Step } from './steps.ts';
import { readAll } from './support.ts';

/** How many times the default number of histories is run. */
const factor = Number(process.env['DRAY_HISTORIES'] ?? 1);

class Command implements fc.AsyncCommand<Model, Real & { root: string }> {
  readonly #step: Step;

  constructor(step: Step) {
    this.#step = step;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real & { root: string }): Promise<void> {
    const expected = this.#step.model(model);
    const failure = await this.#step.real(real).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (expected === undefined) assert.equal(failure, undefined);
    else assert.ok(failure instanceof DrayError && failure.kind === expected, `${expected}, not ${failure}`);
    await compare(model, real);
  }

  toString(): string {
    return this.#step.text;
  }
}

/** The store is closed, with all its writers, and opened again. */
class Reopen implements fc.AsyncCommand<Model, Real & { root: string }> {
  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real & { root: string }): Promise<void> {
    for (const namespace of model.namespaces) for (const ingest of namespace.ingests.values()) ingest.open = false;
    await close(real);
    real.store = await openStore({ root: real.root, durability: 'none' });
    await compare(model, real);
  }

  toString(): string {
    return 'close and open';
  }
}

async function close({ store, writers }: Real): Promise<void> {
  for (const writer of writers.values()) await writer[Symbol.asyncDispose]();
  writers.clear();
  await store[Symbol.asyncDispose]();
}

async function compare(model: Model, { root, store }: Real & { root: string }): Promise<void> {
  for (const name of ['one', 'two']) await compareNamespace(model.namespace(name), store, name);
  const there = new Set(await readdir(join(root, 'content', 'blobs', 'sha256')).catch(() => []));
  for (const { content } of model.namespaces)
    for (const digest of content.keys()) assert.ok(there.has(encodedOf(digest)), `the file of ${digest} is gone`);
}

async function compareNamespace(model: NamespaceModel, store: Store, name: string): Promise<void> {
  const { content, images, leases } = store.services(name);
  const found = await Array.fromAsync(images.list());
  assert.deepEqual(new Map(found.map((image) => [image.name, image.target.digest])), model.images);
  const infos = await Array.fromAsync(content.walk());
  const seen = infos.map(({ digest, labels }) => {
    const refs = Object.entries(labels).filter(([key]) => key.startsWith('containerd.io/gc.ref.content.'));
    return [digest, { refs: refs.map(([, value]) => value), root: 'containerd.io/gc.root' in labels }] as const;
  });
  assert.deepEqual(new Map(seen), model.content);
  const ids = (await Array.fromAsync(leases.list())).map((lease) => lease.id);
  assert.deepEqual(ids, [...model.leases.keys()].sort());
  const statuses = await Array.fromAsync(content.statuses());
  const ingests = statuses.map((status) => [Number(status.ref.slice(4)), status.active] as const).sort();
  assert.deepEqual(ingests, [...model.ingests].map(([blob, { open }]) => [blob, open]).sort());
}

type Store = Real['store'];

/** `NAMESPACE DIGEST` of every blob that there is a reason to keep. */
async function explainedBlobs(store: Store): Promise<string[]> {
  const found: string[] = [];
  for (const name of ['one', 'two']) {
    for await (const { digest } of store.services(name).content.walk()) {
      const chains = await Array.fromAsync(store.explain(digest));
      if (chains.some(([top]) => top?.namespace === name)) found.push(`${name} ${digest}`);
    }
  }
  return found.sort();
}

describe('histories', () => {
  it('of one process leave what the model says after every step', async () => {
    const commands = fc.commands([anyStep.map((step) => new Command(step)), fc.constant(new Reopen())], {
      maxCommands: 60,
      size: 'max',
    });
    await fc.assert(
      fc.asyncProperty(commands, async (history) => {
        await using directory = await temporaryDirectory();
        const root = directory.join('store');
        const real = { root, store: await openStore({ root, durability: 'none' }), writers: new Map() };
        const model = new Model();
        try {
          await fc.asyncModelRun(() => ({ model, real }), history);
          await checkEnd(model, real);
        } finally {
          await close(real);
        }
      }),
      { numRuns: 100 * factor },
    );
  });
});

/** What is there can be read, a collection leaves no file that nobody needs, and the doctor is content. */
async function checkEnd(model: Model, real: Real & { root: string }): Promise<void> {
  const { store, root } = real;
  for (const name of ['one', 'two']) {
    const { content } = store.services(name);
    for await (const { digest, size } of content.walk())
      assert.equal((await readAll(content, digest)).byteLength, size);
  }
  const explained = await explainedBlobs(store);
  await store.collect();
  for (const namespace of model.namespaces) namespace.collect();
  await compare(model, real);
  const kept = ['one', 'two'].flatMap((name) =>
    [...model.namespace(name).content.keys()].map((digest) => `${name} ${digest}`),
  );
  assert.deepEqual(explained, kept.sort());
  const needed = model.namespaces.flatMap(({ content, ingests }) => [
    ...content.keys(),
    ...[...ingests.keys()].map(blobDigest),
  ]);
  const encoded = new Set(needed.map(encodedOf));
  for (const name of await readdir(join(root, 'content', 'blobs', 'sha256')).catch(() => []))
    assert.ok(encoded.has(name), `nobody needs the file of ${name}`);
  const problems = await Array.fromAsync(doctor({ root, verify: true }));
  assert.deepEqual(
    problems.filter(({ problem }) => problem !== 'missing-target'),
    [],
  );
}
