import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../src/remotes/docker/challenge.ts';

function plain(...lines: string[]): { scheme: string; parameters: Record<string, string> }[] {
  return parseChallenges(lines).map(({ scheme, parameters }) => ({
    scheme,
    parameters: Object.fromEntries(parameters),
  }));
}

describe('challenges', () => {
  it('reads what Docker Hub sends', () => {
    const line =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"';
    assert.deepEqual(plain(line), [
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:library/alpine:pull',
        },
      },
    ]);
  });

  it('takes schemes and names in any case, white space around separators, and empty list members', () => {
    assert.deepEqual(plain('BASIC  Realm = "Registry Realm" , ,charset=UTF-8,'), [
      { scheme: 'basic', parameters: { realm: 'Registry Realm', charset: 'UTF-8' } },
    ]);
  });

  it('reads several challenges of one line and of several lines, in their order', () => {
    const found = plain(
      'Negotiate, Bearer realm="/v2/token",scope="repository:a/b:pull,push", Basic realm="x"',
      'Digest qop="auth, auth-int"',
    );
    assert.deepEqual(
      found.map(({ scheme }) => scheme),
      ['negotiate', 'bearer', 'basic', 'digest'],
    );
    assert.equal(found[1]?.parameters['scope'], 'repository:a/b:pull,push');
    assert.equal(found[3]?.parameters['qop'], 'auth, auth-int');
  });

  it('reads opaque data behind a scheme without taking it for a parameter', () => {
    assert.deepEqual(plain('Negotiate YIIabc/+==, Basic realm="x"'), [
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'x' } },
    ]);
  });

  it('undoes escapes and keeps commas and equals signs in quotes', () => {
    assert.deepEqual(plain('Bearer realm="a\\"b\\\\c,d=e"'), [
      { scheme: 'bearer', parameters: { realm: 'a"b\\c,d=e' } },
    ]);
  });

  it('reads a quote that is never closed to the end', () => {
    assert.deepEqual(plain('Bearer realm="https://a/token'), [
      { scheme: 'bearer', parameters: { realm: 'https://a/token' } },
    ]);
  });

  it('keeps the first of a parameter that is there twice', () => {
    assert.deepEqual(plain('Bearer realm="a",realm="b"'), [{ scheme: 'bearer', parameters: { realm: 'a' } }]);
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'Bearer ="\\,; \tx') }))),
        (lines) => {
          parseChallenges(lines);
        },
      ),
    );
  });

  it('reads back what is written by the rules', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
    const challenge = fc.record(
      {
        scheme: fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/),
        parameters: fc.dictionary(name, fc.string(), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 3 }), (challenges) => {
        const line = challenges
          .map(({ scheme, parameters }) => {
            const written = Object.entries(parameters).map(
              ([key, value]) => `${key}="${value.replace(/["\\]/g, '\\$&')}"`,
            );
            return `${scheme} ${written.join(', ')}`;
          })
          .join(', ');
        assert.deepEqual(plain(line), challenges);
      }),
    );
  });
});
