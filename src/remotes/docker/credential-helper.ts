import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import * as z from 'zod/mini';
import { eitherSignal } from '../../content/abort.ts';
import { codeOf, DrayError } from '../../errors.ts';
import { tryJson } from '../../spec/schemas.ts';
import { type Credentials, passwordCredentials } from './credentials.ts';
import { helperCall } from './helper-program.ts';
import { Secret } from './secret.ts';

/** Programs that keep credentials, `docker-credential-<name>`, as docker's credential helpers define them. */

const timeLimit = 30_000;
const outputLimit = 1024 * 1024;
const notFound = /credentials not found in native keychain/i;

const answerSchema = z.object({ Username: z.string(), Secret: z.string() });

/**
 * Asks a helper for the credentials of a server; undefined when it has none.
 * @throws DrayError `failed-precondition` when it cannot be run, fails, takes over 30 seconds or says too much.
 */
export async function askHelper(name: string, server: string, signal?: AbortSignal): Promise<Credentials | undefined> {
  const { code, output } = await runHelper(name, 'get', server, signal);
  if (code !== 0) {
    if (notFound.test(output)) return undefined;
    throw failed(name, firstLine(output));
  }
  const answer = answerSchema.safeParse(tryJson(output));
  if (!answer.success) throw failed(name, 'its answer is not what a helper answers');
  const { Username: username, Secret: secret } = answer.data;
  if (secret === '') return undefined;
  const source = `docker-credential-${name}`;
  if (username === '<token>') return { identityToken: new Secret(secret), source };
  return passwordCredentials(username, secret, source);
}

/** Has a helper keep credentials. @throws DrayError `failed-precondition` as {@link askHelper} does. */
export async function storeInHelper(name: string, server: string, credentials: Credentials): Promise<void> {
  const { identityToken, username = '', password } = credentials;
  const entry =
    identityToken === undefined
      ? { ServerURL: server, Username: username, Secret: password?.reveal() ?? '' }
      : { ServerURL: server, Username: '<token>', Secret: identityToken.reveal() };
  const { code, output } = await runHelper(name, 'store', JSON.stringify(entry));
  if (code !== 0) throw failed(name, firstLine(output));
}

/** Has a helper forget; whether there was something. @throws DrayError `failed-precondition` as {@link askHelper} does. */
export async function eraseFromHelper(name: string, server: string): Promise<boolean> {
  const { code, output } = await runHelper(name, 'erase', server);
  if (code === 0) return true;
  if (notFound.test(output)) return false;
  throw failed(name, firstLine(output));
}

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

async function runHelper(name: string, action: string, input: string, signal?: AbortSignal): Promise<Finished> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw failed(name, 'its name is not the name of a program');
  // Servers come from references and config files: nothing but visible text may reach a helper.
  if (action !== 'store' && /[^\x21-\x7e]/.test(input)) throw failed(name, 'the name of the registry is not a host');
  const limit = AbortSignal.timeout(timeLimit);
  const stop = eitherSignal(signal, limit);
  try {
    return await collect(name, action, input, stop);
  } catch (error) {
    signal?.throwIfAborted();
    if (limit.aborted) throw failed(name, `no answer in ${timeLimit / 1000} seconds`);
    if (codeOf(error) === 'ENOENT') throw notInstalled(name);
    throw error;
  }
}

async function collect(name: string, action: string, input: string, signal: AbortSignal): Promise<Finished> {
  const call = await helperCall(name, action);
  if (call === undefined) throw notInstalled(name);
  const child = spawn(call.command, call.args, {
    shell: call.shell,
    stdio: ['pipe', 'pipe', 'ignore'],
    signal,
    killSignal: 'SIGKILL',
    windowsHide: true,
  });
  // A helper need not read what it is told.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  try {
    return await outcomeOf(child, name);
  } finally {
    // What it has started may hold its output open and go on talking.
    child.stdout.destroy();
    child.kill('SIGKILL');
  }
}

function outcomeOf(child: ChildProcessByStdio<Writable, Readable, null>, name: string): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>();
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.byteLength;
    if (size <= outputLimit) chunks.push(chunk);
    else reject(failed(name, `it says more than ${outputLimit} bytes`));
  });
  child.on('error', reject);
  child.on('close', (code) => resolve({ code, output: Buffer.concat(chunks).toString() }));
  return promise;
}

// What a helper says when it fails is a message; one that fails behind its answer has said a secret.
function firstLine(output: string): string {
  if (/"?Secret"?\s*:/i.test(output)) return 'it ended with an error behind its answer';
  const line = output.trim().split('\n')[0]?.slice(0, 200) ?? '';
  return line === '' ? 'without a message' : line;
}

function notInstalled(name: string): DrayError {
  return failed(name, 'it is not installed');
}

function failed(name: string, problem: string): DrayError {
  return new DrayError('failed-precondition', `credential helper docker-credential-${name} failed: ${problem}`, {
    hint: 'fix or remove credsStore and credHelpers in the config file',
  });
}
