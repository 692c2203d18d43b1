import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ingestStream } from '../client/ingest.ts';
import { removeTree } from '../content/local/durable.ts';
import type { AbortableOptions, ContentStore, Labels } from '../content/store.ts';
import { DrayError, unless } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';

/** Options of {@link editContent}. */
export interface EditOptions extends AbortableOptions {
  /** The command of the editor; may have arguments. */
  readonly editor: string;
  readonly labels?: Labels | undefined;
}

/**
 * Opens a copy of a blob in an editor and takes what it left in as a new blob. Returns the digest of that, which is the old one
 * when nothing was changed.
 * @throws DrayError `failed-precondition` when the editor fails; then nothing is stored.
 */
export async function editContent(
  store: ContentStore,
  digest: Digest,
  { editor, labels, signal }: EditOptions,
): Promise<Digest> {
  const directory = await mkdtemp(join(tmpdir(), 'dray-edit-'));
  try {
    const path = join(directory, 'content');
    {
      await using reader = await store.reader({ digest }, { signal });
      await pipeline(reader.stream({ signal }), createWriteStream(path, { mode: 0o600 }));
    }
    await runEditor(editor, path, signal);
    return await takeIn(store, path, { labels, signal });
  } finally {
    await removeTree(directory);
  }
}

async function takeIn(
  store: ContentStore,
  path: string,
  options: { labels: Labels | undefined; signal: AbortSignal | undefined },
): Promise<Digest> {
  const { createHasher } = await import('../spec/digest.ts');
  const hasher = createHasher();
  for await (const chunk of createReadStream(path)) hasher.update(chunk);
  const digest = hasher.digest();
  const ingested = ingestStream(store, `edit-${randomUUID()}`, createReadStream(path), { digest, ...options });
  await unless('already-exists', ingested);
  return digest;
}

const isWindows = process.platform === 'win32';

/** The editor of who names none. */
export const usualEditor: string = isWindows ? 'notepad' : 'vi';

// The variable may hold arguments (`code --wait`), which only a shell would split; a path with spaces is not split so either. On
// Windows an editor may be a script, as that one is, which only the shell starts.
function startEditor(editor: string, path: string, signal: AbortSignal | undefined): ChildProcess {
  // What it draws is no result: $(dray content edit …) is a digest.
  const screen = process.stdout.isTTY ? 'inherit' : process.stderr.fd;
  const options: SpawnOptions = { stdio: ['inherit', screen, 'inherit'], ...(signal === undefined ? {} : { signal }) };
  if (isWindows) return spawn(`${editor} "${path}"`, { ...options, shell: true });
  const [command = usualEditor, ...words] = editor.split(/\s+/).filter((word) => word !== '');
  return spawn(command, [...words, path], options);
}

async function runEditor(editor: string, path: string, signal: AbortSignal | undefined): Promise<void> {
  const child = startEditor(editor, path, signal);
  const [code, killed] = (await once(child, 'exit').catch((error: unknown) => {
    throw new DrayError('failed-precondition', `cannot start the editor ${editor}`, {
      cause: error,
      hint: 'set EDITOR to a program that is installed',
    });
  })) as [number | null, string | null];
  if (code === 0) return;
  throw new DrayError('failed-precondition', `the editor ended with ${code ?? killed}`, { hint: 'nothing was stored' });
}
