// A process of its own: `node files.ts DIRECTORY COUNT` writes so many files of 4 KiB, each flushed before it gets its name.
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';

const [directory = '', count = '0'] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
for (let n = 0; n < Number(count); n += 1) {
  const path = join(directory, `blob-${n}`);
  await using file = await open(`${path}.tmp`, 'wx');
  await file.writeFile(Buffer.alloc(4096, `blob ${n} `));
  await file.sync();
  await rename(`${path}.tmp`, path);
}
