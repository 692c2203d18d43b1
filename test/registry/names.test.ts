import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import fc from 'fast-check';
import { repositoryName } from '../../src/registry/names.ts';
import { parseChunkRange, parseRanges } from '../../src/registry/ranges.ts';
import { parseRoute, parseTarget } from '../../src/registry/route.ts';

group('the name of a repository', () => {
  for (const [path, ns, full, short] of [
    ['app', undefined, 'localhost/app', 'app'],
    ['team/app', undefined, 'localhost/team/app', 'team/app'],
    ['localhost/app', undefined, 'localhost/app', 'app'],
    ['docker.io/library/redis', undefined, 'docker.io/library/redis', 'docker.io/library/redis'],
    ['library/redis', 'docker.io', 'docker.io/library/redis', 'docker.io/library/redis'],
    ['redis', 'docker.io', 'docker.io/library/redis', 'docker.io/library/redis'],
    ['app', 'registry.example.com:5000', 'registry.example.com:5000/app', 'registry.example.com:5000/app'],
    ['my.app', undefined, 'localhost/my.app', 'my.app'],
    ['a.b/app', 'localhost', 'localhost/a.b/app', 'localhost/a.b/app'],
  ] as const) {
    it(`${path} with ns ${ns} is ${full}`, () => {
      const name = repositoryName(path, ns, 'localhost');
      assert.equal(name.full, full);
      assert.equal(name.short, short);
    });
  }

  it('is that of the upstream for a mirror', () => {
    assert.equal(repositoryName('library/redis', undefined, 'docker.io').full, 'docker.io/library/redis');
    assert.equal(repositoryName('library/redis', undefined, 'docker.io').short, 'library/redis');
  });

  it('has one short name for each full one, and the short one leads back', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?$/);
    const paths = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(
        paths,
        fc.option(fc.constantFrom('docker.io', 'localhost', 'ghcr.io', 'a:1'), { nil: undefined }),
        (path, ns) => {
          const name = repositoryName(path, ns, 'localhost');
          if (!name.short.includes(':')) assert.deepEqual(repositoryName(name.short, undefined, 'localhost'), name);
        },
      ),
    );
  });

  for (const path of [
    '',
    '/',
    'A',
    'a//b',
    '../etc',
    'a/..',
    '.',
    '_uploads',
    'a/_layers',
    '-a',
    'a-',
    'a'.repeat(256),
    'a b',
    'ä',
    'a:b',
    'a@b',
    'a\0b',
  ]) {
    it(`is never ${JSON.stringify(path.slice(0, 20))}`, () => {
      assert.throws(() => repositoryName(path, undefined, 'localhost'), { name: 'DrayError' });
    });
  }

  for (const ns of ['', '..', 'a/b', 'evil.example/../', 'host:99999', ' ', 'a\r\nb']) {
    it(`cannot come from the ns ${JSON.stringify(ns)}`, () => {
      assert.throws(() => repositoryName('app', ns, 'localhost'), { name: 'DrayError' });
    });
  }
});

group('a path', () => {
  for (const [path, route] of [
    ['/v2', { kind: 'ping' }],
    ['/v2/', { kind: 'ping' }],
    ['/v2/_catalog', { kind: 'catalog' }],
    ['/v2/a/b/tags/list', { kind: 'tags', path: 'a/b' }],
    ['/v2/a/manifests/x', { kind: 'manifest', path: 'a', reference: 'x' }],
    ['/v2/manifests/manifests/manifests', { kind: 'manifest', path: 'manifests', reference: 'manifests' }],
    ['/v2/a/blobs/sha256%3Aab', { kind: 'blob', path: 'a', digest: 'sha256:ab' }],
    ['/v2/a/blobs/uploads', { kind: 'uploads', path: 'a' }],
    ['/v2/a/blobs/uploads/', { kind: 'uploads', path: 'a' }],
    ['/v2/a/blobs/uploads/id', { kind: 'upload', path: 'a', id: 'id' }],
    ['/v2/blobs/uploads/blobs/uploads/', { kind: 'uploads', path: 'blobs/uploads' }],
    ['/v2/a/referrers/sha256:ab', { kind: 'referrers', path: 'a', digest: 'sha256:ab' }],
    ['/v2/a%2F..%2Fb/manifests/x', undefined],
    ['/v2/%/manifests/x', undefined],
    ['/v1/', undefined],
    ['/', undefined],
    ['//v2/', undefined],
    ['/v2/a/tags/', undefined],
    ['/v2/a', undefined],
  ] as const) {
    it(`${path} means ${JSON.stringify(route) ?? 'nothing'}`, () => {
      assert.deepEqual(parseRoute(path), route);
    });
  }

  it('never gives a name with a part of its own making', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('/', '.', '%', '2', 'e', 'f', 'a', ':', '\\', '..') }), (text) => {
        const route = parseRoute(`/v2/${text}/manifests/x`);
        if (route === undefined || !('path' in route)) return;
        try {
          repositoryName(route.path, undefined, 'localhost');
        } catch {
          return;
        }
        assert.match(route.path, /^[a-z0-9]/);
        assert.ok(!route.path.split('/').some((part) => part === '..' || part === '.' || part === ''));
      }),
    );
  });

  it('is split from its query where it has one', () => {
    assert.equal(parseTarget('/v2/?a=b?c').query.get('a'), 'b?c');
    assert.throws(() => parseTarget('http://elsewhere/v2/'));
  });
});

group('ranges', () => {
  it('lie within the blob and do not overlap, whatever is asked', () => {
    const spec = fc.tuple(fc.nat(200), fc.nat(200), fc.constantFrom('both', 'from', 'last')).map(([a, b, form]) => {
      return form === 'both' ? `${a}-${b}` : form === 'from' ? `${a}-` : `-${b}`;
    });
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 5 }), fc.nat(150), (specs, size) => {
        const ranges = parseRanges(`bytes=${specs.join(',')}`, size);
        if (typeof ranges === 'string') return;
        const sorted = [...ranges].sort((a, b) => a.first - b.first);
        for (const [index, { first, last }] of sorted.entries()) {
          assert.ok(first >= 0 && first <= last && last < size);
          assert.ok(index === 0 || first > (sorted[index - 1]?.last ?? -1));
        }
      }),
    );
  });

  it('of chunks are read in every spelling', () => {
    assert.deepEqual(parseChunkRange('0-9'), { first: 0, last: 9 });
    assert.deepEqual(parseChunkRange('bytes 5-9/10'), { first: 5, last: 9 });
    assert.deepEqual(parseChunkRange('bytes=5-9'), { first: 5, last: 9 });
    for (const wrong of ['', '-', '9-5', '1', 'a-b', '-5', '0-99999999999999999'])
      assert.equal(parseChunkRange(wrong), undefined);
  });
});
