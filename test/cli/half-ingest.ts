// A process for tests: writes the beginning of an ingest into a store and waits to be killed.
import { openStore } from '../../src/metadata/open-store.ts';

const [, , root = '', ref = '', size = '0'] = process.argv;
const store = await openStore({ root });
const writer = await store.services('default').content.writer({ ref });
await writer.write(Buffer.from('x'.repeat(Number(size))));
console.log('written');
// The interval holds the writer: one that nobody holds any more would give its ingest up.
setInterval(() => void writer.ref, 60_000);
