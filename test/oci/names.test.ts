import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDocument } from '../../src/content/documents.ts';
import type { ArchiveImage } from '../../src/oci/archive-image.ts';
import { isRefName, namesOf, refNameOf } from '../../src/oci/names.ts';
import { parseIndex } from '../../src/spec/documents.ts';
import { randomImage } from '../../src/testing/random.ts';
import { fails, importEntries, layoutEntries, named, namesIn } from './images.ts';

const one = randomImage({ seed: 'one' });
const two = randomImage({ seed: 'two' });
const { digest } = one.root;

function image(more: Omit<Partial<ArchiveImage>, 'target'>): ArchiveImage {
  return { target: one.root, ...more };
}

describe('names of imported images', () => {
  it('a tag needs a prefix, and becomes a tag of it', () => {
    assert.deepEqual(namesOf(image({ refName: 'v1' }), {}), []);
    assert.deepEqual(namesOf(image({ refName: 'v1' }), { prefix: 'lab/app' }), ['docker.io/lab/app:v1']);
    assert.deepEqual(namesOf(image({ refName: '-bad-' }), { prefix: 'lab/app' }), []);
  });

  it('a whole name is canonicalised, and names nothing when it is no reference', () => {
    assert.deepEqual(namesOf(image({ refName: 'lab/app:v1' }), {}), ['docker.io/lab/app:v1']);
    assert.deepEqual(namesOf(image({ refName: 'app:v1' }), {}), ['docker.io/library/app:v1']);
    assert.deepEqual(namesOf(image({ refName: 'r.example:5000/app' }), {}), ['r.example:5000/app:latest']);
    assert.deepEqual(namesOf(image({ refName: 'a/../b:v1' }), {}), []);
    assert.deepEqual(namesOf(image({ refName: 'r.example/UPPER:1' }), {}), []);
  });

  it("containerd's name comes first and is taken as it is", () => {
    assert.deepEqual(namesOf(image({ imageName: 'Any/Text', refName: 'v1' }), {}), ['Any/Text']);
  });

  it("containerd's name is none when it would not be one word, and that no flag, of a command", () => {
    for (const imageName of [' ', '\n', 'a\nb:1', 'a b', '\u001b[31mred', 'a\u009b', '-rf:1', '--all'])
      assert.deepEqual(namesOf(image({ imageName, refName: 'v1' }), { prefix: 'lab/x', foreign: true }), []);
    for (const imageName of [`overlayfs@${digest}`, 'UPPER/Case', 'a', digest])
      assert.deepEqual(namesOf(image({ imageName }), {}), [imageName]);
  });

  it('a name with the digest of another object is none', () => {
    const forged = `docker.io/lab/app@${two.root.digest}`;
    for (const called of [{ imageName: forged }, { refName: forged }]) {
      assert.deepEqual(namesOf(image(called), {}), []);
      const byDigest = [`docker.io/lab/app@${digest}`];
      assert.deepEqual(namesOf(image(called), { prefix: 'lab/app', digests: 'unnamed' }), byDigest);
    }
    assert.deepEqual(namesOf(image({ imageName: digest }), {}), [digest]);
  });

  it('with a prefix nothing outside of it is named, unless that is allowed', () => {
    const prefix = 'r.example/team/app';
    const inside = [
      'r.example/team/app',
      'r.example/team/app:1',
      'r.example/team/app/sub:1',
      `r.example/team/app@${digest}`,
    ];
    for (const imageName of inside) assert.deepEqual(namesOf(image({ imageName }), { prefix }), [imageName]);
    const outside = [
      'r.example/team/apple:1',
      'r.example/team:1',
      'other.example/team/app:1',
      'r.example/team/app-x:1',
      'x',
    ];
    for (const imageName of outside) {
      assert.deepEqual(namesOf(image({ imageName }), { prefix }), []);
      assert.deepEqual(namesOf(image({ imageName }), { prefix, foreign: true }), [imageName]);
    }
    assert.deepEqual(namesOf(image({ refName: 'other.example/x:1' }), { prefix }), []);
    assert.deepEqual(namesOf(image({ refName: 'other.example/x:1' }), { prefix, foreign: true }), [
      'other.example/x:1',
    ]);
  });

  it('a translation takes the place of the prefix, but not of whole names', () => {
    const translate = (refName: string): string | undefined => (refName === 'no' ? undefined : `<${refName}>`);
    assert.deepEqual(namesOf(image({ refName: 'v1' }), { translate, prefix: 'x' }), ['<v1>']);
    assert.deepEqual(namesOf(image({ refName: 'no' }), { translate }), []);
    assert.deepEqual(namesOf(image({ imageName: 'a:1', refName: 'v1' }), { translate }), ['a:1']);
    assert.deepEqual(namesOf(image({ refName: 'latest' }), { translate: (refName) => refName }), ['latest']);
  });

  it('names by digest for all or for those without another', () => {
    const prefix = 'lab/app';
    const byDigest = `docker.io/lab/app@${digest}`;
    assert.deepEqual(namesOf(image({}), { prefix, digests: 'unnamed' }), [byDigest]);
    assert.deepEqual(namesOf(image({ refName: 'v1' }), { prefix, digests: 'unnamed' }), ['docker.io/lab/app:v1']);
    assert.deepEqual(namesOf(image({ refName: 'v1' }), { prefix, digests: 'all' }), ['docker.io/lab/app:v1', byDigest]);
    assert.deepEqual(namesOf(image({}), { digests: 'all', digestName: (of) => `import@${of}` }), [`import@${digest}`]);
    assert.throws(() => namesOf(image({}), { digests: 'all' }), /need a repository/);
  });

  it('a referrer gets no name', () => {
    assert.deepEqual(namesOf(image({ imageName: 'a:1', subject: digest }), { digests: 'all', prefix: 'x' }), []);
  });
});

