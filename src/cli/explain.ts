import type { Chain, Holder } from '../metadata/explain.ts';
import type { Store } from '../metadata/open-store.ts';
import { parseDigest } from '../spec/digest.ts';
import type { Output } from './output.ts';

const different = 5;

/** Tells what keeps a blob from being collected; 5 when nothing does. */
export async function explainBlob(store: Store, text: string, output: Output): Promise<number> {
  const digest = parseDigest(text);
  const chains: Chain[] = [];
  for await (const chain of store.explain(digest)) {
    chains.push(chain);
    if (!output.json) await output.line([...chain.map(describe), digest].join(' -> '));
  }
  if (output.json) await output.line(JSON.stringify({ digest, chains }, undefined, 2));
  if (chains.length === 0) output.note(`nothing keeps ${digest}: the next collection takes it`);
  return chains.length === 0 ? different : 0;
}

function describe({ type, namespace, id, label }: Holder): string {
  return `${type} ${namespace}/${id}${label === undefined ? '' : ` (${label})`}`;
}
