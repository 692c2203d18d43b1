#!/usr/bin/env node
// This file alone has to run on any Node, so that an old one is told what is missing instead of failing on syntax.
import module from 'node:module';

const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(`dray needs Node 24 or newer; this is Node ${process.versions.node}\n`);
  process.exitCode = 2;
} else {
  // Before anything else is loaded, so that all of it comes out of the cache.
  module.enableCompileCache();
  import('./main.ts').then(({ main }) => main());
}