describe('importing under names', () => {
  const both = layoutEntries(
    [...one.blobs, ...two.blobs],
    [named(one.root, 'v1', { 'io.containerd.image.name': 'docker.io/lab/app:v1' }), named(two.root, 'v2')],
  );

  it('what got no name is reported', async () => {
    const { services, result } = await importEntries(both);
    assert.deepEqual(await namesIn(services), { 'docker.io/lab/app:v1': one.root.digest });
    assert.deepEqual(result.unnamed, [{ target: two.root, refName: 'v2' }]);
  });

  it('one image under a given name, picked by the tag of that name, or by an object', async () => {
    const pick = async (name: string, object?: string): Promise<Record<string, string>> =>
      namesIn((await importEntries(both, { name, object })).services);
    assert.deepEqual(await pick('my/own:v2'), { 'my/own:v2': two.root.digest });
    assert.deepEqual(await pick('my/own:v1'), { 'my/own:v1': one.root.digest });
    assert.deepEqual(await pick(`my/own@${two.root.digest}`), { [`my/own@${two.root.digest}`]: two.root.digest });
    assert.deepEqual(await pick('other:9', 'v2'), { 'other:9': two.root.digest });
    assert.deepEqual(await pick('other:9', two.root.digest), { 'other:9': two.root.digest });
    assert.deepEqual(await pick('other:9', `v1@${two.root.digest}`), { 'other:9': two.root.digest });
    assert.deepEqual(await pick('other:9', '@'.concat(two.root.digest)), { 'other:9': two.root.digest });
    assert.deepEqual(await pick('other:9', 'lab/app:v1'), { 'other:9': one.root.digest });
  });

  it('what is not there, or not one, is an error that says what there is', async () => {
    await fails(importEntries(both, { name: 'x:1', object: 'v3' }), 'not-found', /"v3"/);
    await fails(importEntries(both, { name: 'x:other' }), 'invalid-argument', /several images/);
  });

  it('the only image needs no name of its own', async () => {
    const single = layoutEntries(one.blobs, [named(one.root, 'whatever')]);
    const { services } = await importEntries(single, { name: 'my/own:v9', labels: { team: 'a' } });
    assert.deepEqual(await namesIn(services), { 'my/own:v9': one.root.digest });
    assert.deepEqual((await services.images.get('my/own:v9')).labels, { team: 'a' });
    await fails(importEntries(single, { name: 'my/own:v9', object: 'v9' }), 'not-found');
  });

  it('an index name stands for the whole index', async () => {
    const { services } = await importEntries(both, { indexName: 'everything' });
    const { target } = await services.images.get('everything');
    const { labels } = await services.content.info(target.digest);
    assert.deepEqual(Object.values(labels), [one.root.digest, two.root.digest]);
  });

  it('of a docker-archive, which has none, an index is made', async () => {
    const config = JSON.stringify({ os: 'linux', architecture: 'arm64', rootfs: { type: 'layers', diff_ids: [] } });
    const items = [{ Config: 'c', RepoTags: ['a:1', 'b:1'], Layers: [] }];
    const entries = [
      { name: 'c', data: config },
      { name: 'manifest.json', data: JSON.stringify(items) },
    ];
    const { services, result } = await importEntries(entries, { indexName: 'everything' });
    assert.deepEqual(Object.keys(await namesIn(services)), [
      'docker.io/library/a:1',
      'docker.io/library/b:1',
      'everything',
    ]);
    const index = await readDocument(services.content, (await services.images.get('everything')).target);
    const [first] = parseIndex(index).manifests;
    assert.equal(first?.digest, result.images.at(-1)?.target.digest);
    assert.equal(first?.annotations?.['io.containerd.image.name'], 'docker.io/library/a:1');
  });

  it('a name that stands for something else is not moved unless told, and then nothing is named', async () => {
    const { services } = await importEntries(layoutEntries(two.blobs, [named(two.root, 'lab/app:v1')]));
    const more = layoutEntries([...one.blobs], [named(one.root, 'aaa/first:1'), named(one.root, 'lab/app:v1')]);
    await fails(importEntries(more, {}, services), 'already-exists', /stands for/);
    assert.deepEqual(await namesIn(services), { 'docker.io/lab/app:v1': two.root.digest });
    const { result } = await importEntries(more, { overwrite: true }, services);
    assert.deepEqual(
      result.images.map(({ outcome }) => outcome),
      ['created', 'updated'],
    );
    assert.deepEqual(await namesIn(services), {
      'docker.io/aaa/first:1': one.root.digest,
      'docker.io/lab/app:v1': one.root.digest,
    });
  });

  it('one name for two different images is refused; twice the same is not', async () => {
    const same = layoutEntries(one.blobs, [named(one.root, 'a/b:1'), named(one.root, 'a/b:1')]);
    await importEntries(same);
    const different = layoutEntries([...one.blobs, ...two.blobs], [named(one.root, 'a/b:1'), named(two.root, 'a/b:1')]);
    await fails(importEntries(different), 'invalid-argument', 'bad-archive', /two different images/);
  });
});

describe('names in layouts', () => {
  it('keeps the grammar of the specification', () => {
    for (const name of [
      'latest',
      'v1.0.0-vendor.0',
      'docker.io/library/alpine:3.19',
      `a@${digest}`,
      'a--b',
      'a+b',
      'a:b',
    ])
      assert.ok(isRefName(name), name);
    for (const name of ['', `@${digest}`, 'a__b', 'a..b', 'a-', '-a', 'a/', '/a', 'a b', 'a---b', 'ä'])
      assert.ok(!isRefName(name), name);
  });

  it('a name is written as its tag, or whole', () => {
    assert.equal(refNameOf('docker.io/library/alpine:3.19'), '3.19');
    assert.equal(refNameOf(`r.example/app@${digest}`), `r.example/app@${digest}`);
    assert.equal(refNameOf('r.example/app:1_'), undefined);
    assert.equal(refNameOf('Any Text'), undefined);
  });
});
