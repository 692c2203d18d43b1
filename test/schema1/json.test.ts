import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeJson, type Json, RawJson, rawMembers, sortedByKey } from '../../src/schema1/json.ts';

const members = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }), {
  noNullPrototype: true,
});
const spaces = fc.constantFrom('', '  ', '\t');

describe('JSON as Go writes it', () => {
  it('is read back as what was written, with any indent', () => {
    fc.assert(
      fc.property(members, spaces, (value, indent) => {
        assert.deepEqual(JSON.parse(encodeJson(value as Json, indent)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('escapes what could end a script, and nothing else that is readable', () => {
    assert.equal(encodeJson('<a> & \u2028\u2029 é "\\\n'), '"\\u003ca\\u003e \\u0026 \\u2028\\u2029 é \\"\\\\\\n"');
    assert.equal(
      encodeJson({ a: [], b: {}, c: undefined, d: null }, '  '),
      '{\n  "a": [],\n  "b": {},\n  "d": null\n}',
    );
  });

  it('has keys in the order of their bytes where Go has a map', () => {
    const keys = ['b', 'a', 'B', '\u{1f600}', '\uffee'];
    assert.deepEqual(
      [...sortedByKey(keys.map((key) => [key, 0] as const)).keys()],
      ['B', 'a', 'b', '\uffee', '\u{1f600}'],
    );
  });
});

describe('members of a JSON object as they are written', () => {
  it('say what a parser reads, whatever the white space', () => {
    fc.assert(
      fc.property(members, spaces, (value, indent) => {
        const found = rawMembers(JSON.stringify(value, undefined, indent));
        const parsed = Object.fromEntries([...found].map(([key, { text }]) => [key, JSON.parse(text)]));
        assert.deepEqual(parsed, JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('keep digits, escapes and the order of what is inside; of a key that comes twice the last', () => {
    const text =
      '{ "n": 12345678901234567890.10e+2, "s":"\\u00e9\\/", "o" : { "b" : 1, "a" : [ ] }, "n2":-0, "s":"x" }';
    assert.deepEqual(
      [...rawMembers(text)].map(([key, raw]) => [key, raw.text]),
      [
        ['n', '12345678901234567890.10e+2'],
        ['s', '"x"'],
        ['o', '{"b":1,"a":[]}'],
        ['n2', '-0'],
      ],
    );
    assert.deepEqual(rawMembers('{"a":"\\u00e9\\/<"}').get('a'), new RawJson('"\\u00e9\\/\\u003c"'));
    assert.equal(rawMembers(`{"long":"${'\\"'.repeat(500_000)}"}`).get('long')?.text.length, 1_000_002);
  });
});
