import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { DrayError, is } from '../../src/errors.ts';
import {
  depthLimit,
  dispatch,
  type Handler,
  handlers,
  skipDescriptor,
  stopHandler,
  walk,
} from '../../src/images/handlers.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { fanOutLimit } from '../../src/spec/documents.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { acyclic, childrenIn, graphOf, node, reachable } from './graphs.ts';

const engines = { walk, dispatch } as const;

async function visited(engine: typeof walk, handler: Handler, roots: readonly Descriptor[]): Promise<string[]> {
  const seen: string[] = [];
  await engine(async (target, context) => {
    seen.push(target.digest);
    return handler(target, context);
  }, roots);
  return seen;
}

for (const [name, engine] of Object.entries(engines)) {
  describe(name, () => {
    it('visits exactly what can be reached, each object once', async () => {
      await fc.assert(
        fc.asyncProperty(acyclic, fc.array(fc.nat(27), { minLength: 1, maxLength: 4 }), async (graph, picks) => {
          const roots = picks.map((pick) => graph.nodes[pick % graph.nodes.length] ?? node(0));
          const children = childrenIn(graph);
          const seen = await visited(engine, async (target) => children(target), roots);
          assert.deepEqual([...seen].sort(), [...reachable(graph, roots)].sort());
        }),
      );
    });

    it('ends on any graph, and on one with a cycle with an error', async () => {
      const anyGraph = fc
        .integer({ min: 1, max: 10 })
        .chain((count) =>
          fc
            .array(fc.uniqueArray(fc.nat(count - 1), { maxLength: 3 }), { minLength: count, maxLength: count })
            .map(graphOf),
        );
      await fc.assert(
        fc.asyncProperty(anyGraph, async (graph) => {
          const children = childrenIn(graph);
          const run = engine(async (target) => children(target), [graph.nodes[0] ?? node(0)]);
          if (hasCycle(graph.edges, 0)) await fails(run, 'bad-document');
          else await run;
        }),
        { numRuns: 300 },
      );
    });

    it('visits parents before their children', async () => {
      await fc.assert(
        fc.asyncProperty(acyclic, async (graph) => {
          const children = childrenIn(graph);
          const seen = new Set<string>();
          const parents = new Map<string, string[]>();
          for (const one of graph.nodes)
            for (const child of children(one))
              parents.set(child.digest, [...(parents.get(child.digest) ?? []), one.digest]);
          const root = graph.nodes[0] ?? node(0);
          await engine(
            async (target) => {
              const above = parents.get(target.digest) ?? [];
              if (target !== root) assert.ok(above.some((parent) => seen.has(parent)));
              seen.add(target.digest);
              return children(target);
            },
            [root],
          );
        }),
      );
    });

    it('allows a path of the full depth and no longer one, whatever shorter way there is', async () => {
      const chain = (length: number): number[][] => Array.from({ length }, (_, n) => (n + 1 < length ? [n + 1] : []));
      const full = graphOf(chain(depthLimit + 1));
      const handler: Handler = async (target) => childrenIn(full)(target);
      assert.equal((await visited(engine, handler, [node(0)])).length, depthLimit + 1);
      for (const shortcut of [false, true]) {
        const edges = chain(depthLimit + 2);
        if (shortcut) edges[0] = [depthLimit + 1, ...(edges[0] ?? [])];
        const deep = graphOf(edges);
        await fails(
          visited(engine, async (target) => childrenIn(deep)(target), [node(0)]),
          'bad-document',
        );
      }
    });

    it('refuses an absurd number of children', async () => {
      const many = Array.from({ length: fanOutLimit + 1 }, (_, n) => node(n + 1));
      await fails(
        visited(engine, async (target) => (target.size === 0 ? many : []), [node(0)]),
        'bad-document',
      );
    });

    it('does not descend where it is told to skip', async () => {
      const graph = graphOf([[1, 2], [3], [4], [], []]);
      const seen: number[] = [];
      await engine(
        async (target) => {
          seen.push(target.size);
          if (target.size === 1) throw skipDescriptor;
          return childrenIn(graph)(target);
        },
        [node(0)],
      );
      assert.deepEqual(seen.sort(), [0, 1, 2, 4]);
    });

    it('reports the first error with the descriptor it belongs to', async () => {
      const failing: Handler = async (target) => {
        if (target.size === 0) return [node(1), node(2)];
        throw new DrayError('unavailable', `no ${target.size}`);
      };
      await assert.rejects(engine(failing, [node(0)]), (error: unknown) => {
        assert.ok(is(error, 'unavailable'));
        assert.equal(error.context.descriptor?.digest, node(1).digest);
        return true;
      });
    });

    it('rejects with the reason of the signal', async () => {
      const reason = new Error('given up');
      await assert.rejects(
        engine(async () => [], [node(0)], { signal: AbortSignal.abort(reason) }),
        reason,
      );
    });
  });
}

