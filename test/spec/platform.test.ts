import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import {
  allPlatforms,
  anyOf,
  compareOptional,
  defaultMatcher,
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  only,
  onlyStrict,
  ordered,
  type Platform,
  parsePlatform,
} from '../../src/spec/platform.ts';

const p = parsePlatform;

describe('platform', () => {
  const spelled: readonly [string, string][] = [
    ['linux/amd64', 'linux/amd64'],
    ['Linux/x86_64', 'linux/amd64'],
    ['linux/x86-64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/v9.0', 'linux/arm64/v9'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/i386', 'linux/386'],
    ['macos/arm64', 'darwin/arm64'],
    ['windows(10.0.17763)/amd64', 'windows(10.0.17763)/amd64'],
    ['linux(+b+a)/amd64', 'linux(+a+b)/amd64'],
    ['linux/riscv64', 'linux/riscv64'],
  ];
  for (const [text, normal] of spelled) {
    it(`${text} is ${normal}`, () => {
      assert.equal(formatPlatform(p(text)), normal);
      assert.deepEqual(p(normal), p(text));
    });
  }

  it('a lone part is completed from this machine', () => {
    const host = hostPlatform();
    assert.equal(p('linux').architecture, host.architecture);
    assert.equal(p('arm64').os, host.os);
  });

  for (const text of [
    '',
    '/',
    'linux/',
    '*',
    'linux/*',
    'a/b/c/d',
    'nonsense',
    'linux/am d64',
    'linux(/amd64',
    '../..',
  ]) {
    it(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(
        () => p(text),
        (error: unknown) => error instanceof DrayError && error.kind === 'invalid-argument',
      );
    });
  }

  it('a parsed platform is read back as it was written', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,6}$/);
    const version = fc.option(fc.stringMatching(/^\d{1,3}\.\d\.\d{1,5}$/), { nil: undefined });
    const features = fc.uniqueArray(fc.stringMatching(/^[a-z0-9%+/()]{1,5}$/), { maxLength: 3 });
    fc.assert(
      fc.property(
        part,
        part,
        fc.option(part, { nil: undefined }),
        version,
        features,
        (os, architecture, variant, osVersion, list) => {
          const made = normalizePlatform({
            os,
            architecture,
            ...(variant === undefined ? {} : { variant }),
            ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
            ...(list.length === 0 ? {} : { 'os.features': list }),
          });
          assert.deepEqual(p(formatPlatform(made)), made);
        },
      ),
    );
  });

  const runs: readonly [string, string[], string[]][] = [
    ['linux/amd64', ['linux/amd64', 'linux/386'], ['linux/amd64/v2', 'linux/arm64', 'windows/amd64']],
    ['linux/amd64/v3', ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386'], ['linux/amd64/v4']],
    ['linux/arm/v7', ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5'], ['linux/arm/v8', 'linux/arm64']],
    ['linux/arm64', ['linux/arm64', 'linux/arm/v8', 'linux/arm/v7', 'linux/arm/v5'], ['linux/arm64/v9', 'linux/amd64']],
    ['linux/arm64/v8.2', ['linux/arm64/v8.2', 'linux/arm64/v8.1', 'linux/arm64', 'linux/arm/v8'], ['linux/arm64/v8.3']],
    [
      'linux/arm64/v9.1',
      ['linux/arm64/v9.1', 'linux/arm64/v9', 'linux/arm64/v8.6', 'linux/arm64', 'linux/arm/v7'],
      ['linux/arm64/v8.7', 'linux/arm64/v9.2'],
    ],
    ['linux/s390x', ['linux/s390x'], ['linux/amd64']],
    ['linux/386', ['linux/386'], ['linux/amd64']],
  ];
  for (const [host, accepted, refused] of runs) {
    it(`${host} runs ${accepted.join(', ')}, best first, and nothing else`, () => {
      const matcher = only(p(host));
      for (const candidate of refused) assert.equal(matcher.matches(p(candidate)), false, candidate);
      for (const candidate of accepted) assert.equal(matcher.matches(p(candidate)), true, candidate);
      const shuffled = [...accepted]
        .reverse()
        .map(p)
        .sort((a, b) => matcher.compare(a, b));
      assert.deepEqual(
        shuffled.map(formatPlatform),
        accepted.map((text) => formatPlatform(p(text))),
      );
      assert.deepEqual(
        accepted.filter((text) => onlyStrict(p(host)).matches(p(text))),
        [host],
      );
    });
  }

  it('Windows containers need a host of their build, or a newer one from 20348 on', () => {
    const old = only(p('windows(10.0.17763.1)/amd64'));
    assert.equal(old.matches(p('windows(10.0.17763.9)/amd64')), true);
    assert.equal(old.matches(p('windows(10.0.14393)/amd64')), false);
    assert.equal(old.matches(p('windows/amd64')), true);
    const current = only(p('windows(10.0.26100)/amd64'));
    assert.equal(current.matches(p('windows(10.0.20348)/amd64')), true);
    assert.equal(current.matches(p('windows(10.0.17763)/amd64')), false);
    assert.equal(current.matches(p('windows(10.0.26200)/amd64')), false);
  });

  it('a wish for features takes only candidates that need no others', () => {
    const matcher = onlyStrict(p('linux(+a+b)/amd64'));
    assert.equal(matcher.matches(p('linux(+a)/amd64')), true);
    assert.equal(matcher.matches(p('linux(+c)/amd64')), false);
  });

  for (const host of ['darwin/arm64', 'windows(10.0.20348)/arm64'])
    it(`a host of ${host} runs Linux images when there is none of its own`, () => {
      const matcher = defaultMatcher(p(host));
      const candidates = ['linux/arm64', host, 'linux/amd64'].map(p).filter((one) => matcher.matches(one));
      assert.deepEqual(candidates.sort((a, b) => matcher.compare(a, b)).map(formatPlatform), [
        formatPlatform(p(host)),
        'linux/arm64',
      ]);
    });

  it('lists of platforms are ordered or not, and all is all', () => {
    const list = [p('linux/arm64'), p('linux/amd64')];
    assert.ok(ordered(list).compare(p('linux/amd64'), p('linux/arm64')) > 0);
    assert.equal(anyOf(list).compare(p('linux/amd64'), p('linux/arm64')), 0);
    assert.equal(anyOf(list).matches(p('linux/386')), false);
    assert.equal(allPlatforms.matches({ os: 'unknown', architecture: 'unknown' }), true);
  });

  it('an operating system that is not said is that of this machine', () => {
    const matcher = only({ os: hostPlatform().os, architecture: 'amd64' });
    assert.ok(matcher.matches({ os: '', architecture: 'amd64' }));
    assert.equal(only(p('plan9/amd64')).matches({ os: '', architecture: 'amd64' }), false);
  });

  it('what names none comes last, whatever it is compared with', () => {
    const [arm, amd] = [p('linux/arm64'), p('linux/amd64')];
    const compare = (a: Platform | undefined, b: Platform | undefined): number =>
      compareOptional(ordered([amd, arm]), a, b);
    // Not of the platforms themselves, since a sort does not compare what is undefined.
    const sorted = [{}, { of: arm }, {}, { of: amd }].sort((a: { of?: Platform }, b: { of?: Platform }) =>
      compare(a.of, b.of),
    );
    assert.deepEqual(sorted, [{ of: amd }, { of: arm }, {}, {}]);
  });
});
