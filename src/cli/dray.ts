#!/usr/bin/env node
// This file alone has to run on any Node, so that an old one is told what is missing instead of failing on syntax.
import module from 'node:module';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 20)) {
  process.stderr.write(`dray needs Node 24.20 or newer; this is Node ${process.versions.node}\n`);
  process.exitCode = 2;
} else {
  // Before anything else is loaded, so that all of it comes out of the cache.
  module.enableCompileCache();
  import('./main.ts').then(({ main }) => main());
}
