import { isAscii } from 'node:buffer';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

const project = join(import.meta.dirname, '..');

/**
 * Writes the command into a directory with all that it needs of other packages, since most of the time that a short command
 * takes is spent on finding and reading some hundred modules. All of it is one CommonJS file: each part, Node's own modules
 * too, begins when it is first asked for, which it does not where a file of an ES module names them. `dray.cjs` is the program.
 */
export async function bundleCommand(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const licenses = await licensesOf(await bundleMain(directory));
  await bundleProgram(directory, await hashOfMain(directory));
  await build({ ...common, outdir: directory, format: 'esm', entryPoints: await threads(), outbase: 'src' });
  await writeFile(join(directory, 'LICENSES.txt'), licenses);
}

const common = {
  absWorkingDir: project,
  bundle: true,
  platform: 'node',
  target: 'node24',
  logLevel: 'error',
  minifyWhitespace: true,
  legalComments: 'none',
  entryNames: '[name]',
} as const;

const commonJs = { ...common, format: 'cjs', outExtension: { '.js': '.cjs' } } as const;

async function bundleMain(directory: string): Promise<Metafile> {
  const { metafile } = await build({
    ...commonJs,
    outdir: directory,
    entryPoints: ['src/cli/main.ts'],
    plugins: [partsOfUndici, builtinsLater],
    banner: { js: "const urlOfBundle = require('node:url').pathToFileURL(__filename).href;" },
    // The second is how undici is told that it is bundled, and leaves out a parser on trial.
    define: { 'import.meta.url': 'urlOfBundle', esbuildDetection: '1' },
    minifySyntax: true,
    metafile: true,
  });
  return metafile;
}

async function hashOfMain(directory: string): Promise<string> {
  const main = await readFile(join(directory, 'main.cjs'));
  // The file is read as Latin-1, in half the memory and the time; esbuild does not escape the patterns of regular expressions.
  if (!isAscii(main)) throw new Error('the bundle holds more than ASCII: write \\u… in the pattern it is in');
  return createHash('sha256').update(main).digest('hex').slice(0, 16);
}

async function bundleProgram(directory: string, hash: string): Promise<void> {
  await build({
    ...commonJs,
    outdir: directory,
    entryPoints: ['src/cli/dray.ts'],
    plugins: [mainBeside],
    define: { 'import.meta.dirname': '__dirname', hashOfMain: JSON.stringify(hash) },
    supported: { 'dynamic-import': false },
  });
}

const mainBeside: Plugin = {
  name: 'main beside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/main\.ts$/ }, () => ({ path: join(project, 'src', 'cli', 'bundled.ts') }));
  },
};

// The whole of undici takes longer to load than a short command runs, and most of it is fetch and what belongs to it; nor is HTTP/2
// ever asked for. A part that moves fails the build, one that is asked for and not here too.
const partsOfUndici: Plugin = {
  name: 'parts of undici',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'parts' }));
    onLoad({ filter: /^undici$/, namespace: 'parts' }, () => ({
      contents: `
        export { default as Agent } from 'undici/lib/dispatcher/agent.js';
        export { default as ProxyAgent } from 'undici/lib/dispatcher/proxy-agent.js';
        export { default as Pool } from 'undici/lib/dispatcher/pool.js';
        export { default as Socks5ProxyAgent } from 'undici/lib/dispatcher/socks5-proxy-agent.js';
        export { default as buildConnector } from 'undici/lib/core/connect.js';
        // The index of undici adds it, and a proxy is asked by it for a way to another host.
        import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
        import connect from 'undici/lib/api/api-connect.js';
        Dispatcher.prototype.connect = connect;`,
      resolveDir: project,
    }));
    // Of Node's HTTP it wants a limit, where none is said, and a class of streams, of which it is given none.
    onResolve({ filter: /^node:http$/ }, ({ importer }) =>
      /node_modules.undici\b/.test(importer) ? { path: 'node:http', namespace: 'parts' } : undefined,
    );
    onLoad({ filter: /^node:http$/, namespace: 'parts' }, () => ({
      contents: 'exports.IncomingMessage = class {}; exports.maxHeaderSize = 16384;',
    }));
    onLoad({ filter: /undici.lib.dispatcher.client-h2\.js$/ }, () => ({
      contents: `module.exports = () => { throw new Error('the command speaks HTTP/1.1'); };`,
    }));
  },
};

// These take a millisecond and more each, and a command names several that it does not come to use.
const heavyBuiltins =
  /^node:(child_process|crypto|dns|dns\/promises|http|http2|https|net|sqlite|stream|tls|worker_threads|zlib)$/;

const builtinsLater: Plugin = {
  name: 'builtins later',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: heavyBuiltins }, ({ path, kind, namespace }) =>
      kind === 'import-statement' && namespace === 'file' ? { path, namespace: 'later' } : { path, external: true },
    );
    onLoad({ filter: /.*/, namespace: 'later' }, async ({ path }) => ({
      contents: `
        let builtin;
        for (const name of ${JSON.stringify(Object.keys(await import(path)))})
          Object.defineProperty(exports, name, { enumerable: true, get: () => (builtin ??= require('${path}'))[name] });`,
    }));
  },
};

// A thread starts with a file of its own, which the code that starts it expects beside itself.
async function threads(): Promise<string[]> {
  const files = await readdir(join(project, 'src'), { recursive: true });
  return files.filter((file) => file.endsWith('-thread.ts')).map((file) => join('src', file));
}

/** The licenses of the packages of which there is something in a bundle. */
async function licensesOf({ inputs }: Metafile): Promise<string> {
  const files = Object.groupBy(Object.keys(inputs), (input) => {
    const [, folder = ''] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input.replaceAll(sep, '/')) ?? [];
    return folder;
  });
  const folders = Object.keys(files).filter((folder) => folder !== '');
  const texts = folders.sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(project, folder, 'package.json'), 'utf8'));
    return `${name} ${version}\n\n${(await licenseOf(folder, files[folder] ?? [])).trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenseOf(folder: string, files: readonly string[]): Promise<string> {
  const file = (await readdir(join(project, folder))).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return await readFile(join(project, folder, file), 'utf8');
  // Packages of one repository may have it only in their description, and at the heads of their files.
  const { license } = JSON.parse(await readFile(join(project, folder, 'package.json'), 'utf8'));
  const heads = await Promise.all(files.map(async (name) => headOf(await readFile(join(project, name), 'utf8'))));
  return [`license: ${license}`, ...new Set(heads.filter((head) => /copyright/i.test(head)))].join('\n\n');
}

/** The comment that a file begins with. */
function headOf(text: string): string {
  return (
    /^(?:\/\/.*\n)*/
      .exec(text)?.[0]
      .replaceAll(/^\/\/ ?/gm, '')
      .trim() ?? ''
  );
}
