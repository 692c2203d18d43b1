// A process of its own: `node ingest.ts LIBRARY ROOT COUNT` takes so many small blobs into a durable store, some of them at
// once, with the built library at that path.
const [library = '', root = '', count = '0'] = process.argv.slice(2);
const { openStore } = (await import(library)) as typeof import('../../src/metadata/index.ts');
await using store = await openStore({ root });
const { content } = store.services('default');
let next = 0;
const work = async (): Promise<void> => {
  for (let n = next++; n < Number(count); n = next++) {
    const writer = await content.writer({ ref: `blob ${n}` });
    await writer.write(Buffer.from(`blob ${n}`));
    await writer.commit();
  }
};
await Promise.all(Array.from({ length: 32 }, work));
