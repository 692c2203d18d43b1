import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DrayError, is } from '../../src/errors.ts';
import { type FieldTree, fieldsOf, parseFilters } from '../../src/filters/filter.ts';
import { run } from '../support/processes.ts';

function passes(filter: string | readonly string[], object: FieldTree): boolean {
  return parseFilters(typeof filter === 'string' ? [filter] : filter)(fieldsOf(object));
}

const image: FieldTree = {
  name: 'docker.io/library/redis:7',
  target: { digest: 'sha256:abc' },
  labels: { plain: 'yes', 'a.b/c-d': 'x', dotted: 'no', 'team.name': 'böse "x"' },
};

function refused(filter: string): DrayError {
  try {
    parseFilters([filter]);
  } catch (error) {
    assert.ok(error instanceof DrayError && is(error, 'invalid-argument'), String(error));
    return error;
  }
  throw new Error(`${JSON.stringify(filter)} was accepted`);
}

describe('filters', () => {
  const matching: readonly string[] = [
    '',
    'name',
    'name==docker.io/library/redis:7',
    'name!=foo',
    'name~=redis',
    'name~=/^docker.*:7$/',
    'name~=|redis:7|',
    'name~=/x{1,2}|redis/',
    'name~="^docker\\\\.io/"',
    'name~=^docker\\.io',
    'name == docker.io/library/redis:7',
    '  name==docker.io/library/redis:7',
    'name==docker.io/library/redis:7, labels.plain==yes',
    'labels.plain',
    'labels."a.b/c-d"==x',
    'labels.a."b/c-d"==x',
    'labels. plain==yes',
    '"labels"."plain"==yes',
    'labels.team.name=="böse \\"x\\""',
    'labels.team.name=="b\\u00f6se \\x22x\\042"',
    'labels.team.name=="b\\xc3\\xb6se \\"x\\""',
    'labels.absent!=x',
    'absent!=x',
    'absent~=^$',
    'absent.deeper!=x',
    'target.digest==sha256:abc',
  ];
  for (const filter of matching) it(`${filter || '(empty)'} matches`, () => assert.ok(passes(filter, image)));

  const failing: readonly string[] = [
    'absent',
    'labels',
    'labels.absent',
    'labels.absent!=""',
    'labels.plain.deeper',
    'name==foo',
    'name==foo,labels.plain==yes',
    'labels.plain==yes,name==foo',
    'name!=docker.io/library/redis:7',
    'name~=^redis',
    'name~=(',
    'name~=(?=docker)',
    'name=="docker.io/library/redis:7 "',
    "name=='docker.io/library/redis:7'",
    'labels.plain=="\\xff"',
    'target==sha256:abc',
    '"target.digest"==sha256:abc',
    'labels.__proto__',
    'constructor',
    '__proto__.labels',
  ];
  for (const filter of failing) it(`${filter} does not match`, () => assert.ok(!passes(filter, image)));

  it('a list matches when any of it does', () => {
    assert.ok(passes([], image));
    assert.ok(passes(['name==foo', ''], image));
    assert.ok(passes(['name==foo', 'labels.plain==yes'], image));
    assert.ok(!passes(['name==foo', 'labels.plain==no'], image));
  });

  const malformed: readonly (readonly [string, number])[] = [
    [',', 1],
    ['name,,x', 6],
    ['name==', 7],
    ['name=foo', 5],
    ['name===foo', 5],
    ['name!foo', 5],
    ['a-b==c', 2],
    ['labels.containerd.io/gc.root', 21],
    ['name=="a\\qb"', 9],
    ['name=="open', 7],
    ['name=="line\nbreak"', 12],
    ['name=="\\400"', 8],
    ['name=="\\x4"', 8],
    ['name=="\\U00110000"', 8],
    ['name=="\\ud800"', 8],
    ['a==b ,c', 5],
    ['a==b ', 5],
    ['a .b', 3],
    ['name==/x/', 7],
    ['name==|x|', 7],
    ['name==.x', 7],
    ['name~=^f{1,2}$', 13],
    ['name==a\0b', 8],
    ['name==\ud800', 7],
    ['.a', 1],
    ['a.', 3],
    ['^layer', 1],
    ['`a`', 1],
    ['a==b\u2028', 5],
    [' ', 2],
  ];
  for (const [filter, column] of malformed) {
    it(`${JSON.stringify(filter)} is refused at column ${column}`, () => {
      assert.match(refused(filter).message, new RegExp(`at column ${column}:`));
    });
  }

  it('a text in quotes is that text, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' }), (key, value) => {
        fc.pre(!/[\n\0]/.test(key + value));
        const quoted = [key, value].map((text) => `"${text.replace(/[\\"]/g, '\\$&')}"`);
        assert.ok(passes(`labels.${quoted.join('==')}`, { labels: { [key]: value } }));
        assert.ok(!passes(`labels.${quoted.join('!=')}`, { labels: { [key]: value } }));
      }),
    );
  });

  it('any text is parsed or refused with a column within it', () => {
    const piece = fc.constantFrom(
      'name',
      'labels',
      '.',
      ',',
      '==',
      '!=',
      '~=',
      '"',
      '/',
      '|',
      '\\',
      ' ',
      'x',
      '(',
      '\n',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (filter) => {
        try {
          parseFilters([filter])(fieldsOf(image));
        } catch (error) {
          assert.ok(error instanceof DrayError && error.kind === 'invalid-argument', String(error));
          const column = Number(/at column (\d+):/.exec(error.message)?.[1]);
          assert.ok(column >= 1 && column <= [...filter].length + 1, error.message);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('regular expressions in filters', () => {
  const cases: readonly (readonly [pattern: string, text: string, expected: boolean])[] = [
    ['(?i)REDIS', 'redis', true],
    ['(?i:R)edis', 'Redis', true],
    ['a\\z', 'ba', true],
    ['a$', 'a\n', false],
    ['(?m)^b$', 'a\nb', true],
    ['(?s)a.b', 'a\nb', true],
    ['a.b', 'a\nb', false],
    ['^[[:alpha:]]+$', 'redis', true],
    ['[[:alpha:]]', '123', false],
    ['\\pL', 'ü', true],
    ['^\\p{Greek}$', 'λ', true],
    ['(?P<first>r)e', 'redis', true],
    ['\\Qa.b\\E', 'a.b', true],
    ['\\Qa.b\\E', 'axb', false],
    ['^.$', '😀', true],
    ['\\d', '٣', false],
    ['x{1001}', 'x', false],
    ['(a)\\1', 'aa', false],
    ['(?!x)', 'a', false],
  ];
  for (const [pattern, text, expected] of cases) {
    it(`${JSON.stringify(pattern)} ${expected ? 'is found' : 'is not found'} in ${JSON.stringify(text)}`, () => {
      const quoted = pattern.replace(/[\\"]/g, '\\$&');
      assert.equal(passes(`name~="${quoted}"`, { name: text }), expected);
    });
  }

  it('cannot hang: the classic traps end in a process that has only seconds', async () => {
    const program = `
      const { parseFilters, fieldsOf } = await import(${JSON.stringify(import.meta.resolve('../../src/filters/filter.ts'))});
      const traps = ['(a+)+$', '(a|a)*b', '(a|aa)+$', '(.*a){20}b', '([a-z]+)*!', '(a?){500}a{500}b'];
      for (const trap of traps)
        parseFilters(['name~="' + trap + '"'])(fieldsOf({ name: 'a'.repeat(4096) + '?' }));
    `;
    const { code, signal, stderr } = await run(process.execPath, ['--input-type=module', '-e', program], {
      timeout: 20_000,
    });
    assert.deepEqual([code, signal], [0, null], stderr);
  });

  it('are loaded only when a filter has one', async () => {
    const program = `
      const { parseFilters } = await import(${JSON.stringify(import.meta.resolve('../../src/filters/filter.ts'))});
      const { createRequire } = await import('node:module');
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('re2js'));
      parseFilters(['name==a', 'labels.b!=c']);
      const before = loaded();
      parseFilters(['name~=a']);
      console.log(before, loaded());
    `;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(stdout.trim(), 'false true');
  });

  it('over the limit are refused', () => {
    assert.match(refused(`name~=${'a'.repeat(5000)}`).message, /too long/);
  });
});
