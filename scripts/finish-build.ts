// The command has to be executable in the package.
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';

await chmod(join(import.meta.dirname, '..', 'dist', 'cli', 'dray.js'), 0o755);
