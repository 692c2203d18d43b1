import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as z from 'zod/mini';
import { parseHostsToml } from '../../src/remotes/docker/hosts-toml.ts';
import { parseLayout } from '../../src/spec/documents.ts';
import { inEnglish, nullAs, nullable } from '../../src/spec/schemas.ts';

const layout = Buffer.from('{"imageLayoutVersion":1}');
const message = 'invalid oci-layout file: Invalid input: expected string, received number at imageLayoutVersion';

it('what is wrong with a document is said in English, with its place', () => {
  assert.throws(() => parseLayout(layout), { message });
  assert.throws(() => parseHostsToml('skip_verify = "yes"', 'hosts.toml'), {
    message: 'hosts.toml is no hosts file: skip_verify: Invalid input: expected boolean, received string',
  });
});

it('the settings of zod are left to whoever else uses it, and change nothing of what is said', () => {
  const before = { ...z.config() };
  assert.equal(before.localeError, undefined);
  z.config({ customError: () => 'something else' });
  try {
    assert.throws(() => parseLayout(layout), { message });
  } finally {
    z.config({ ...before, customError: undefined });
  }
});

it('null and an absent key are absent, or what stands for them', () => {
  const schema = z.object({ name: nullable(z.string()), list: nullAs([], z.array(z.string())) });
  for (const given of [{}, { list: null }, { list: undefined }]) assert.deepEqual(schema.parse(given), { list: [] });
  assert.deepEqual(schema.parse({ name: null, list: ['a'] }), { name: undefined, list: ['a'] });
  const [issue] = schema.safeParse({ name: 1 }, inEnglish).error?.issues ?? [];
  assert.deepEqual([issue?.path, issue?.message], [['name'], 'Invalid input: expected string, received number']);
});
