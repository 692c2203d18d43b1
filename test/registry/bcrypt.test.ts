import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import { Bcrypt, isBcrypt } from '../../src/registry/auth/bcrypt.ts';

// Made by libxcrypt.
const vectors = [
  ['', '$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.'],
  ['secret', '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a'],
  ['pässwörd€', '$2b$07$zzzzzzzzzzzzzzzzzzzzzuQ3vPveGe.Yqf69gzYHxfHgsCZRyh1hO'],
  ['x'.repeat(100), '$2b$05$......................YgIDy4hFBdVlc/6LHnD9mX488r9cLd2'],
  ['y'.repeat(71), '$2b$05$......................0XCVvzK3c0Ixkfj1w03kS92TqRZUUvy'],
  ['y'.repeat(72), '$2b$05$......................AHyHhK2oGkwg0Otq0h//QTqsY0Z/m9C'],
] as const;

group('bcrypt', () => {
  const bcrypt = new Bcrypt();
  for (const [password, hash] of vectors) {
    it(`knows the password of ${hash.slice(0, 12)}…, and no other`, async () => {
      assert.equal(await bcrypt.matches(password, hash), true);
      assert.equal(await bcrypt.matches(`n${password}`, hash), false);
    });
  }

  for (const wrong of [
    '',
    'x',
    '$2y$05$short',
    '$apr1$x$y',
    '$2x$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a',
    '$2y$31$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a',
    '$2y$00$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a',
  ]) {
    it(`does not take ${JSON.stringify(wrong.slice(0, 10))} for a hash`, async () => {
      assert.equal(isBcrypt(wrong), false);
      await assert.rejects(bcrypt.matches('', wrong), RangeError);
    });
  }
});
