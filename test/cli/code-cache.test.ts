import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { drayDone } from '../support/command.ts';
import { succeed } from '../support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';

const module = pathToFileURL(join(import.meta.dirname, '..', '..', 'src', 'cli', 'code-cache.ts')).href;

const noOwners = process.geteuid === undefined && 'files have no owners here';

// A function inside, which V8 does not compile before it is called. All answers of one figure make files of one length.
const source = (answer: number) => `exports.answer = () => { const inside = () => ${answer}; return inside(); };\n`;

/** What the function in `script.cjs` of the directory answers in a process of its own. */
async function answer(directory: TemporaryDirectory, { cache = 'cache', exitCode = 0 } = {}): Promise<string> {
  const [file, kept] = [directory.join('script.cjs'), directory.join(cache)].map((path) => JSON.stringify(path));
  const program = `
    import { runScript } from ${JSON.stringify(module)};
    console.log(runScript(${file}, ${kept}).answer());
    process.exitCode = ${exitCode};`;
  const run = succeed(process.execPath, ['--input-type=module', '--eval', program]);
  return (await (exitCode === 0 ? run : run.catch((error: Error) => error.message))).trim();
}

describe('the cache of compiled code', () => {
  it('is made by the second run', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('script.cjs'), source(1));
    assert.equal(await answer(directory), '1');
    assert.equal((await stat(directory.join('cache'))).size, 0);
    assert.equal(await answer(directory), '1');
    assert.notEqual((await stat(directory.join('cache'))).size, 0);
  });

  it('has the functions that were called, so that V8 does not look at the file for them', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('script.cjs'), source(1));
    await answer(directory);
    await answer(directory);
    // As V8 compares lengths alone, the answer shows which of the two was run.
    await writeFile(directory.join('script.cjs'), source(2));
    assert.equal(await answer(directory), '1');
    assert.deepEqual((await readdir(directory.path)).sort(), ['cache', 'script.cjs']);
  });

  it('is made again when it is not one', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('script.cjs'), source(1));
    for (const damage of ['', 'not a cache', '\0'.repeat(4096)]) {
      await writeFile(directory.join('cache'), damage, { mode: 0o600 });
      assert.equal(await answer(directory), '1');
      assert.notEqual(await readFile(directory.join('cache'), 'latin1'), damage);
    }
  });

  it('is not believed when others could have written it', { skip: noOwners }, async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('script.cjs'), source(1));
    await answer(directory);
    await answer(directory);
    await chmod(directory.join('cache'), 0o620);
    await writeFile(directory.join('script.cjs'), source(2));
    assert.equal(await answer(directory), '2');
    assert.equal((await stat(directory.join('cache'))).mode & 0o777, 0o600);
  });

  it('is kept of no run that failed', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('script.cjs'), source(1));
    assert.match(await answer(directory, { exitCode: 3 }), /ended with 3\n1/);
    assert.deepEqual(await readdir(directory.path), ['script.cjs']);
  });

  it('is not needed', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('script.cjs'), source(1));
    assert.equal(await answer(directory, { cache: join('missing', 'cache') }), '1');
  });
});

describe('the directory of compiled code', { skip: noOwners }, () => {
  const own = `dray-cache-${process.geteuid?.()}`;
  const environment = (directory: TemporaryDirectory, more: Readonly<Record<string, string>> = {}) => ({
    TMPDIR: directory.path,
    ...more,
  });

  it("is this user's alone, and none that all users have", async () => {
    await using directory = await temporaryDirectory();
    await drayDone(['version'], { environment: environment(directory) });
    assert.deepEqual(await readdir(directory.path), [own]);
    assert.equal((await stat(directory.join(own))).mode & 0o777, 0o700);
    assert.notDeepEqual(await readdir(directory.join(own)), []);
  });

  it('is not used where others could write to it, or lead elsewhere', async () => {
    for (const make of [
      (path: string) => mkdir(path).then(() => chmod(path, 0o777)),
      (path: string) => mkdir(`${path}.other`, { mode: 0o700 }).then(() => symlink(`${path}.other`, path)),
      (path: string) => writeFile(path, ''),
    ]) {
      await using directory = await temporaryDirectory();
      await make(directory.join(own));
      const before = await readdir(directory.path, { recursive: true });
      await drayDone(['version'], { environment: environment(directory) });
      assert.deepEqual(await readdir(directory.path, { recursive: true }), before);
    }
  });

  it('is none where there cannot be one', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('file'), '');
    for (const TMPDIR of [directory.join('file'), directory.join('missing')])
      assert.match(await drayDone(['version'], { environment: { TMPDIR } }), /^dray /);
  });

  it('is where the environment says, or nowhere', async () => {
    await using directory = await temporaryDirectory();
    await drayDone(['version'], { environment: environment(directory, { NODE_DISABLE_COMPILE_CACHE: '1' }) });
    assert.deepEqual(await readdir(directory.path), []);
    const named = { NODE_COMPILE_CACHE: directory.join('named') };
    await drayDone(['version'], { environment: environment(directory, named) });
    assert.deepEqual(await readdir(directory.path), ['named']);
  });
});
