import assert from 'node:assert/strict';
import { access, glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { root } from './blocks.ts';

const nameOf = (path: string): string => path.replaceAll('\\', '/');

it('every page that a page names is there', async () => {
  for await (const page of glob(['*.md', 'docs/*.md'], { cwd: root })) {
    const text = await readFile(join(root, page), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g))
      await assert.doesNotReject(access(join(root, dirname(page), target)), `${page} names ${target}`);
  }
});

it('the beginning names every page for users', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const inner = ['docs/dependencies.md'];
  for await (const page of glob('docs/*.md', { cwd: root }))
    if (!inner.includes(nameOf(page)))
      assert.ok(readme.includes(`(${nameOf(page)})`), `README.md does not name ${page}`);
});
