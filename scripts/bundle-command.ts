import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { build, type Metafile } from 'esbuild';

const project = join(import.meta.dirname, '..');

// What is CommonJS in other packages asks for modules of Node by `require`, which an ES module does not have.
const banner =
  "import { createRequire as requireOfBundle } from 'node:module'; const require = requireOfBundle(import.meta.url);";

/**
 * Writes the command into a directory as few files with all that it needs of other packages, since most of the time that a
 * short command takes is spent on finding and reading some hundred modules. Each verb still loads only what it needs.
 */
export async function bundleCommand(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: project,
    entryPoints: ['src/cli/dray.ts', ...(await threads())].map((file) => ({ in: file, out: basename(file, '.ts') })),
    outdir: directory,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: { js: banner },
    metafile: true,
    logLevel: 'error',
  });
  await writeFile(join(directory, 'LICENSES.txt'), await licensesOf(metafile));
}

// A thread starts with a file of its own, which the code that starts it expects beside itself.
async function threads(): Promise<string[]> {
  const files = await readdir(join(project, 'src'), { recursive: true });
  return files.filter((file) => file.endsWith('-thread.ts')).map((file) => join('src', file));
}

/** The licenses of the packages of which there is something in a bundle. */
async function licensesOf({ inputs }: Metafile): Promise<string> {
  const folders = new Set<string>();
  for (const input of Object.keys(inputs)) {
    const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input.replaceAll(sep, '/')) ?? [];
    if (folder !== undefined) folders.add(folder);
  }
  const texts = [...folders].sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(project, folder, 'package.json'), 'utf8'));
    return `${name} ${version}\n\n${(await licenseIn(join(project, folder))).trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenseIn(folder: string): Promise<string> {
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return await readFile(join(folder, file), 'utf8');
  // Packages of one repository may have it only in their description.
  const { license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  return `license: ${license}`;
}
