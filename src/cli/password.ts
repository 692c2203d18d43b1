import { createInterface } from 'node:readline/promises';
import type { Readable } from 'node:stream';
import { Writable } from 'node:stream';
import { collect } from '../content/documents.ts';
import { interruptible } from '../content/interruptible.ts';
import { DrayError } from '../errors.ts';
import type { Terminal } from './output.ts';

/** The longest password that is read, in bytes; tokens of cloud providers have some thousand. */
const passwordLimit = 64 * 1024;

/**
 * The password: all of stdin without its last line break, or what a person types without seeing it.
 * @throws DrayError `invalid-argument` when there is nobody to ask, or it is empty.
 */
export async function readPassword(
  fromStdin: boolean,
  terminal: Terminal,
  signal: AbortSignal,
  stdin: Readable & { isTTY?: boolean } = process.stdin,
): Promise<string> {
  const password = fromStdin ? await readAll(stdin, signal) : await ask(stdin, terminal, signal);
  if (password === '') throw new DrayError('invalid-argument', 'the password is empty');
  return password;
}

async function readAll(stdin: Readable, signal: AbortSignal): Promise<string> {
  try {
    return Buffer.from(await collect(interruptible(stdin, signal), passwordLimit))
      .toString()
      .replace(/\r?\n$/, '');
  } finally {
    stdin.destroy();
  }
}

async function ask(stdin: Readable & { isTTY?: boolean }, terminal: Terminal, signal: AbortSignal): Promise<string> {
  if (stdin.isTTY !== true)
    throw new DrayError('invalid-argument', 'there is nobody to ask for the password', {
      hint: 'add --password-stdin',
    });
  terminal.write('password: ');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal: true });
  // While it shows nothing of what is typed, a terminal makes no signal of Ctrl-C either.
  lines.on('SIGINT', () => process.emit('SIGINT', 'SIGINT'));
  try {
    return await lines.question('', { signal });
  } finally {
    lines.close();
    terminal.write('\n');
  }
}
