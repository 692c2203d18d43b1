// Packs the package, installs it into an empty folder as a user would, imports every subpath and runs the command.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const project = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'dray-smoke-'));
const run = (command: string, args: readonly string[], cwd: string): string =>
  execFileSync(command, [...args], { cwd, encoding: 'utf8' });

try {
  const [packed] = JSON.parse(
    run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], project),
  ) as { filename: string }[];
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'smoke', version: '1.0.0', type: 'module' }));
  run('npm', ['install', '--omit=dev', '--no-save', join(folder, packed?.filename ?? '')], folder);
  const { exports, version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>;
    version: string;
  };
  const subpaths = Object.keys(exports).filter((path) => !path.endsWith('.json'));
  const imports = subpaths.map((path) => `import * as m${subpaths.indexOf(path)} from '${path.replace('.', 'dray')}';`);
  const checks = subpaths.map(
    (path) => `if (Object.keys(m${subpaths.indexOf(path)}).length === 0) throw new Error('${path} exports nothing');`,
  );
  writeFileSync(join(folder, 'check.mjs'), [...imports, ...checks].join('\n'));
  run(process.execPath, ['check.mjs'], folder);
  const command = join(folder, 'node_modules', 'dray', 'dist', 'cli', 'dray.cjs');
  const printed = run(process.execPath, [command, 'version'], folder).trim();
  if (printed !== `dray ${version}`) throw new Error(`dray version printed ${printed}`);
  run(process.execPath, [command, 'content', 'ls', '--root', join(folder, 'store')], folder);
  console.log(`packed, installed, ${subpaths.length} subpaths imported, command run: dray ${version}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
