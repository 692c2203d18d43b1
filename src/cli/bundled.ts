import { getCompileCacheDir } from 'node:module';
import { join } from 'node:path';
import { runScript } from './code-cache.ts';

/** Of the content of `main.cjs`; put in when the command is bundled. */
declare const hashOfMain: string;

type Main = typeof import('./main.ts');

/** Takes the place of `main.ts` in the bundled command, where all else is in one file. */
export const main: Main['main'] = load().main;

function load(): Main {
  return runScript(join(import.meta.dirname, 'main.cjs'), cacheOf(process.argv[2])) as Main;
}

// One for each verb, since each calls functions of its own. Where Node keeps no cache, there is none.
function cacheOf(word = ''): string | undefined {
  const directory = getCompileCacheDir();
  const verb = /^[a-z]{1,16}$/.test(word) ? word : 'dray';
  return directory === undefined ? undefined : join(directory, `dray-${hashOfMain}-${verb}`);
}
