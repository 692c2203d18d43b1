#!/usr/bin/env node
// This file alone has to run on any Node, so that an old one is told what is missing instead of failing on syntax.
import { lstatSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 20)) {
  process.stderr.write(`dray needs Node 24.20 or newer; this is Node ${process.versions.node}\n`);
  process.exitCode = 2;
} else {
  // Before anything else is loaded, so that all of it comes out of the cache.
  const directory = cacheDirectory();
  if (directory !== undefined) module.enableCompileCache(directory);
  import('./main.ts').then(({ main }) => main());
}

/**
 * Where compiled code is kept, which is run as it is read: below the directory for temporary files, which may be one for all users
 * (Node's own place in it as well), in one that is this user's alone. Undefined where somebody else has that, and where the
 * environment says something else.
 */
function cacheDirectory(): string | undefined {
  const { NODE_COMPILE_CACHE: other, NODE_DISABLE_COMPILE_CACHE: none } = process.env;
  if (other || none) return undefined;
  const user = process.geteuid?.();
  const directory = join(tmpdir(), user === undefined ? 'dray-cache' : `dray-cache-${user}`);
  if (isOwn(directory, user)) return directory;
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch {
    // Somebody else has it, or it cannot be made, which is seen below.
  }
  return isOwn(directory, user) ? directory : undefined;
}

function isOwn(directory: string, user: number | undefined): boolean {
  try {
    const found = lstatSync(directory);
    return found.isDirectory() && (user === undefined || (found.uid === user && (found.mode & 0o077) === 0));
  } catch {
    return false;
  }
}
