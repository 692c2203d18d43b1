import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { doctor } from '../../src/metadata/doctor.ts';
import { openStore, type Store } from '../../src/metadata/open-store.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { type Assignment, type ProcessStep, type Report, readImage } from './history-process.ts';

/** How many times the default number of histories is run. */
const factor = Number(process.env['DRAY_HISTORIES'] ?? 1);
const program = join(import.meta.dirname, 'history-process.ts');
const processCount = 4;

const at = fc.constantFrom('one', 'one', 'two');
const image = fc.constantFrom('a', 'b');
const layers = fc.uniqueArray(fc.nat({ max: 4 }), { minLength: 1, maxLength: 3 });
const layer = fc.nat({ max: 4 });

const step: fc.Arbitrary<ProcessStep> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pull' as const), at, image, layers }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('drop' as const), at, image, synchronous: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('collect' as const), expire: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('partial' as const), at, layer, bytes: fc.nat({ max: 15_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), at, layer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read' as const), at }) },
);
const history = fc.array(step, { minLength: 5, maxLength: 25, size: 'max' });

/** Processes that live through one history after another; a killed one is replaced. */
class Crew implements AsyncDisposable {
  readonly #members: ChildProcess[] = [];

  async run(index: number, assignment: Assignment, killAfter?: number): Promise<Report> {
    const child = this.#member(index);
    let last: Report = { done: 0, images: [] };
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    const listen = (report: Report): void => {
      last = report;
      if (report.failure !== undefined || report.done === assignment.steps.length) resolve();
    };
    child.on('message', listen).once('exit', resolve);
    child.send(assignment);
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
    await finished;
    clearTimeout(timer);
    child.off('message', listen).off('exit', resolve);
    return last;
  }

  #member(index: number): ChildProcess {
    const known = this.#members[index];
    if (known !== undefined && known.exitCode === null && known.signalCode === null) return known;
    const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#members[index] = child;
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#members) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

function checkReports(all: readonly (readonly ProcessStep[])[], reports: readonly Report[]): void {
  for (const { failure } of reports) assert.equal(failure, undefined);
  assert.deepEqual(
    reports.map(({ done }) => done),
    all.map((steps) => steps.length),
  );
}

/** Every image that a process said to have is whole, nothing is damaged, and with the names everything goes. */
async function checkEnd(root: string, reports: readonly Report[], killed: boolean): Promise<void> {
  await using store = await openStore({ root, durability: 'none' });
  for (const key of reports.flatMap((report) => report.images)) {
    const [namespace = '', name = ''] = key.split(' ');
    const { target } = await store.services(namespace).images.get(name);
    await readImage(store, key, target);
  }
  await store.collect();
  const problems = await Array.fromAsync(doctor({ root, verify: true }));
  const expected = killed ? ['broken-ingest'] : [];
  assert.deepEqual(
    problems.filter(({ problem }) => !expected.includes(problem)),
    [],
  );
  await removeNames(store);
  await store.collect({ ingestLifetime: 0 });
  for (const namespace of ['one', 'two'])
    assert.deepEqual(await Array.fromAsync(store.services(namespace).content.walk()), []);
  const recorded = store.database.all<{ digest: string }>('SELECT digest FROM ingest').map(({ digest }) => digest);
  assert.ok(killed || recorded.length === 0, 'no ingest is left');
  const files = await readdir(join(root, 'content', 'blobs', 'sha256')).catch(() => []);
  assert.deepEqual(
    files.filter((name) => !recorded.includes(`sha256:${name}`)),
    [],
  );
}

async function removeNames(store: Store): Promise<void> {
  for (const namespace of ['one', 'two']) {
    const { images, leases } = store.services(namespace);
    for await (const { name } of images.list()) await images.delete(name);
    for await (const { id } of leases.list()) await leases.delete(id);
  }
}

describe('histories of four processes in one store', () => {
  it('lose nothing that is needed, show nothing that is not whole, and come to an end', async () => {
    await using crew = new Crew();
    const histories = fc.array(history, { minLength: processCount, maxLength: processCount });
    await fc.assert(
      fc.asyncProperty(histories, async (all) => {
        await using directory = await temporaryDirectory();
        const root = directory.join('store');
        const reports = await Promise.all(
          all.map((steps, index) => crew.run(index, { root, name: `p${index}`, steps })),
        );
        checkReports(all, reports);
        await checkEnd(root, reports, false);
      }),
      { numRuns: 12 * factor, endOnFailure: true },
    );
  });

  it('lose nothing either when one of them is killed at any moment', async () => {
    await using crew = new Crew();
    const histories = fc.array(history, { minLength: processCount, maxLength: processCount });
    await fc.assert(
      fc.asyncProperty(histories, fc.nat({ max: 250 }), async (all, killAfter) => {
        await using directory = await temporaryDirectory();
        const root = directory.join('store');
        const reports = await Promise.all(
          all.map((steps, index) =>
            crew.run(index, { root, name: `p${index}`, steps }, index === 0 ? killAfter : undefined),
          ),
        );
        // Of the killed one it is not known whether it had begun to drop an image it last spoke of.
        const [, ...survivors] = reports;
        checkReports(all.slice(1), survivors);
        await checkEnd(root, survivors, true);
      }),
      { numRuns: 12 * factor, endOnFailure: true },
    );
  });
});
