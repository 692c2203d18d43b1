import { join, resolve } from 'node:path';
import { type Finished, type Running, run, start } from './processes.ts';

/** The command's entry: that of the sources, or the file that `TEST_PROGRAM` names, such as the built one. */
export const program: string = resolve(
  process.env['TEST_PROGRAM'] ?? join(import.meta.dirname, '..', '..', 'src', 'cli', 'dray.ts'),
);

/** How to call the command. */
export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

// Nothing of the machine's own settings may reach a test.
function environmentOf(extra: Readonly<Record<string, string>> | undefined): NodeJS.ProcessEnv {
  const { PATH = '', HOME = '/nonexistent', SystemRoot = '', TEMP = '' } = process.env;
  return {
    PATH,
    HOME,
    SystemRoot,
    TEMP,
    DOCKER_CONFIG: '/nonexistent',
    REGISTRY_AUTH_FILE: '/nonexistent/auth.json',
    ...extra,
  };
}

/** Runs the command as a process of its own. */
export function dray(args: readonly string[], { environment, input, cwd }: CommandOptions = {}): Promise<Finished> {
  return run(process.execPath, [program, ...args], {
    env: environmentOf(environment),
    ...(input === undefined ? {} : { input }),
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Runs the command, which has to succeed; returns stdout without the last line break. */
export async function drayDone(args: readonly string[], options?: CommandOptions): Promise<string> {
  const result = await dray(args, options);
  if (result.code !== 0)
    throw new Error(
      `dray ${args.join(' ')} ended with ${result.code ?? result.signal}\n${result.stdout}${result.stderr}`,
    );
  return result.stdout.replace(/\n$/, '');
}

/** Starts the command beside the test. */
export function drayStart(args: readonly string[], { environment, cwd }: CommandOptions = {}): Running {
  return start(process.execPath, [program, ...args], {
    env: environmentOf(environment),
    ...(cwd === undefined ? {} : { cwd }),
  });
}
