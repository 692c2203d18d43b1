import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { it } from 'node:test';
import { bench, jobs } from '../../bench/main.ts';
import type { BenchOptions } from '../../bench/options.ts';
import type { Row } from '../../bench/results.ts';
import { program } from '../support/command.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const skip = unlessInstalled('docker-registry', 'skopeo');

function options(rootfs: string, wanted: Partial<BenchOptions>): BenchOptions {
  return {
    jobs,
    images: ['layers'],
    peers: ['skopeo'],
    size: 65_536,
    layers: 2,
    count: 5,
    rounds: 1,
    warmup: 0,
    rootfs,
    registryDirectory: rootfs,
    program,
    baseline: undefined,
    publish: false,
    ...wanted,
  };
}

it('every job runs, ours beside another tool, and says what it took', { skip }, async () => {
  await using directory = await temporaryDirectory();
  const reported: Row[] = [];
  const wanted = jobs.filter((job) => job !== 'start' && job !== 'slow-pull');
  const results = await bench(options(directory.path, { jobs: wanted }), (rows) => reported.push(...rows));
  assert.deepEqual(results.rows, reported);
  assert.deepEqual(new Set(results.rows.map(({ job }) => job)), new Set(wanted));
  for (const row of results.rows) {
    assert.ok((row.wall?.median ?? 0) > 0, JSON.stringify(row));
    if (row.ours) assert.ok(row.wallRatio !== undefined, JSON.stringify(row));
  }
  assert.match(results.versions['skopeo'] ?? '', /skopeo/);
});

it('images of files and single layers, over a slow link as well', { skip }, async () => {
  await using directory = await temporaryDirectory();
  await mkdir(directory.join('usr', 'share'), { recursive: true });
  await writeFile(directory.join('usr', 'share', 'file'), 'text');
  const wanted = { jobs: ['pull', 'slow-pull'], images: ['gzip', 'zstd', 'large'] };
  const { rows } = await bench(options(directory.path, wanted), () => {});
  assert.deepEqual(
    [...new Set(rows.map(({ job, subject }) => `${job}: ${subject}`))],
    [
      'pull: a Debian root file system, gzip',
      'pull: a Debian root file system, zstd',
      'pull: one layer of 256 KiB',
      'slow-pull: one layer of 256 KiB',
    ],
  );
});

it('what moves over the network is counted at the registries', { skip }, async () => {
  await using directory = await temporaryDirectory();
  const wanted = { jobs: ['pull', 'push', 'warm-pull'], images: ['layers'], peers: [] };
  const { rows } = await bench(options(directory.path, wanted), () => {});
  const traffic = (job: string) => rows.find((row) => row.job === job)?.traffic;
  assert.ok((traffic('pull')?.sent ?? 0) > 65_536);
  assert.ok((traffic('push')?.received ?? 0) > 65_536);
  assert.ok((traffic('warm-pull')?.sent ?? 0) < 65_536);
  assert.ok((traffic('warm-pull')?.requests ?? 0) >= 1);
});
