// What the database of a store costs. `npx node bench/metadata.ts [BLOBS]` prints one line a case, for a fifth of BLOBS and for
// all of them; a case that grows linearly takes five times as long.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Transaction } from '../src/metadata/database.ts';
import { openStore, type Store } from '../src/metadata/open-store.ts';
import { mediaTypes } from '../src/spec/media-types.ts';

/** Something to measure on a store with `blobs` blobs in images of twenty; returns how many objects it met. */
export interface MetadataCase {
  readonly name: string;
  run(store: Store, blobs: number): Promise<number>;
}

const namespace = 'default';
const layersOfImage = 18;
const blobsOfImage = layersOfImage + 2;

/** The cases, in the order in which they are run on one store. */
export const cases: readonly MetadataCase[] = [
  { name: 'walk blobs', run: (store) => tally(store.services(namespace).content.walk()) },
  { name: 'list blobs by label', run: (store) => tally(store.services(namespace).content.walk('labels.team==t3')) },
  { name: 'list blobs by regex', run: (store) => tally(store.services(namespace).content.walk('labels.team~=^t3$')) },
  { name: 'list images', run: (store) => tally(store.services(namespace).images.list()) },
  { name: 'collect nothing', run: async (store) => (await store.collect()).content },
  { name: 'explain a blob', run: (store) => tally(store.explain(digestOf('layer 0 0'))) },
  { name: 'collect half', run: collectHalf },
  { name: 'commit, one by one', run: (store, blobs) => commit(store, blobs / 50, 1) },
  { name: 'commit, 32 at once', run: (store, blobs) => commit(store, blobs / 50, 32) },
];

async function collectHalf(store: Store): Promise<number> {
  await store.database.write((transaction) => transaction.run("DELETE FROM image WHERE name GLOB '*[13579]'"));
  return (await store.collect()).content;
}

async function commit(store: Store, count: number, concurrency: number): Promise<number> {
  const { content } = store.services('commits');
  let next = 0;
  const work = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const writer = await content.writer({ ref: `${concurrency} ${n}` });
      await writer.write(Buffer.from(`${concurrency} ${n}`));
      await writer.commit();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return count;
}

async function tally(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of items) count += 1;
  return count;
}

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}` as const;

/** Fills a store with images of twenty blobs each, past its services, which would take minutes. */
async function fill(store: Store, blobs: number): Promise<void> {
  const files = join(store.root, 'content', 'blobs', 'sha256');
  mkdirSync(files, { recursive: true, mode: 0o700 });
  const now = BigInt(Date.now()) * 1_000_000n;
  const add = (transaction: Transaction, text: string, labels: Record<string, string>): string => {
    const digest = digestOf(text);
    const values = [namespace, digest, text.length, JSON.stringify(labels), now, now];
    transaction.run('INSERT INTO blob VALUES (?, ?, ?, ?, ?, ?)', ...values);
    writeFileSync(join(files, digest.slice(7)), text);
    return digest;
  };
  await store.database.write((transaction) => {
    transaction.run("INSERT INTO namespace VALUES (?, '{}')", namespace);
    for (let image = 0; image < blobs / blobsOfImage; image += 1) {
      const labels: Record<string, string> = {};
      for (let layer = 0; layer < layersOfImage; layer += 1) {
        labels[`containerd.io/gc.ref.content.l.${layer}`] = add(transaction, `layer ${image} ${layer}`, {
          'containerd.io/distribution.source.docker.io': 'library/redis',
          team: `t${layer}`,
        });
      }
      labels['containerd.io/gc.ref.content.config'] = add(transaction, `config ${image}`, {});
      const digest = add(transaction, `manifest ${image}`, labels);
      const target = JSON.stringify({ mediaType: mediaTypes.ociManifest, digest, size: 1 });
      const columns = 'namespace, name, target, labels, created_at, updated_at';
      const values = [namespace, `docker.io/library/image:${image}`, target, '{}', now, now];
      transaction.run(`INSERT INTO image (${columns}) VALUES (?, ?, ?, ?, ?, ?)`, ...values);
    }
  });
}

async function measure({ name, run }: MetadataCase, store: Store, blobs: number): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  const start = performance.now();
  delay.enable();
  const count = await run(store, blobs);
  delay.disable();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const columns = [
    `${blobs} blobs`.padStart(13),
    name.padEnd(20),
    `${count} objects`.padStart(15),
    `${seconds.toFixed(3)} s`.padStart(9),
    `cpu ${((user + system) / 1e6).toFixed(3)} s`.padStart(12),
    `stall ${(delay.max / 1e6).toFixed(0)} ms`.padStart(14),
    `rss ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`.padStart(13),
  ];
  console.log(columns.join('  '));
}

/** Runs every case on a store of that many blobs. */
export async function benchMetadata(blobs: number): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'dray-bench-'));
  try {
    await using store = await openStore({ root });
    await fill(store, blobs);
    for (const one of cases) await measure(one, store, blobs);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const blobs = Number(process.argv[2] ?? 100_000);
  for (const size of [blobs / 5, blobs]) await benchMetadata(size);
}
