// A process for tests: writes to a store until it is killed.
import { writeBlob } from '../../src/content/copy.ts';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { Owners } from '../../src/content/local/owners.ts';
import { Paths } from '../../src/content/local/paths.ts';
import { because } from '../../src/errors.ts';
import { describe } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { randomBytes } from '../../src/testing/random.ts';

const [, , mode = '', root = '', ref = '', durability] = process.argv;
const store = new LocalStore(root, { durability: durability === 'none' ? 'none' : 'full' });
// The interval holds the writer: one that nobody holds any more would give its ingest up.
const forever = (held?: unknown): void => void setInterval(() => void held, 60_000);

if (mode === 'hold') {
  const writer = await store.writer({ ref });
  await writer.write(randomBytes(100_000, 'hold'));
  console.log(`holding ${(await writer.status()).offset}`);
  forever(writer);
} else if (mode === 'race') {
  try {
    forever(await store.writer({ ref }));
    console.log('won');
  } catch (error) {
    console.log(because(error, 'locked') ? 'locked' : String(error));
  }
  forever();
} else if (mode === 'look') {
  // Owners that died, and who looks after them removes what is left of them.
  using owners = new Owners(new Paths(root));
  for (let dead = 0; dead < 3000; dead += 1) owners.isAlive(`dead${dead}`);
  console.log('looked');
  process.exit();
} else if (mode === 'bring') {
  const bytes = randomBytes(5_000_000, 'bring');
  let moved = 0;
  const open = async function* (offset = 0): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < bytes.byteLength; at += 50_000) {
      const chunk = bytes.subarray(at, at + 50_000);
      moved += chunk.byteLength;
      yield chunk;
    }
  };
  const outcome = await writeBlob(store, ref, describe(mediaTypes.octetStream, bytes), open);
  console.log(`${outcome} ${moved}`);
} else if (mode === 'commit') {
  const bytes = randomBytes(3_000_000, ref);
  console.log('step 0');
  const writer = await store.writer({ ref, target: describe(mediaTypes.octetStream, bytes) });
  console.log('step 1');
  for (let at = 0; at < bytes.byteLength; at += 10_000) {
    await writer.write(bytes.subarray(at, at + 10_000));
    if (at === 10_000) console.log('step 2');
    if (at === 1_500_000) console.log('step 3');
  }
  console.log('step 4');
  const committing = writer.commit();
  console.log('step 5');
  await committing;
  forever();
}
