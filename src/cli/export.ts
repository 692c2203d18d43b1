import { stat } from 'node:fs/promises';
import { DrayError } from '../errors.ts';
import type { Context } from './context.ts';
import { formatDuration, formatSize } from './units.ts';

/** Writes images to stdout (`-` or `/dev/stdout`), into a directory (one that is there, or a path that ends in `/`), or to a file. */
export async function exportTo(context: Context, names: readonly string[], target: string): Promise<void> {
  const { arguments: args, output, signal, platforms } = context;
  const client = await context.client();
  const options = {
    platforms,
    skipMissing: args.flag('skip-missing'),
    distributableOnly: args.flag('distributable-only'),
    referrers: args.flag('referrers'),
    signal,
  };
  const format = args.string('format') as 'oci' | 'docker' | 'both' | undefined;
  const sharing = args.string('link') as 'hard' | 'reflink' | undefined;
  if (await isDirectory(target)) {
    if (format !== undefined && format !== 'oci')
      throw new DrayError('invalid-argument', `a directory is an image layout, not ${format}`, { hint: 'name a file' });
    await client.exportLayout(names, target, { ...options, sharing });
    await output.result({ path: target }, target);
    return;
  }
  if (sharing !== undefined)
    throw new DrayError('invalid-argument', '--link needs a directory', { hint: 'end its path with /' });
  const toStdout = target === '-' || target === '/dev/stdout';
  if (toStdout && output.isTerminal)
    throw new DrayError('invalid-argument', 'the archive would go to the terminal', {
      hint: 'name a file, or send it to a program: dray export REF - | docker load',
    });
  const started = performance.now();
  let bytes = 0;
  const counted = async function* () {
    for await (const chunk of client.export(names, { ...options, format, transient: !toStdout })) {
      bytes += chunk.byteLength;
      yield chunk;
    }
  };
  if (toStdout) {
    for await (const chunk of counted()) {
      await output.write(chunk);
      if (output.gone) return;
    }
  } else {
    const { saveArchive } = await import('../oci/archive-file.ts');
    await saveArchive(target, counted(), {
      durability: args.string('durability') as 'full' | 'none' | undefined,
      signal,
    });
    await output.result({ path: target, size: bytes }, target);
  }
  output.note(`exported in ${formatDuration(performance.now() - started)}: ${formatSize(bytes)}`);
}

async function isDirectory(path: string): Promise<boolean> {
  if (path === '-') return false;
  return /[\\/]$/.test(path) || ((await stat(path).catch(() => undefined))?.isDirectory() ?? false);
}
