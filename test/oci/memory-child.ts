/**
 * Run as a process of its own: an archive goes into a store, from a file or from standard input, and out of it again.
 * Prints how many bytes came out and the most memory that it had, in MiB.
 */
import { join } from 'node:path';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { exportArchive } from '../../src/oci/export.ts';
import { importArchive } from '../../src/oci/import.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';

const [, , directory = '', path = ''] = process.argv;
await using content = new LocalStore(join(directory, 'store'), { durability: 'none' });
const { images } = await importArchive({ ...memoryServices(), content }, path === '-' ? process.stdin : path);
let written = 0;
const exported = images.map(({ name, target }) => ({ target, names: [name] }));
for await (const chunk of exportArchive(content, exported, { transient: true })) written += chunk.byteLength;
console.log(`${written} ${Math.round(process.resourceUsage().maxRSS / 1024)}`);
