import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { it } from 'node:test';
import { formatBytes } from '../../bench/image.ts';
import { parseOptions, parseSize } from '../../bench/options.ts';
import { plotOf } from '../../bench/plot.ts';
import { publish } from '../../bench/publish.ts';
import { type Results, rowsOf, withRun } from '../../bench/results.ts';
import type { Contestant, Outcome } from '../../bench/rounds.ts';
import { spreadOf } from '../../bench/statistics.ts';
import { tableOf } from '../../bench/table.ts';
import { temporaryDirectory } from '../support/temporary.ts';

function outcome(tool: string, ours: boolean, durable: boolean | undefined, ...walls: number[]): Outcome {
  const contestant: Contestant = { tool, ours, durable, command: { words: [] }, prepare: async () => {} };
  return { contestant, runs: walls.map((wall) => ({ wall, cpu: wall / 2, memory: 1024 })), traffic: undefined };
}

const rows = rowsOf({ name: 'pull', subject: '<an image>', bytes: 50_000_000, contestants: [] }, [
  outcome('dray', true, false, 1, 9, 2),
  outcome('dray', true, true, 3),
  outcome('crane', false, false, 4),
  outcome('skopeo', false, false, 5),
  outcome('ctr', false, true, 6),
]);

it('the median is the middle, and the mean of the middle two', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, minimum: 1, maximum: 3 });
  assert.equal(spreadOf([4, 1, 2, 3])?.median, 2.5);
  assert.equal(spreadOf([]), undefined);
  assert.equal(spreadOf([1, undefined]), undefined);
});

it('ours is held against the best of those that promise the same', () => {
  assert.deepEqual(
    rows.map(({ wallRatio, cpuRatio }) => [wallRatio, cpuRatio]),
    [
      [0.5, 0.5],
      [0.5, 0.5],
      [undefined, undefined],
      [undefined, undefined],
      [undefined, undefined],
    ],
  );
});

it('a tool that writes nothing is held against both', () => {
  const [, durable] = rowsOf({ name: 'push', subject: '', contestants: [] }, [
    outcome('dray', true, false, 2),
    outcome('dray', true, true, 3),
    outcome('crane', false, undefined, 4),
  ]);
  assert.equal(durable?.wallRatio, 0.75);
});

it('the table names the tools with their promises', () => {
  assert.match(
    tableOf(rows),
    /^pull: <an image>\n.*\n {2}dray +2\.00 s +1\.00 s … 9\.00 s +25 +1\.00 s +1 KiB +0\.50 +0\.50\n/,
  );
  assert.match(tableOf(rows), /\n {2}dray, flushed /);
});

const run: Results = {
  date: '2026-01-02T03:04:05.678Z',
  machine: { processors: '2 × fast' },
  versions: { dray: 'dray 1' },
  arguments: ['pull'],
  rows,
};

it('a run takes the place of older figures of the same cases and of no others', () => {
  const [first] = rows;
  assert.ok(first !== undefined);
  const push = { ...first, job: 'push' };
  const both = { ...run, arguments: ['pull', 'push'], rows: [...rows, push] };
  const later = { ...run, date: '2026-02-03T04:05:06.789Z', rows: [first] };
  assert.deepEqual(withRun([both], later), [{ ...both, rows: [push] }, later]);
  assert.deepEqual(withRun([later], both), [both]);
});

it('publishing replaces the results of the page and leaves its words', async () => {
  await using directory = await temporaryDirectory();
  await writeFile(directory.join('performance.md'), 'before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n');
  await publish([run], directory.path);
  const page = await readFile(directory.join('performance.md'), 'utf8');
  assert.match(page, /^before\n<!-- results -->\n\n!\[.*\n\n`npm run bench -- pull` on 2026-01-02; 2 × fast\.\n/);
  assert.match(page, /\n\| dray \| 2\.00 s \| 1\.00 s … 9\.00 s \|/);
  assert.match(page, /<!-- end of results -->\nafter\n$/);
  assert.doesNotMatch(page, /old/);
  assert.match(await readFile(directory.join('performance.svg'), 'utf8'), /pull, &lt;an image> \(flushed\)/);
});

it('the plot has a bar for each of ours', () => {
  assert.equal(plotOf(rows).match(/<rect x=/g)?.length, 2);
});

it('sizes are read as they are written', () => {
  assert.equal(parseSize('256MiB'), 256 * 1024 ** 2);
  assert.equal(parseSize('1.5KiB'), 1536);
  assert.equal(parseSize('7'), 7);
  assert.throws(() => parseSize('large'), /no size/);
  assert.equal(formatBytes(1536), '1.5 KiB');
  assert.equal(formatBytes(0), '0 B');
});

it('unknown jobs and flags are answered with the usage', () => {
  assert.throws(() => parseOptions(['sing'], ['pull']), /usage: .*JOB: pull/s);
  assert.throws(() => parseOptions(['--loud'], ['pull']), /--loud.*usage: /s);
  assert.deepEqual(parseOptions([], ['pull', 'push']).jobs, ['pull', 'push']);
  assert.deepEqual(parseOptions(['push', '--peers', 'crane,skopeo'], ['pull', 'push']).peers, ['crane', 'skopeo']);
});
