import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { because, DrayError, is } from '../../src/errors.ts';
import { nextLink } from '../../src/remotes/docker/pages.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { type Digest, digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { referrersTag } from '../../src/spec/referrers.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { document, type RandomBlob, randomBlob, randomImage } from '../../src/testing/random.ts';
import { type Quirks, registryFailure, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { about, emptyConfig } from '../support/referrers.ts';
import { openerOf, quickClient } from '../support/registry-client.ts';

const image = randomImage({ seed: 'lists', layers: [10] });

type Client = ReturnType<typeof quickClient>;

async function scene(
  quirks: Quirks,
  test: (registry: ScriptedRegistry, name: string, client: Client) => Promise<void>,
): Promise<void> {
  await using registry = await ScriptedRegistry.start({ quirks });
  registry.add('team/app', image, ...tags);
  await using client = quickClient();
  await test(registry, `${registry.host}/team/app`, client);
}

const tags = Array.from({ length: 25 }, (_, index) => `v${index}`);

describe('lists of tags', () => {
  it('are read to the end, page by page', async () => {
    await scene({ pageSize: 10 }, async (registry, name, client) => {
      assert.deepEqual(await Array.fromAsync(client.tags(name)), tags);
      assert.equal(registry.requests.length, 3);
    });
  });

  it('are read no further than somebody wants', async () => {
    await scene({ pageSize: 10 }, async (registry, name, client) => {
      for await (const tag of client.tags(name)) if (tag === 'v5') break;
      assert.equal(registry.requests.length, 1);
    });
  });

  for (const link of ['absolute', 'unquoted', 'several'] as const) {
    it(`go on at a link that is ${link}`, async () => {
      await scene({ pageSize: 10, link }, async (_registry, name, client) => {
        assert.deepEqual(await Array.fromAsync(client.tags(name)), tags);
      });
    });
  }

  it('go on where a page broke off', async () => {
    await scene({ pageSize: 10 }, async (registry, name, client) => {
      registry.script(
        { on: 'GET *', times: 1, truncateAfter: 10 },
        { on: 'GET *', after: 1, times: 1, resetAfter: 10 },
      );
      assert.deepEqual(await Array.fromAsync(client.tags(name)), tags);
      assert.equal(registry.requests.length, 5);
    });
  });

  it('end with an error where a page comes twice, and where there is no end', async () => {
    for (const link of ['loop', 'endless'] as const) {
      await scene({ pageSize: 10, link }, async (registry, name, client) => {
        if (link === 'endless') registry.script({ on: /n=/, after: 50, answer: { status: 500 } });
        await assert.rejects(
          Array.fromAsync(client.tags(name)),
          (error) => error instanceof DrayError && error.context.hint !== undefined,
        );
        if (link === 'loop') assert.ok(registry.requests.length <= 3);
      });
    }
  });

  it('are never asked for in more than a thousand at once, which ECR refuses', async () => {
    await scene({ largestPage: 1000 }, async (_registry, name, client) => {
      assert.deepEqual(await Array.fromAsync(client.tags(name)), tags);
    });
  });

  it('may be null where they are empty, as in Harbor and GitLab, and have more in them, as in Google’s', async () => {
    await scene(
      { nullLists: true, tagListExtras: { child: [], manifest: { 'sha256:x': { tag: [] } } } },
      async (registry, name, client) => {
        registry.repository('team/app').tags.clear();
        assert.deepEqual(await Array.fromAsync(client.tags(name)), []);
      },
    );
  });

  it('leave out what no reference can hold', async () => {
    await scene({}, async (registry, name, client) => {
      registry.script({
        on: 'GET *',
        answer: { status: 200, body: JSON.stringify({ tags: ['ok', '../x', 'a b', ''] }) },
      });
      assert.deepEqual(await Array.fromAsync(client.tags(name)), ['ok']);
    });
  });

  it('that are none are an error that says so', async () => {
    for (const body of ['<html>', '[]', '{"tags":[1]}', '"x"', '']) {
      await scene({}, async (registry, name, client) => {
        registry.script({ on: 'GET *', answer: { status: 200, body } });
        await assert.rejects(Array.fromAsync(client.tags(name)), (error) => because(error, 'bad-document'), body);
      });
    }
  });

  it('of a repository that is not there are not there', async () => {
    await scene({}, async (registry, _name, client) => {
      await fails(Array.fromAsync(client.tags(`${registry.host}/team/none`)), 'not-found');
    });
  });

  it('of a name with a tag are a mistake', async () => {
    await using client = quickClient();
    assert.throws(
      () => client.tags('r.io/app:1'),
      (error) => is(error, 'invalid-argument'),
    );
  });
});

describe('the list of repositories', () => {
  it('is read to the end', async () => {
    await scene({ pageSize: 2 }, async (registry, _name, client) => {
      for (const name of ['a', 'b', 'c/d']) registry.repository(name);
      assert.deepEqual(await Array.fromAsync(client.catalog(registry.host)), ['team/app', 'a', 'b', 'c/d']);
    });
  });

  it('leaves out what no reference can hold', async () => {
    await scene({}, async (registry, _name, client) => {
      const repositories = ['-rf', 'a/b', 'a\nb', '\u001b[31mred', '../x', 'UPPER', ''];
      registry.script({ on: 'GET *', answer: { status: 200, body: JSON.stringify({ repositories }) } });
      assert.deepEqual(await Array.fromAsync(client.catalog(registry.host)), ['a/b']);
    });
  });

  it('is an error where a registry does not tell', async () => {
    await scene({}, async (registry, _name, client) => {
      registry.script({ on: 'GET *', answer: registryFailure(405, 'UNSUPPORTED') });
      await fails(Array.fromAsync(client.catalog(registry.host)), 'not-implemented');
    });
  });
});

describe('links', () => {
  it('are found in all ways of writing them', () => {
    assert.equal(nextLink(['</a>; rel="next"']), '/a');
    assert.equal(nextLink(['</a>;rel=next']), '/a');
    assert.equal(nextLink(['</a>; REL=Next ; title="x"']), '/a');
    assert.equal(nextLink(['</p>; rel="prev", </n?a=1,2>; rel="next"']), '/n?a=1,2');
    assert.equal(nextLink(['</p>; rel=prev', '</n>; title="a, b; rel=next"; rel="last next"']), '/n');
    assert.equal(nextLink(['</p>; rel="nextish"', '</q>; rel="prev"', '']), undefined);
    assert.equal(nextLink(['</p>; title="rel=next"']), undefined);
  });
});

const signature = about(image.root, '1', 'application/vnd.example.signature');
const bill = about(image.root, '2', 'application/vnd.example.bill');

async function attach(registry: ScriptedRegistry, client: Client, ...documents: readonly RandomBlob[]): Promise<void> {
  registry.repository('team/app').addBlob(emptyConfig.bytes);
  for (const { descriptor, bytes } of documents) {
    const pusher = await client.pusher(`${registry.host}/team/app@${descriptor.digest}`);
    await pusher.push(descriptor, openerOf(bytes));
  }
}

async function typesOf(list: AsyncIterable<Descriptor>): Promise<(string | undefined)[]> {
  return (await Array.fromAsync(list)).map(({ artifactType }) => artifactType);
}

const types = ['application/vnd.example.signature', 'application/vnd.example.bill'];

describe('referrers', () => {
  it('are listed by the registry', async () => {
    await scene({ pageSize: 1 }, async (registry, name, client) => {
      await attach(registry, client, signature, bill);
      registry.clear();
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), types);
      assert.equal(registry.requests.length, 2);
      assert.deepEqual(await typesOf(client.referrers(`${name}:v0`)), types);
    });
  });

  it('are listed by the registry though a page broke off', async () => {
    await scene({ pageSize: 1 }, async (registry, name, client) => {
      await attach(registry, client, signature, bill);
      registry.script({ on: 'GET *referrers*', times: 2, truncateAfter: 10 });
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), types);
    });
  });

  it('are filtered by the registry, or here where it does not', async () => {
    for (const ignoresArtifactType of [false, true]) {
      await scene({ ignoresArtifactType }, async (registry, name, client) => {
        await attach(registry, client, signature, bill);
        const list = client.referrers(`${name}@${image.root.digest}`, { artifactType: 'application/vnd.example.bill' });
        assert.deepEqual(await typesOf(list), ['application/vnd.example.bill']);
      });
    }
  });

  it('are asked for again where they were listed, whatever the registry said in between', async () => {
    await scene({}, async (registry, name, client) => {
      await attach(registry, client, signature, bill);
      const list = (): Promise<unknown[]> => typesOf(client.referrers(`${name}@${image.root.digest}`));
      assert.deepEqual(await list(), types);
      registry.script({ on: 'GET *referrers*', times: 1, answer: registryFailure(404, 'NOT_FOUND') });
      await list();
      assert.deepEqual(await list(), types);
    });
  });

  const withoutApi: readonly (readonly [string, Quirks['referrers']])[] = [
    ['answers 404, as docker-registry and Docker Hub do', 404],
    ['answers 400, as Quay did', 400],
    ['answers 405', 405],
    ['answers 406', 406],
    ['answers 501', 501],
    ['sends us to another site, as GHCR did', { redirect: 'https://api.example.com/graph' }],
    ['shows a login page, as Google’s does', 'page'],
    ['answers with another document', 'other-type'],
  ];
  for (const [what, referrers] of withoutApi) {
    it(`are kept and found under a tag where a registry ${what}`, async () => {
      await scene({ referrers }, async (registry, name, client) => {
        await attach(registry, client, signature, bill);
        assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), types);
        const list = client.referrers(`${name}@${image.root.digest}`, { artifactType: types[1] });
        assert.deepEqual(await typesOf(list), [types[1]]);
        const index = registry.repository('team/app').find(referrersTag(image.root.digest));
        assert.equal(JSON.parse(Buffer.from(index?.bytes ?? []).toString()).manifests[0].annotations.id, '1');
      });
    });
  }

  it('are listed under a tag by the type of their config where they have none of their own', async () => {
    await scene({ referrers: 404 }, async (registry, name, client) => {
      const config = { ...emptyConfig.descriptor, mediaType: 'application/vnd.example.config' };
      const old = document(mediaTypes.ociManifest, { schemaVersion: 2, config, layers: [], subject: image.root });
      await attach(registry, client, old, signature);
      const list = client.referrers(`${name}@${image.root.digest}`, { artifactType: config.mediaType });
      assert.deepEqual(
        (await Array.fromAsync(list)).map(({ digest }) => digest),
        [old.descriptor.digest],
      );
    });
  });

  it('are listed by one repository though another of the host has no such list', async () => {
    await scene({}, async (registry, name, client) => {
      registry.script({ on: '*/team/other/referrers/*', answer: registryFailure(404, 'MANIFEST_UNKNOWN') });
      await attach(registry, client, signature);
      const elsewhere = client.referrers(`${registry.host}/team/other@${image.root.digest}`);
      assert.deepEqual(await typesOf(elsewhere), []);
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), [types[0]]);
    });
  });

  it('of nothing are none, and are said to be none of a repository that is not there', async () => {
    await scene({ referrers: 404 }, async (_registry, name, client) => {
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), []);
    });
    await scene({}, async (registry, name, client) => {
      registry.script({ on: '*/referrers/*', answer: registryFailure(404, 'NAME_UNKNOWN') });
      await fails(Array.fromAsync(client.referrers(`${name}@${image.root.digest}`)), 'not-found');
    });
  });

  it('stay all in the list when many are pushed at once', async () => {
    await scene({ referrers: 404 }, async (registry, name, client) => {
      const many = Array.from({ length: 12 }, (_, index) =>
        about(image.root, `${index}`, `application/vnd.example.${index}`),
      );
      await attach(registry, client);
      await Promise.all(many.map((one) => attach(registry, client, one)));
      assert.equal((await typesOf(client.referrers(`${name}@${image.root.digest}`))).length, 12);
    });
  });

  it('stay in the list when another client writes it at the same moment', async () => {
    await scene({ referrers: 404 }, async (registry, name, client) => {
      await attach(registry, client, signature);
      await using other = quickClient();
      const tag = referrersTag(image.root.digest);
      const repository = registry.repository('team/app');
      const before = repository.find(tag);
      assert.ok(before);
      // What the other one wrote is lost once, as if somebody with the older list had written behind it.
      const pushing = attach(registry, other, bill);
      while (
        !registry
          .log()
          .some((line) => line.startsWith(`PUT /v2/team/app/manifests/${tag} 201`) && registry.requests.length > 6)
      ) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      repository.tags.set(tag, before.digest);
      await pushing;
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), types);
    });
  });

  for (const [what, version] of [
    ['by its digest', `@${signature.descriptor.digest}`],
    ['under a tag', ':signature'],
  ]) {
    it(`get into the list in the end when the push of one, ${what}, was stopped in front of it`, async () => {
      await scene({ referrers: 404 }, async (registry, name, client) => {
        registry.repository('team/app').addBlob(emptyConfig.bytes);
        registry.script({
          on: `PUT /v2/team/app/manifests/${referrersTag(image.root.digest)}`,
          answer: { status: 403 },
        });
        const listed = { ...signature.descriptor, artifactType: types[0] };
        const push = async (): Promise<string> =>
          await (await client.pusher(`${name}${version}`)).push(listed, openerOf(signature.bytes));
        await fails(push(), 'permission-denied');
        registry.clear();
        await push();
        assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), [types[0]]);
      });
    });
  }

  it('that are there are not read again where a registry lists them', async () => {
    await scene({}, async (registry, name, client) => {
      await attach(registry, client, signature);
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), [types[0]]);
      registry.clear();
      const pusher = await client.pusher(`${name}@${signature.descriptor.digest}`);
      const listed = { ...signature.descriptor, artifactType: types[0] };
      assert.equal(await pusher.push(listed, openerOf(signature.bytes)), 'exists');
      assert.equal(registry.requests.length, 1);
    });
  });

  it('are not written over a tag that is something else', async () => {
    await scene({ referrers: 404 }, async (registry, _name, client) => {
      const tag = referrersTag(image.root.digest);
      registry.repository('team/app').tags.set(tag, image.root.digest);
      await fails(attach(registry, client, signature), 'bad-document');
      assert.equal(registry.repository('team/app').tags.get(tag), image.root.digest);
    });
  });

  it('are not themselves: a list that names its subject, or an entry twice, is cleaned', async () => {
    await scene({ referrers: 404 }, async (registry, name, client) => {
      const entry = { ...signature.descriptor, artifactType: types[0] };
      const list = document(mediaTypes.ociIndex, {
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
        manifests: [image.root, entry, entry],
      });
      registry.repository('team/app').addManifest(mediaTypes.ociIndex, list.bytes, referrersTag(image.root.digest));
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), [types[0]]);
    });
  });

  it('stay in the list when another list comes under its tag, as of a mirror of all tags', async () => {
    await scene({ referrers: 404 }, async (registry, name, client) => {
      const tag = referrersTag(image.root.digest);
      const pushList = async (...manifests: readonly Descriptor[]): Promise<Digest> => {
        const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
        const list = document(mediaTypes.ociIndex, index);
        await (await client.pusher(`${name}:${tag}`)).push(list.descriptor, openerOf(list.bytes));
        assert.ok(registry.repository('team/app').find(list.descriptor.digest));
        return list.descriptor.digest;
      };
      const tagged = () => registry.repository('team/app').tags.get(tag);
      const referrers = () => typesOf(client.referrers(`${name}@${image.root.digest}`));
      await attach(registry, client, signature);
      const [one, two] = [signature, bill].map(({ descriptor }, index) => ({
        ...descriptor,
        artifactType: types[index],
      }));
      assert.ok(one && two);
      assert.equal(await pushList(one), tagged());
      await attach(registry, client, bill);
      const own = tagged();
      await pushList(one);
      assert.equal(tagged(), own);
      await pushList(two);
      assert.deepEqual(await referrers(), types);
      assert.equal(await pushList(two, one), tagged());
      registry.repository('team/app').tags.set(tag, await pushList(one));
      await pushList(two);
      assert.deepEqual(await referrers(), types);
      // An image may have such a name as well.
      const platform = { os: 'linux', architecture: 'amd64' };
      assert.equal(await pushList({ ...image.root, platform }), tagged());
      assert.equal(await pushList(one), tagged());
    });
  });

  it('of a long digest are under a tag that is short enough', () => {
    const digest = digestOf('x', 'sha512');
    const tag = referrersTag(digest);
    assert.equal(tag, `sha512-${digest.slice(7, 71)}`);
    assert.equal(referrersTag('sha256+b64u:ab=c_d'), 'sha256-b64u-ab-c_d');
  });

  it('leave the list with their manifest', async () => {
    await scene({ referrers: 404 }, async (registry, name, client) => {
      await attach(registry, client, signature, bill);
      await client.delete(`${name}@${signature.descriptor.digest}`);
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), [types[1]]);
      await client.delete(`${name}@${bill.descriptor.digest}`);
      assert.deepEqual(await typesOf(client.referrers(`${name}@${image.root.digest}`)), []);
    });
  });
});

