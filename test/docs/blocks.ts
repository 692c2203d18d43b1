import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The root of the project. */
export const root: string = join(import.meta.dirname, '..', '..');

/** A fenced block of code in a page. */
export interface Block {
  readonly page: string;
  /** The line that it begins in. */
  readonly line: number;
  readonly language: string;
  /** What else the fence says: `no-run` for what cannot run in a test. */
  readonly words: readonly string[];
  readonly text: string;
}

/** The blocks of some languages in all pages for users, in their order. */
export async function blocksOf(...languages: readonly string[]): Promise<Block[]> {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    ...(await Array.fromAsync(glob('docs/*.md', { cwd: root }))).map((path) => path.replaceAll('\\', '/')),
  ];
  const found = await Promise.all(
    pages.sort().map(async (page) => blocksIn(page, await readFile(join(root, page), 'utf8'))),
  );
  return found.flat().filter(({ language }) => languages.includes(language));
}

function blocksIn(page: string, text: string): Block[] {
  const blocks: Block[] = [];
  for (const match of text.matchAll(/^```(\S+)(.*)\n([\s\S]*?)^```$/gm)) {
    const [, language = '', words = '', code = ''] = match;
    const line = text.slice(0, match.index).split('\n').length;
    blocks.push({ page, line, language, words: words.split(' ').filter((word) => word !== ''), text: code });
  }
  return blocks;
}

/** The command lines of a block, without prompts and comments. */
export function linesOf({ text, language }: Block): string[] {
  return text
    .split('\n')
    .filter((line) => language !== 'console' || line.startsWith('$ '))
    .map((line) => line.replace(/^\$ /, '').replace(/(^|\s+)# .*$/, ''))
    .filter((line) => line.trim() !== '');
}
