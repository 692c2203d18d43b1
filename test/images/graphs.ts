import fc from 'fast-check';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';

/** A graph of descriptors that are only names: node `n` has the children `edges[n]`. */
export interface NamedGraph {
  readonly nodes: readonly Descriptor[];
  readonly edges: readonly (readonly number[])[];
}

export function node(n: number): Descriptor {
  return { mediaType: 'application/x-node', digest: digestOf(`node ${n}`), size: n };
}

export function graphOf(edges: readonly (readonly number[])[]): NamedGraph {
  return { nodes: edges.map((_, n) => node(n)), edges };
}

/** Graphs without a cycle: edges go to higher numbers only. */
export const acyclic: fc.Arbitrary<NamedGraph> = fc
  .integer({ min: 1, max: 28 })
  .chain((count) =>
    fc
      .tuple(
        ...Array.from({ length: count }, (_, n) =>
          fc.uniqueArray(fc.integer({ min: n + 1, max: Math.max(n + 1, count - 1) }), { maxLength: 5 }),
        ),
      )
      .map((edges) => graphOf(edges.map((targets) => targets.filter((target) => target < count)))),
  );

export function childrenIn(graph: NamedGraph): (target: Descriptor) => readonly Descriptor[] {
  const index = new Map(graph.nodes.map((one, n) => [one.digest, n]));
  return (target) => (graph.edges[index.get(target.digest) ?? -1] ?? []).map((n) => graph.nodes[n] ?? node(n));
}

/** Digests of all that can be reached from the roots, by the simplest means there is. */
export function reachable(graph: NamedGraph, roots: readonly Descriptor[]): Set<string> {
  const found = new Set<string>();
  const children = childrenIn(graph);
  const queue = [...roots];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (found.has(next.digest)) continue;
    found.add(next.digest);
    queue.push(...children(next));
  }
  return found;
}
