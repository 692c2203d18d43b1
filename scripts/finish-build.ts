// The library stays as it was compiled; the command becomes a bundle, which has to be executable in the package.
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleCommand } from './bundle-command.ts';

const directory = join(import.meta.dirname, '..', 'dist', 'cli');
await bundleCommand(directory);
await chmod(join(directory, 'dray.cjs'), 0o755);
