import { stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/** How a program is started: as `spawn` of Node takes it. */
export interface ProgramCall {
  readonly command: string;
  readonly args: readonly string[];
  readonly shell: boolean;
}

/** Where programs are looked for. */
export interface ProgramSearch {
  readonly platform?: NodeJS.Platform | undefined;
  /** The directories of programs, as `PATH` has them. */
  readonly path?: string | undefined;
}

/** What Windows starts, in its order. The last two are scripts, as which gcloud installs its helper. */
const extensions = ['.com', '.exe', '.bat', '.cmd'];

/**
 * How to start a credential helper with one argument; undefined when it is found to be in no directory of `PATH`. POSIX looks for
 * it itself. Windows would look in the current directory first, where whoever made that may have put one, and finds no scripts,
 * which need its shell. Neither name nor argument may have a character that means something to that.
 */
export async function helperCall(
  name: string,
  argument: string,
  { platform = process.platform, path = process.env['PATH'] ?? '' }: ProgramSearch = {},
): Promise<ProgramCall | undefined> {
  const program = `docker-credential-${name}`;
  if (platform !== 'win32') return { command: program, args: [argument], shell: false };
  for (const directory of path.split(delimiter).filter(isAbsolute)) {
    for (const extension of extensions) {
      const file = join(directory, `${program}${extension}`);
      if (!(await isFile(file))) continue;
      if (extension === '.com' || extension === '.exe') return { command: file, args: [argument], shell: false };
      return { command: `"${file}" ${argument}`, args: [], shell: true };
    }
  }
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true;
}
