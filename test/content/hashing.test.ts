import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { build } from 'esbuild';
import fc from 'fast-check';
import { Hashing } from '../../src/content/local/hashing.ts';
import { algorithms, digestOf } from '../../src/spec/digest.ts';
import { succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';

// Enough for a thread to be begun.
const large = 256 * 1024 * 1024;

describe('digests of large blobs', () => {
  it('are those of their bytes, however they come and in whatever memory', async () => {
    using hashing = new Hashing(2);
    const piece = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean());
    const property = fc.asyncProperty(
      fc.constantFrom(...algorithms),
      fc.array(piece),
      fc.boolean(),
      async (algorithm, pieces, isLarge) => {
        const hasher = hashing.hasher(algorithm, isLarge ? large : 0);
        for (const [bytes, isShared] of pieces) {
          const chunk = isShared ? new Uint8Array(new SharedArrayBuffer(bytes.byteLength)) : new Uint8Array(bytes);
          chunk.set(bytes);
          await hasher.update(chunk);
          // It is the caller's again.
          chunk.fill(0);
        }
        const expected = digestOf(Buffer.concat(pieces.map(([bytes]) => bytes)), algorithm);
        assert.equal(await hasher.digest(), expected);
        assert.equal(await hasher.digest(), expected);
        hasher.close();
      },
    );
    await fc.assert(property, { numRuns: 100 });
  });

  it('that are computed at once do not meet', async () => {
    using hashing = new Hashing(2);
    const digests = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const hasher = hashing.hasher('sha256', large);
        for (let part = 0; part < 5; part += 1) await hasher.update(Buffer.from(`${n}.${part} `));
        return await hasher.digest();
      }),
    );
    const expected = digests.map((_, n) => digestOf([0, 1, 2, 3, 4].map((part) => `${n}.${part} `).join('')));
    assert.deepEqual(digests, expected);
  });

  it('are computed without a thread in a bundle, which has no file for one', async () => {
    await using directory = await temporaryDirectory();
    const source = join(import.meta.dirname, '../../src/content/local/hashing.ts');
    const contents = `
      import { Hashing } from ${JSON.stringify(source)};
      using hashing = new Hashing(1);
      const hasher = hashing.hasher('sha256', ${large});
      await hasher.update(Buffer.from('bundled'));
      process.stdout.write(await hasher.digest());
    `;
    const outfile = directory.join('bundle.mjs');
    const stdin = { contents, resolveDir: import.meta.dirname };
    await build({ stdin, outfile, bundle: true, platform: 'node', format: 'esm', target: 'node24' });
    assert.equal(await succeed(process.execPath, [outfile]), digestOf('bundled'));
  });

  it('are not waited for without end when they are given up', async () => {
    const hashing = new Hashing(2);
    const hasher = hashing.hasher('sha256', large);
    const waiting = hasher.update(new Uint8Array(new SharedArrayBuffer(1024 * 1024)));
    hashing[Symbol.dispose]();
    await waiting.catch(() => {});
    await hasher.digest().then(
      () => assert.equal(hashing.hasher('sha256', 0).algorithm, 'sha256'),
      (error: unknown) => assert.match(String(error), /thread that computes digests has ended/),
    );
  });

  it('do not keep a process alive that forgets them', async () => {
    const hashing = JSON.stringify(new URL('../../src/content/local/hashing.ts', import.meta.url).href);
    const script = `const { Hashing } = await import(${hashing});
const hasher = new Hashing(2).hasher('sha256', ${large});
await hasher.update(Buffer.from('x'));
console.log(await hasher.digest());`;
    const printed = await succeed(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(printed.trim(), digestOf('x'));
  });
});
