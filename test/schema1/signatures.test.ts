import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { because, is } from '../../src/errors.ts';
import {
  checkSignatures,
  ephemeralKey,
  keyIdOf,
  parseSchema1,
  type Schema1Verdict,
  signSchema1,
  verifySchema1,
} from '../../src/schema1/index.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { testAuthority } from '../support/certificates.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';
import { layerOf, payloadOf } from './documents.ts';
import { keyFor, type Signer, signedByHand } from './sign-by-hand.ts';

const payload = payloadOf([{ layer: layerOf('a') }, { layer: layerOf('b') }]);
const ec = keyFor('ES256');

const verdictOn = (bytes: Uint8Array): Schema1Verdict => verifySchema1(parseSchema1(bytes));

function problemOf(signer: Omit<Signer, 'key'> & { readonly key?: Signer['key'] }): string {
  const { state, signatures } = verdictOn(signedByHand(payload, { key: ec, ...signer }));
  assert.equal(state, 'invalid');
  return signatures[0]?.problem ?? '';
}

describe('signatures of schema 1', () => {
  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512'])
    it(`are verified with ${algorithm}, and the key is named by its id`, () => {
      const key = keyFor(algorithm);
      const manifest = parseSchema1(signedByHand(payload, { algorithm, key, jwk: { kid: keyIdOf(key) } }));
      assert.equal(manifest.digest, digestOf(payload));
      assert.deepEqual(verifySchema1(manifest), {
        state: 'valid',
        signatures: [{ algorithm, keyId: keyIdOf(createPublicKey(key)) }],
      });
      const wrong = signedByHand(payload, {
        algorithm,
        key,
        jwk: createPublicKey(keyFor(algorithm)).export({ format: 'jwk' }),
      });
      assert.deepEqual(verdictOn(wrong).signatures[0]?.problem, 'the signature is wrong');
    });

  it('may be several, and each has to be right', () => {
    const signers = ['ES256', 'RS256', 'ES512'].map((algorithm) => ({ algorithm, key: keyFor(algorithm) }));
    assert.equal(verdictOn(signedByHand(payload, ...signers)).state, 'valid');
    const { state, signatures } = verdictOn(
      signedByHand(payload, ...signers, { algorithm: 'ES256', key: ec, encoding: 'der' }),
    );
    assert.equal(state, 'invalid');
    assert.deepEqual(
      signatures.map(({ problem }) => problem === undefined),
      [true, true, true, false],
    );
  });

  it('are refused with other algorithms than libtrust has, or with one that is not for the key', () => {
    const edwards = generateKeyPairSync('ed25519').privateKey;
    assert.match(problemOf({ algorithm: 'EdDSA', key: edwards }), /malformed/);
    assert.match(problemOf({ algorithm: 'ES256', header: { alg: 'none' } }), /not known/);
    assert.match(problemOf({ algorithm: 'ES256', header: { alg: 'PS256' } }), /not known/);
    assert.match(problemOf({ algorithm: 'ES256', header: { alg: 'toString' } }), /not known/);
    assert.match(problemOf({ algorithm: 'ES256', header: { alg: 'ES384' } }), /none for ES384/);
    assert.match(problemOf({ algorithm: 'ES256', header: { alg: 'RS256' } }), /none for RS256/);
    assert.match(problemOf({ algorithm: 'RS256', key: keyFor('RS256'), header: { alg: 'ES256' } }), /none for ES256/);
    assert.match(problemOf({ algorithm: 'ES256', header: { alg: 7 } }), /header is malformed/);
  });

  it('are refused with keys that are not whole, not public, or have the id of another one', () => {
    const { x = '', d = '' } = ec.export({ format: 'jwk' });
    assert.match(problemOf({ algorithm: 'ES256', jwk: { kid: keyIdOf(keyFor('ES256')) } }), /id of another/);
    assert.match(problemOf({ algorithm: 'ES256', jwk: { d } }), /malformed at d/);
    assert.match(problemOf({ algorithm: 'ES256', jwk: { x: x.slice(4) } }), /not whole/);
    assert.match(problemOf({ algorithm: 'ES256', jwk: { x: undefined } }), /malformed at x/);
    assert.match(problemOf({ algorithm: 'ES256', jwk: { crv: 'secp256k1' } }), /malformed at crv/);
    assert.notEqual(problemOf({ algorithm: 'ES256', jwk: { y: x } }), '');
    assert.match(problemOf({ algorithm: 'ES256', header: { jwk: undefined } }), /malformed/);
    assert.notEqual(problemOf({ algorithm: 'ES256', header: { x5c: ['bm8gY2VydGlmaWNhdGU='] } }), '');
  });

  it('are refused in a line of text when they are none', () => {
    for (const signature of [undefined, 7, ['x'], { a: 1 }]) {
      const manifest = JSON.parse(signedByHand(payload, { algorithm: 'ES256', key: ec }).toString());
      const signatures = manifest.signatures.map((one: object) => ({ ...one, signature }));
      const bytes = Buffer.from(payload)
        .toString()
        .replace(/\s*\}\s*$/, `,"signatures":${JSON.stringify(signatures)}}`);
      const { state, signatures: verdicts } = verdictOn(Buffer.from(bytes));
      assert.deepEqual([state, verdicts[0]?.problem], ['invalid', 'the signature is no text']);
    }
  });

  it('may carry certificates in place of a key', { skip: unlessInstalled('openssl') }, async () => {
    await using directory = await temporaryDirectory();
    const { certificate, key } = await testAuthority(directory);
    const x5c = [certificate.replace(/-----[^-]+-----|\n/g, '')];
    const signer = { algorithm: 'ES256', key: createPrivateKey(key), header: { jwk: undefined, x5c } };
    const { state, signatures } = verdictOn(signedByHand(payload, signer));
    assert.deepEqual([state, signatures[0]?.keyId], ['valid', keyIdOf(signer.key)]);
    assert.equal(verdictOn(signedByHand(payload, { ...signer, key: ec })).state, 'invalid');
  });

  it('are over one payload', () => {
    const signer = { algorithm: 'ES256', key: ec };
    const other = { ...signer, protected: { formatTail: Buffer.from('}').toString('base64url') } };
    assert.throws(
      () => parseSchema1(signedByHand(payload, signer, other)),
      (error) => because(error, 'bad-document') && /different payloads/.test(error.message),
    );
  });

  it('are refused when they say to be over what is not there', () => {
    for (const formatLength of [0, -1, 1.5, 1e9, '12', null, undefined])
      assert.throws(
        () => parseSchema1(signedByHand(payload, { algorithm: 'ES256', key: ec, protected: { formatLength } })),
        (error) => because(error, 'bad-document'),
        String(formatLength),
      );
    for (const formatTail of ['a b', '=', 7, undefined])
      assert.throws(
        () => parseSchema1(signedByHand(payload, { algorithm: 'ES256', key: ec, protected: { formatTail } })),
        (error) => because(error, 'bad-document'),
        String(formatTail),
      );
  });

  it('say what is wrong with their form', () => {
    const parse = (format: Record<string, unknown>) => () =>
      parseSchema1(signedByHand(payload, { algorithm: 'ES256', key: ec, protected: format }));
    assert.throws(parse({ formatLength: 1e9 }), /over more than there is/);
    assert.throws(parse({ formatTail: 'a b' }), /not base64url/);
    assert.throws(parse({ formatTail: 'fR' }), /not base64url/);
  });

  it('cover what is read: what stands behind the payload says nothing', () => {
    const signed = signedByHand(payload, { algorithm: 'ES256', key: ec }).toString();
    const other = signed.replace(/\}$/, ',"tag":"evil","fsLayers":[],"architecture":"none"}');
    assert.notEqual(other, signed);
    const manifest = parseSchema1(Buffer.from(other));
    assert.deepEqual([manifest.tag, manifest.architecture, manifest.entries.length], ['1', 'amd64', 2]);
    assert.equal(manifest.digest, digestOf(payload));
  });

  it('that are wrong are told with the key, and none is no error', () => {
    checkSignatures(parseSchema1(payload));
    const wrong = parseSchema1(signedByHand(payload, { algorithm: 'ES256', key: ec, encoding: 'der' }));
    assert.throws(
      () => checkSignatures(wrong),
      (error) =>
        is(error, 'data-loss') &&
        error.reason === 'bad-document' &&
        error.message.includes(keyIdOf(ec)) &&
        error.context.hint !== undefined,
    );
  });
});

