// A process of its own: `node ingest.ts LIBRARY ROOT COUNT` takes so many blobs of 4 KiB into a durable store, some of them at
// once and announced as those of a pull are, with the built library at that path.
import { hash } from 'node:crypto';

const [library = '', root = '', count = '0'] = process.argv.slice(2);
const { openStore } = (await import(library)) as typeof import('../../src/metadata/index.ts');
await using store = await openStore({ root });
const { content } = store.services('default');
let next = 0;
const work = async (): Promise<void> => {
  for (let n = next++; n < Number(count); n = next++) {
    const bytes = Buffer.alloc(4096, `blob ${n} `);
    const target = { digest: `sha256:${hash('sha256', bytes)}`, size: bytes.byteLength } as const;
    const writer = await content.writer({ ref: `blob ${n}`, target });
    await writer.write(bytes);
    await writer.commit(target);
  }
};
await Promise.all(Array.from({ length: 32 }, work));
