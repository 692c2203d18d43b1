import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { DrayError, is } from '../../src/errors.ts';
import { digestOf } from '../../src/spec/digest.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  parseRegistry,
  parseRepository,
  type Reference,
} from '../../src/spec/reference.ts';
import { withoutCredentials } from '../../src/spec/without-credentials.ts';

const digest = digestOf('reference');
const secret = 'canary';
const sha512 = digestOf('reference', 'sha512');

describe('reference', () => {
  const spelled: readonly [string, string][] = [
    ['redis', 'docker.io/library/redis:latest'],
    ['redis:7', 'docker.io/library/redis:7'],
    ['acme/app', 'docker.io/acme/app:latest'],
    ['docker.io/redis', 'docker.io/library/redis:latest'],
    ['index.docker.io/redis', 'docker.io/library/redis:latest'],
    ['ghcr.io/acme/app:1.4', 'ghcr.io/acme/app:1.4'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['127.0.0.1:5000/a/b/c:x', '127.0.0.1:5000/a/b/c:x'],
    ['[2001:db8::1]:5000/repo:tag', '[2001:db8::1]:5000/repo:tag'],
    ['[::1]/repo', '[::1]/repo:latest'],
    ['Registry/app', 'Registry/app:latest'],
    ['oci://ghcr.io/acme/chart:1', 'ghcr.io/acme/chart:1'],
    [`redis@${digest}`, `docker.io/library/redis@${digest}`],
    [`redis:7@${digest}`, `docker.io/library/redis:7@${digest}`],
    [`r.example/a@${sha512}`, `r.example/a@${sha512}`],
    ['a__b/c-d--e/f.g:_T.x-1', 'docker.io/a__b/c-d--e/f.g:_T.x-1'],
    [`r.example/${'a'.repeat(255)}`, `r.example/${'a'.repeat(255)}:latest`],
    [`r.example/a:${'t'.repeat(128)}`, `r.example/a:${'t'.repeat(128)}`],
    [`docker.io/${'a'.repeat(64)}`, `docker.io/library/${'a'.repeat(64)}:latest`],
  ];
  for (const [text, canonical] of spelled) {
    it(`${text.slice(0, 60)} means ${canonical.slice(0, 60)}`, () => {
      assert.equal(formatReference(parseReference(text)), canonical);
      assert.deepEqual(parseReference(canonical), parseReference(text));
    });
  }

  const refused: readonly [string, RegExp][] = [
    ['', /empty/],
    ['Redis', /lower case/],
    ['ghcr.io/Acme/app', /lower case/],
    ['https://ghcr.io/acme/app', /URL/],
    ['docker://ghcr.io/acme/app', /URL/],
    ['ghcr.io/acme/app:', /tag/],
    [`ghcr.io/acme/app:${'t'.repeat(129)}`, /tag/],
    ['ghcr.io/acme/app@sha256:abc', /digest/],
    [`ghcr.io/acme/app@md5:${'a'.repeat(32)}`, /algorithm/],
    ['ghcr.io/acme//app', /repository/],
    ['ghcr.io/acme/app/', /repository/],
    ['ghcr.io/../etc/passwd', /repository/],
    ['ghcr.io/a/%2e%2e/b', /repository/],
    ['ghcr.io/a_-b', /repository/],
    ['ghcr.io/a___b', /repository/],
    [`ghcr.io/${'a'.repeat(256)}`, /255/],
    ['user:pass@ghcr.io/app', /before the host/],
    ['ghcr.io:99999/app', /port/],
    ['ghcr.io:0/app', /port/],
    ['under_score.io/app', /host/],
    ['[fe80::1%eth0]/app', /host/],
    ['-a.io/app', /host/],
    ['bücher.example/app', /ASCII/],
    ['app name', /ASCII/],
    ['app\n', /ASCII/],
    ['a'.repeat(64), /image ID/],
    ['x'.repeat(5000), /longer/],
  ];
  for (const [text, problem] of refused) {
    it(`${JSON.stringify(text.slice(0, 50))} is refused, and why is said`, () => {
      assert.throws(
        () => parseReference(text),
        (error: unknown) =>
          error instanceof DrayError && error.kind === 'invalid-argument' && problem.test(error.message),
      );
    });
  }

  it('in upper case is refused with the one that is meant', () => {
    for (const [text, meant] of [
      ['Redis', 'docker.io/library/redis'],
      ['Redis:7', 'redis:7'],
      ['ghcr.io/Acme/App:V1', 'ghcr.io/acme/app:V1'],
      ['Example.com/Example:1', 'Example.com/example:1'],
    ] as const)
      assert.throws(
        () => parseReference(text),
        (error: unknown) => error instanceof DrayError && error.context.hint === `try ${meant}`,
      );
  });

  it('that is right is read back as it was written', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/);
    const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const domain = fc.oneof(
      fc.constantFrom('localhost', 'docker.io', '[::1]', '[2001:db8::7]:443', 'Registry'),
      fc
        .tuple(
          fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\.[a-z]{2,4}$/),
          fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
        )
        .map(([host, port]) => (port === undefined ? host : `${host}:${port}`)),
    );
    const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/), { nil: undefined });
    const pin = fc.option(fc.constantFrom(digest, sha512), { nil: undefined });
    fc.assert(
      fc.property(domain, path, tag, pin, (host, repository, named, pinned) => {
        const text = `${host}/${repository}${named === undefined ? '' : `:${named}`}${pinned === undefined ? '' : `@${pinned}`}`;
        const parsed: Reference = parseReference(text);
        const written = formatReference(parsed);
        assert.deepEqual(parseReference(written), parsed);
        assert.equal(formatReference(parseReference(familiarReference(parsed))), written);
        assert.equal(parsed.tag, named ?? (pinned === undefined ? 'latest' : undefined));
        assert.equal(parsed.digest, pinned);
      }),
    );
  });

  it('never throws anything but its own error', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(
          fc.constantFrom('a', 'A', '/', ':', '@', '.', '..', '[', ']', '%', '-', '_', digest, 'docker.io', '\0'),
          { maxLength: 12 },
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(hostile, (text) => {
        try {
          const parsed = parseReference(text);
          assert.deepEqual(parseReference(formatReference(parsed)), parsed);
          assert.ok(!parsed.path.includes('..'));
        } catch (error) {
          assert.ok(error instanceof DrayError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('a repository has no version', () => {
    assert.equal(parseRepository('redis').path, 'library/redis');
    assert.throws(() => parseRepository('redis:7'), /no tag/);
  });

  it('is shown to people in its shortest spelling that means the same', () => {
    for (const [short, text] of [
      ['redis:latest', 'redis'],
      ['acme/app:1', 'docker.io/acme/app:1'],
      ['docker.io/library/a.b/c:1', 'docker.io/library/a.b/c:1'],
      ['ghcr.io/a:1', 'ghcr.io/a:1'],
    ]) {
      const shown = familiarReference(parseReference(text ?? ''));
      assert.equal(formatReference(parseReference(shown)), formatReference(parseReference(text ?? '')));
      assert.ok(shown.length <= (short ?? '').length, shown);
    }
  });
});

describe('a registry', () => {
  it('is a host with or without a port', () => {
    for (const text of ['r.io', 'localhost:5000', '[::1]:5000', 'HUB.example', 'nas'])
      assert.equal(parseRegistry(text), text);
  });

  it('is no URL, no repository and no text, and the host in it is told', () => {
    for (const text of ['https://r.io', 'https://r.io/v1/', 'docker://r.io/app', 'r.io/', 'r.io/app'])
      assert.throws(
        () => parseRegistry(text),
        (error) => is(error, 'invalid-argument') && error.context.hint === 'try r.io',
        text,
      );
    for (const text of ['', 'x y', 'r.io:0', 'r.io:99999', '-r.io'])
      assert.throws(() => parseRegistry(text), /is not a registry/, text);
  });
});

describe('credentials in a reference', () => {
  const written = [
    'bob:canary@host/app',
    'https://bob:canary@host/app',
    'bob:canary/1@host/app:1',
    `bob:c@canary@host/a@${digest}`,
  ];
  for (const text of written)
    it(`${text.replaceAll(secret, 'SECRET')} is refused, and they are not shown`, () => {
      for (const parse of [parseReference, parseRepository, parseRegistry])
        assert.throws(
          () => parse(text),
          (error: Error) => !inspect(error).includes(secret),
        );
      assert.ok(!withoutCredentials(`copy ${text} oci:x`).includes(secret));
    });

  it('a registry with them is refused, and they are not shown', () => {
    assert.throws(
      () => parseRegistry('bob:canary@host'),
      (error: Error) => !inspect(error).includes(secret),
    );
  });

  it('what has none stays as it is', () => {
    const text = `copy redis:7@${digest} alpine@latest a@b https://host:5000/app oci:/x`;
    assert.equal(withoutCredentials(text), text);
  });
});
