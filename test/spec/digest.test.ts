import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { blake3 } from '@noble/hashes/blake3.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import {
  algorithms,
  createHasher,
  type Digest,
  digestOf,
  isDigest,
  parseDigest,
  shortDigest,
} from '../../src/spec/digest.ts';

const second = { sha256, sha384, sha512, blake3 } as const;

describe('digest', () => {
  it('agrees with a second implementation, in whatever pieces the bytes come', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(...algorithms), pieces, (algorithm, chunks) => {
        const hasher = createHasher(algorithm);
        for (const chunk of chunks) hasher.update(chunk);
        const whole = Buffer.concat(chunks);
        const expected = `${algorithm}:${Buffer.from(second[algorithm](whole)).toString('hex')}`;
        assert.equal(hasher.digest(), expected);
        assert.equal(digestOf(whole, algorithm), expected);
      }),
    );
  });

  it('can be asked for in between', () => {
    const hasher = createHasher();
    hasher.update(Buffer.from('a'));
    assert.equal(hasher.digest(), digestOf('a'));
    hasher.update(Buffer.from('b'));
    assert.equal(hasher.digest(), digestOf('ab'));
  });

  it('of well-known bytes is the well-known one', () => {
    assert.equal(digestOf('{}'), 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
    assert.equal(digestOf(''), 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('parses what it writes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...algorithms), fc.uint8Array(), (algorithm, bytes) => {
        const digest = digestOf(bytes, algorithm);
        assert.equal(parseDigest(digest), digest);
      }),
    );
  });

  const good = 'a'.repeat(64);
  const refused = [
    '',
    'a:b',
    'sha256',
    'sha256:',
    `sha256:${good}0`,
    `sha256:${good.slice(1)}`,
    `SHA256:${good}`,
    `sha256:${good.toUpperCase()}`,
  ];
  const traps = [
    `sha512:${good}`,
    'sha256:../../x',
    `sha256:${good}\n`,
    `sha256:${good}\0`,
    `sha256:${'é'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
    `constructor:${good}`,
  ];
  for (const text of [...refused, ...traps]) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.equal(isDigest(text), false);
      assert.throws(
        () => parseDigest(text),
        (error: unknown) => error instanceof DrayError && error.kind === 'invalid-argument',
      );
    });
  }

  it('never throws anything but its own error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 2000 })), (text) => {
        try {
          parseDigest(text);
        } catch (error) {
          assert.ok(error instanceof DrayError);
        }
      }),
    );
  });

  it('is shortened for people', () => {
    assert.equal(shortDigest(`sha256:0123456789abcdef${'0'.repeat(48)}` as Digest), 'sha256:0123456789ab');
  });
});
