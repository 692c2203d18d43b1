import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { succeed } from '../../test/support/processes.ts';
import type { Image } from '../image.ts';
import { environmentOf, measure } from '../usage.ts';
import { referenceOf, type Tool } from './tool.ts';

/** How our command is run. */
export interface DrayOptions {
  readonly name?: string | undefined;
  /** The built command. */
  readonly program: string;
  readonly durability: 'full' | 'none';
  /** A directory for its stores. */
  readonly directory: string;
}

/** Our command, built, as users run it. */
export function drayTool({ name = 'dray', program, durability, directory }: DrayOptions): Tool {
  const root = join(directory, 'root');
  const command = (...args: readonly string[]): string[] => [
    process.execPath,
    program,
    ...args,
    '--durability',
    durability,
  ];
  const inRoot = (...args: readonly string[]): string[] => [...command(...args), '--root', root];
  const empty = () => rm(root, { recursive: true, force: true });
  // A store for each image, which is read by several jobs.
  const filled = ({ shape }: Image): string => join(directory, shape.name);
  const fill = async (image: Image): Promise<void> => {
    const store = filled(image);
    if (existsSync(store)) return;
    await measure({ words: [...command('import', image.layout, '--name', image.name), '--root', store] });
  };
  return {
    name,
    durable: durability === 'full',
    ours: true,
    version: async () => {
      const printed = await succeed(process.execPath, [program, 'version'], { env: environmentOf() });
      return `${printed.trim()}, Node ${process.versions.node}`;
    },
    pull: (from) => ({ words: inRoot('pull', referenceOf(from)), prepare: empty, output: root }),
    push: (image, to) => ({
      words: [...command('push', image.name, referenceOf(to)), '--root', filled(image)],
      prepare: () => fill(image),
    }),
    copy: (from, to) => ({ words: inRoot('copy', referenceOf(from), referenceOf(to)), prepare: empty }),
    export: (image) => {
      const output = join(directory, 'out.tar');
      return {
        words: [...command('export', image.name, output), '--root', filled(image)],
        prepare: async () => {
          await rm(output, { force: true });
          await fill(image);
        },
        output,
      };
    },
    import: (image) => ({ words: inRoot('import', image.archive), prepare: empty, output: root }),
  };
}
