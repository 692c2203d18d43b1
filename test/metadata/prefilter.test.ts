import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { fieldsOf, parseFilters } from '../../src/filters/filter.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { temporaryDirectory } from '../support/temporary.ts';

it('a list by the beginning of names has what the filter alone would find', async () => {
  await using directory = await temporaryDirectory();
  await using store = await openStore({ root: directory.join('store'), durability: 'none' });
  const { images } = store.services('default');
  const names = [
    'a',
    'a.b',
    'aXb',
    'a/b',
    'a/b:1',
    'a/b:2',
    'a/bb:1',
    'ab',
    'b',
    'a~',
    'a/b@x',
    'A',
    'ä',
    'a b',
    'a-b',
    'a/',
  ];
  const target = { mediaType: 'x', digest: digestOf(''), size: 1 };
  for (const name of names) await images.create({ name, target });
  const piece = fc.constantFrom(
    'a',
    'b',
    '/',
    ':',
    '.',
    '\\.',
    '\\/',
    'a*',
    'b?',
    '[/:]',
    '(b|c)',
    '|',
    'a{1}',
    '+',
    '$',
    '\\w',
    '@',
    ' ',
    '-',
    'ä',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 6 }),
      fc.constantFrom('^', '', '^^', '(?i)^'),
      async (pieces, start) => {
        const filter = `name~=${JSON.stringify(start + pieces.join(''))}`;
        const expected = names.filter((name) => parseFilters([filter])(fieldsOf({ name }))).sort();
        const found = await Array.fromAsync(images.list(filter), ({ name }) => name);
        assert.deepEqual(found.sort(), expected, filter);
      },
    ),
    { numRuns: 400 },
  );
});