describe('tags named after a digest', () => {
  it('are found beside an object', async () => {
    await scene({}, async (registry, name, client) => {
      const { tags } = registry.repository('team/app');
      const beginning = referrersTag(image.root.digest);
      for (const tag of [`${beginning}.sig`, `${beginning}.att`, beginning, `sha256-${'0'.repeat(64)}.sig`])
        tags.set(tag, image.root.digest);
      assert.deepEqual(await Array.fromAsync(client.digestTags(`${name}:v1`)), [
        `${beginning}.sig`,
        `${beginning}.att`,
      ]);
    });
  });
});

describe('deleting', () => {
  it('a tag leaves the manifest', async () => {
    await scene({}, async (registry, name, client) => {
      await client.delete(`${name}:v1`);
      assert.equal(registry.requests.length, 1);
      assert.equal(registry.repository('team/app').tags.has('v1'), false);
      assert.ok(registry.repository('team/app').find(image.root.digest));
    });
  });

  it('a tag works where only manifests can be deleted, as in docker-registry, and hurts no other tag', async () => {
    await scene({ deletes: 'manifests-only' }, async (registry, name, client) => {
      await client.deleteTag(`${name}:v1`);
      const repository = registry.repository('team/app');
      assert.deepEqual(
        [...repository.tags.keys()],
        tags.filter((tag) => tag !== 'v1'),
      );
      assert.ok(repository.find(image.root.digest));
      await fails(client.deleteTag(`${name}:none`), 'not-found');
    });
  });

  it('a tag changes nothing where nothing can be deleted', async () => {
    await scene({ deletes: 'none' }, async (registry, name, client) => {
      await assert.rejects(
        client.deleteTag(`${name}:v1`),
        (error) => is(error, 'not-implemented') && error.context.status === 405,
      );
      assert.equal(registry.repository('team/app').tags.get('v1'), image.root.digest);
      await fails(client.delete(`${name}@${image.root.digest}`), 'not-implemented');
    });
  });

  it('a manifest takes its tags along, and is done when it is gone after an attempt that nobody answered', async () => {
    await scene({}, async (registry, name, client) => {
      registry.script({ on: 'DELETE *', times: 1, resetAnswer: true });
      await client.delete(`${name}@${image.root.digest}`);
      assert.equal(registry.repository('team/app').tags.size, 0);
      await fails(client.delete(`${name}@${image.root.digest}`), 'not-found');
    });
  });

  it('a manifest needs its digest', async () => {
    await using client = quickClient({ offline: true });
    await fails(client.deleteManifest('r.io/app:1'), 'invalid-argument');
    await fails(client.deleteTag(`r.io/app@${randomBlob(1, 'x').descriptor.digest}`), 'invalid-argument');
  });
});