describe('dispatch, at once', () => {
  it('runs no more handlers at a time than it may, and as many as it can', async () => {
    for (const concurrency of [1, 3, 8]) {
      let running = 0;
      let most = 0;
      const wide = Array.from({ length: 20 }, (_, n) => node(n + 1));
      await dispatch(
        async (target) => {
          running += 1;
          most = Math.max(most, running);
          await turn();
          running -= 1;
          return target.size === 0 ? wide : [];
        },
        [node(0)],
        { concurrency },
      );
      assert.equal(most, concurrency);
    }
  });

  it('cancels the others on the first error and ends only when they have', async () => {
    let ended = 0;
    const run = dispatch(
      async (target, { signal }) => {
        if (target.size === 0) return [node(1), node(2), node(3)];
        if (target.size === 1) throw new DrayError('data-loss', 'broken');
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        await turn();
        ended += 1;
        signal.throwIfAborted();
        return [];
      },
      [node(0)],
    );
    await fails(run, 'data-loss');
    assert.equal(ended, 2);
  });

  it("stops when the caller gives up, with the caller's reason", async () => {
    const caller = new AbortController();
    const reason = new Error('enough');
    let started = 0;
    const run = dispatch(
      async (_, { signal }) => {
        started += 1;
        if (started === 3) caller.abort(reason);
        signal.throwIfAborted();
        await turn();
        return [node(started * 2), node(started * 2 + 1)];
      },
      [node(0)],
      { signal: caller.signal },
    );
    await assert.rejects(run, reason);
  });
});

describe('handlers', () => {
  const context = { signal: new AbortController().signal };

  it('are called in order and their children joined', async () => {
    const order: number[] = [];
    const give =
      (n: number): Handler =>
      async () => {
        order.push(n);
        return [node(n)];
      };
    const children = await handlers(give(1), give(2))(node(0), context);
    assert.deepEqual(
      children.map((child) => child.size),
      [1, 2],
    );
    assert.deepEqual(order, [1, 2]);
  });

  it('end at one that says stop, and keep what came before', async () => {
    const stop: Handler = async () => {
      throw stopHandler;
    };
    const never: Handler = async () => assert.fail('called');
    assert.deepEqual(
      (await handlers(async () => [node(1)], stop, never)(node(0), context)).map((one) => one.size),
      [1],
    );
  });

  it('pass every other error on', async () => {
    const fail =
      (thrown: unknown): Handler =>
      async () => {
        throw thrown;
      };
    await assert.rejects(handlers(fail(new Error('x')))(node(0), context), /x/);
    await assert.rejects(handlers(fail(skipDescriptor))(node(0), context), (thrown) => thrown === skipDescriptor);
  });
});

function hasCycle(edges: readonly (readonly number[])[], root: number): boolean {
  const state = new Map<number, 'open' | 'done'>();
  const visit = (n: number): boolean => {
    if (state.get(n) === 'open') return true;
    if (state.get(n) === 'done') return false;
    state.set(n, 'open');
    const found = (edges[n] ?? []).some(visit);
    state.set(n, 'done');
    return found;
  };
  return visit(root);
}
