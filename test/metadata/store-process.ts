// A process for tests: does something to a store, or dies in the middle of it.

import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { writeBlob } from '../../src/content/copy.ts';
import { toDrayError } from '../../src/errors.ts';
import { Database } from '../../src/metadata/database.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { describe } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { randomBytes } from '../../src/testing/random.ts';

const [, , mode = '', root = ''] = process.argv;
const forever = (): void => void setInterval(() => {}, 60_000);

if (mode === 'die-before-entry') {
  const store = await openStore({ root });
  const bytes = randomBytes(200_000, mode);
  const target = describe(mediaTypes.octetStream, bytes);
  const writer = await store.services('default').content.writer({ ref: 'layer', target });
  await writer.write(bytes);
  // The entry is the next thing that is written; it never comes.
  Database.prototype.write = () => {
    console.log('placed');
    return new Promise(() => {});
  };
  forever();
  await writer.commit();
} else if (mode === 'bring') {
  await using store = await openStore({ root });
  const { content } = store.services('default');
  let moved = 0;
  for (let n = 0; n < 20; n += 1) {
    const bytes = randomBytes(50_000, `bring ${n}`);
    const open = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      moved += bytes.byteLength - offset;
      yield bytes.subarray(offset);
    };
    await writeBlob(content, `r${n}`, describe(mediaTypes.octetStream, bytes), open);
  }
  console.log(`moved ${moved}`);
} else if (mode === 'umask') {
  process.umask(0);
  await using store = await openStore({ root: join(root, '..', 'open') });
  const { content } = store.services('default');
  const writer = await content.writer({ ref: 'done' });
  await writer.write(Buffer.from('done'));
  await writer.commit();
  await using open = await content.writer({ ref: 'open' });
  await open.write(Buffer.from('open'));
  // The process ends with its files as they are.
  process.exit(0);
} else if (mode === 'die-between-sweeps') {
  const store = await openStore({ root });
  // The first change after that of the entries, which is a long one, would remove files; it never comes.
  Database.prototype.write = () => {
    console.log('swept');
    return new Promise(() => {});
  };
  forever();
  await store.collect();
} else if (mode === 'write') {
  const store = await openStore({ root });
  const { content } = store.services('default');
  for (let n = 1; ; n += 1) {
    const writer = await content.writer({ ref: 'write' });
    await writer.write(Buffer.from(`write ${n}`));
    await writer.commit();
    if (n % 20 === 0) console.log(`written ${n}`);
  }
} else if (mode === 'read-only') {
  chmodSync(join(root, '..'), 0o755);
  chmodSync(root, 0o755);
  chmodSync(join(root, 'metadata.db'), 0o644);
  process.setgid?.(65_534);
  process.setuid?.(65_534);
  try {
    await using store = await openStore({ root });
    await store.services('default').images.create({
      name: 'x',
      target: { mediaType: 'x', digest: digestOf('x'), size: 1 },
    });
  } catch (error) {
    console.log(toDrayError(error).kind, toDrayError(error).message);
  }
} else if (mode === 'open') {
  await using store = await openStore({ root });
  await store
    .services('default')
    .content.abort('absent')
    .catch(() => {});
} else if (mode === 'lock') {
  const database = new DatabaseSync(join(root, 'metadata.db'));
  database.exec('BEGIN IMMEDIATE');
  console.log('locked');
  // Held here, since one that nobody can reach is closed.
  process.once('exit', () => database.close());
  forever();
}
