import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

/**
 * Runs a file of CommonJS, and returns what it exports. What V8 compiles of it is kept in the file `cache`, if one is given, when
 * the process ends well, and taken from there from then on: also the functions that were compiled when they were called, which
 * Node's own compile cache leaves out, and which are most of what a short command compiles. To make it takes longer than it
 * saves once, so that the first run only leaves an empty file. Nothing is thrown for a cache that cannot be read or written,
 * since all works without.
 *
 * V8 refuses a cache of another version or other flags of its own, but of the file it compares the length alone: the name of
 * `cache` has to say what is in the file.
 */
export function runScript(file: string, cache: string | undefined): unknown {
  const head = '(function (exports, require, module, __filename, __dirname) {';
  const source = `${head}${readFileSync(file, 'latin1')}\n})`;
  const cachedData = cache === undefined ? undefined : readOwn(cache);
  const script = new Script(source, { filename: file, columnOffset: -head.length, cachedData });
  if (cache !== undefined && (cachedData === undefined || script.cachedDataRejected))
    process.once('exit', (code) => {
      if (code === 0) keep(cache, cachedData === undefined ? new Uint8Array() : script.createCachedData());
    });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports;
}

// What is read is run. The directory may be one for all users, so only what nobody else can have written is believed.
function readOwn(path: string): Buffer | undefined {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    try {
      const { uid, mode } = fstatSync(descriptor);
      const isOwn = process.geteuid === undefined || (uid === process.geteuid() && (mode & 0o022) === 0);
      return isOwn ? readFileSync(descriptor) : undefined;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}

function keep(path: string, data: Uint8Array): void {
  try {
    replace(path, data);
  } catch {
    // The next run is as slow as this one.
  }
}

// V8 does not look for damage, so the bytes are on disk before they have the name.
function replace(path: string, data: Uint8Array): void {
  const temporary = `${path}.${process.pid}`;
  rmSync(temporary, { force: true });
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(descriptor, data);
      if (data.byteLength > 0) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}
