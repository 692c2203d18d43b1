import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { readPassword } from '../../src/cli/password.ts';
import { signals } from '../../src/cli/signals.ts';

/** Somebody at a terminal who types, and what is shown meanwhile. */
function typing() {
  const shown: string[] = [];
  const terminal = new Writable({
    write(chunk, _encoding, done) {
      shown.push(String(chunk));
      done();
    },
  });
  const keyboard = Object.assign(new PassThrough(), { isTTY: true });
  return { shown, terminal, keyboard };
}

describe('a password that is typed', () => {
  it('is not shown', async () => {
    const { shown, terminal, keyboard } = typing();
    const read = readPassword(false, terminal, new AbortController().signal, keyboard);
    keyboard.write('secret\r');
    assert.equal(await read, 'secret');
    assert.deepEqual(shown, ['password: ', '\n']);
  });

  it('may be interrupted as all else', async () => {
    const { terminal, keyboard } = typing();
    using interruption = signals();
    const read = readPassword(false, terminal, interruption.signal, keyboard);
    keyboard.write('sec\x03');
    await assert.rejects(read);
    assert.equal(interruption.exitCode(), 130);
  });
});
