import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';

/** What a process left. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string } = {},
): Promise<Finished> {
  const { input, ...rest } = options;
  const child = spawn(command, args, { ...rest, stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout = gather(child.stdout);
  const stderr = gather(child.stderr);
  child.stdin?.on('error', () => {});
  child.stdin?.end(input ?? '');
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: stdout(), stderr: stderr() };
}

/** Runs a program that has to succeed; returns what it printed. */
export async function succeed(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string } = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.code === 0) return result.stdout;
  throw new Error(
    `${command} ${args.join(' ')} ended with ${result.code ?? result.signal}\n${result.stdout}\n${result.stderr}`,
  );
}

/** A program that runs beside a test; killed by its own id when disposed. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves when a line of its output matches. Rejects when it ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a program. Output and errors are one text. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Running {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = gather(child.stdout);
  const err = gather(child.stderr);
  const output = (): string => out() + err();
  const ended = once(child, 'close').catch(() => undefined);
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  return {
    child,
    output,
    kill,
    async printed(pattern) {
      const gone = ended.then(() => 'ended' as const);
      for (;;) {
        const match = pattern.exec(output());
        if (match !== null) return match;
        const more = new AbortController();
        const waits = [child.stdout, child.stderr].map((stream) =>
          once(stream ?? child, 'data', { signal: more.signal }).catch(() => undefined),
        );
        const first = await Promise.race([...waits, gone]);
        more.abort();
        if (first === 'ended' && !pattern.test(output()))
          throw new Error(`${command} ended without printing ${pattern}:\n${output()}`);
      }
    },
    [Symbol.asyncDispose]: () => kill(),
  };
}

function gather(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
