/** Run as a process of its own: imports an archive into a store and says what happens, one line an event. */
import { openStore } from '../../src/metadata/open-store.ts';
import { importArchive } from '../../src/oci/import.ts';

const [, , root = '', archive = ''] = process.argv;
await using store = await openStore({ root });
const { images } = await importArchive(store.services('default'), archive, {
  onEvent: ({ state, entry }) => process.stdout.write(`${state} ${entry}\n`),
});
process.stdout.write(`named ${images.length}\n`);