describe('signing schema 1', () => {
  const compact = Buffer.from(JSON.stringify(JSON.parse(payload.toString())));
  for (const [form, text] of [
    ['indented', payload],
    ['compact', compact],
    ['with a line break at its end', Buffer.concat([payload, Buffer.from('\n')])],
  ] as const)
    it(`leaves the digest and the text as they are: ${form}`, () => {
      const keys = ['ES256', 'ES384', 'ES512', 'RS256'].map(keyFor);
      const signed = signSchema1(text, ...keys);
      const manifest = parseSchema1(signed);
      assert.deepEqual(Buffer.from(manifest.payload), Buffer.from(text));
      assert.deepEqual(verifySchema1(manifest), {
        state: 'valid',
        signatures: ['ES256', 'ES384', 'ES512', 'RS256'].map((algorithm, index) => ({
          algorithm,
          keyId: keyIdOf(keys[index] ?? ec),
        })),
      });
      const { signatures, ...rest } = JSON.parse(Buffer.from(signed).toString());
      assert.deepEqual([rest, signatures.length], [JSON.parse(text.toString()), 4]);
      assert.equal(JSON.stringify(signatures).includes('"d"'), false, 'no private key in it');
    });

  it('takes no payload but a JSON object, and no key but a private one of a known kind', () => {
    for (const text of ['', '[]', '{}', '{ }', '{"a":1,}', 'null'])
      assert.throws(
        () => signSchema1(Buffer.from(text), ephemeralKey()),
        (error) => because(error, 'bad-document'),
        text,
      );
    const keys = [createPublicKey(ec), generateKeyPairSync('ed25519').privateKey];
    for (const key of keys)
      assert.throws(
        () => signSchema1(payload, key),
        (error) => is(error, 'invalid-argument'),
      );
    assert.throws(
      () => signSchema1(payload),
      (error) => is(error, 'invalid-argument'),
    );
  });
});
