import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { temporaryDirectory } from '../support/temporary.ts';

it('a store works while a test has its own clock in place of the timers', async (context) => {
  await using directory = await temporaryDirectory();
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate'] });
  await using client = await Client.open({ root: directory.join('store'), durability: 'none' });
  const { content } = client.services;
  await using writer = await content.writer({ ref: 'timeless' });
  await writer.write(Buffer.from('timeless'));
  const { digest } = await writer.commit();
  assert.equal((await content.info(digest)).size, 8);
});
