import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { because, DrayError, is } from '../../src/errors.ts';
import type { RegistryEvent } from '../../src/remotes/docker/events.ts';
import { type Algorithm, digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { document, randomBlob, randomImage } from '../../src/testing/random.ts';
import { type Quirks, type Rule, registryFailure, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { bytesOf, openerOf, pushAll, quickClient } from '../support/registry-client.ts';

const image = randomImage({ seed: 'quirks', layers: [1000], platforms: ['linux/amd64', 'linux/arm64'] });

async function withImage(
  quirks: Quirks,
  test: (
    registry: ScriptedRegistry,
    name: string,
    client: ReturnType<typeof quickClient>,
    events: RegistryEvent[],
  ) => Promise<void>,
): Promise<void> {
  await using registry = await ScriptedRegistry.start({ quirks });
  registry.add('team/app', image, '1');
  const events: RegistryEvent[] = [];
  await using client = quickClient({ onEvent: (event) => events.push(event) });
  await test(registry, `${registry.host}/team/app`, client, events);
}

describe('resolving', () => {
  it('a tag takes one HEAD', async () => {
    await withImage({}, async (registry, name, client) => {
      assert.deepEqual(await client.resolve(`${name}:1`), { name: `${name}:1`, target: image.root });
      assert.deepEqual(registry.log(), ['HEAD /v2/team/app/manifests/1 200']);
    });
  });

  const headsThatSayTooLittle: readonly (readonly [string, Quirks])[] = [
    ['without a digest, as old registries and some proxies send it', { digestHeader: 'never' }],
    ['without a length, as tiny servers send it', { headWithoutLength: true }],
    ['without a media type', { manifestType: '' }],
    [
      'with a media type that says nothing, as an old Red Hat registry sent it',
      { manifestType: 'text/plain; charset=utf-8' },
    ],
    ['with a digest that is none', { digestHeader: { is: 'sha256:short' } }],
    ['with a digest of an algorithm that nobody has', { digestHeader: { is: 'md5:d41d8cd98f00b204e9800998ecf8427e' } }],
    ['with 404 for what is there, as Nexus answers it', { headManifest: 404 }],
    ['with 405', { headManifest: 405 }],
    ['with 403', { headManifest: 403 }],
  ];
  for (const [what, quirks] of headsThatSayTooLittle) {
    it(`goes by GET after a HEAD ${what}, and straight to GET the next time`, async () => {
      await withImage(quirks, async (registry, name, client) => {
        assert.deepEqual((await client.resolve(`${name}:1`)).target, image.root);
        assert.equal(registry.requests.length, 2);
        assert.deepEqual((await client.resolve(`${name}:1`)).target, image.root);
        assert.equal(registry.requests.length, 3);
        assert.equal(registry.requests.at(-1)?.method, 'GET');
      });
    });
  }

  it('takes what a HEAD calls by no name of a manifest for what it says itself', async () => {
    for (const type of ['application/x-json', 'text/html', 'APPLICATION/vnd.oci.image.INDEX.v1+json']) {
      await withImage({}, async (registry, name, client) => {
        registry.script({ on: 'HEAD *', headers: { 'content-type': type } });
        assert.deepEqual((await client.resolve(`${name}:1`)).target, image.root);
      });
    }
    const nameless = document('application/x-json', { schemaVersion: 2, manifests: [] });
    await withImage({}, async (registry, name, client) => {
      registry.repository('team/app').addManifest(nameless.descriptor.mediaType, nameless.bytes);
      registry.repository('team/app').tags.set('2', nameless.descriptor.digest);
      assert.equal((await client.resolve(`${name}:2`)).target.mediaType, mediaTypes.ociIndex);
    });
  });

  it('asks HEAD and GET with all the types there are, in one line', async () => {
    await withImage({ strictAccept: true, digestHeader: 'never' }, async (registry, name, client) => {
      assert.deepEqual((await client.resolve(`${name}:1`)).target, image.root);
      for (const { headers } of registry.requests) {
        for (const type of [
          mediaTypes.ociIndex,
          mediaTypes.ociManifest,
          mediaTypes.dockerManifest,
          mediaTypes.dockerManifestList,
        ]) {
          assert.ok(String(headers['accept']).includes(type));
        }
      }
    });
  });

  it('gets the index, not one of its manifests, from a registry that picks by Accept', async () => {
    await withImage({ picksPlatform: true }, async (_registry, name, client) => {
      assert.equal((await client.resolve(`${name}:1`)).target.mediaType, mediaTypes.ociIndex);
    });
  });

  it('reads the media type of a manifest without minding its parameters and its case', async () => {
    await withImage(
      { manifestType: 'APPLICATION/vnd.oci.image.INDEX.v1+json; charset=utf-8', headManifest: 405 },
      async (_r, name, client) => {
        assert.equal((await client.resolve(`${name}:1`)).target.mediaType, mediaTypes.ociIndex);
      },
    );
  });

  it('refuses a manifest that is not what it is sent as', async () => {
    await withImage({ manifestType: mediaTypes.ociManifest, headManifest: 405 }, async (_registry, name, client) => {
      await fails(client.resolve(`${name}:1`), 'bad-document');
    });
  });

  it('says that a page is no manifest', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.script({
      on: '* /v2/*',
      answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' },
    });
    await using client = quickClient();
    await fails(client.resolve(`${registry.host}/team/app:1`), 'unavailable', /page/);
  });

  it('says so when nothing answers like a registry', async () => {
    await using registry = await ScriptedRegistry.start({ prefix: '/elsewhere' });
    await using client = quickClient();
    await fails(client.resolve(`${registry.host}/team/app:1`), 'not-found');
  });

  it('calls forbidden what a registry calls forbidden, though it may be missing, as in Artifactory', async () => {
    await withImage({ missingIsForbidden: true }, async (_registry, name, client) => {
      await assert.rejects(
        client.resolve(`${name}:none`),
        (error) => is(error, 'permission-denied') && error.context.codes?.[0] === 'DENIED',
      );
    });
  });
});

describe('manifests', () => {
  it('are in one GET, with their digest computed and not believed', async () => {
    await withImage({ digestHeader: { is: `sha256:${'0'.repeat(64)}` } }, async (registry, name, client) => {
      const { descriptor, bytes } = await client.manifest(`${name}:1`);
      assert.deepEqual(descriptor, image.root);
      assert.equal(digestOf(bytes), image.root.digest);
      assert.equal(registry.requests.length, 1);
    });
  });

  it('need no digest in the answer to GET, which ECR leaves out', async () => {
    for (const digestHeader of ['head-only', 'never'] as const) {
      await withImage({ digestHeader }, async (registry, name, client) => {
        assert.deepEqual((await client.manifest(`${name}:1`)).descriptor, image.root);
        assert.deepEqual((await client.manifest(`${name}@${image.root.digest}`)).descriptor, image.root);
        assert.equal(registry.requests.length, 2);
      });
    }
  });

  it('of a digest are verified', async () => {
    await withImage({}, async (registry, name, client) => {
      const other = image.blobs.find(({ descriptor }) => descriptor.mediaType === mediaTypes.ociManifest);
      registry.script({
        on: 'GET *',
        answer: { status: 200, headers: { 'content-type': mediaTypes.ociManifest }, body: other?.bytes ?? '' },
      });
      await assert.rejects(
        client.manifest(`${name}@${image.root.digest}`),
        (error) =>
          is(error, 'data-loss') && because(error, 'digest-mismatch') && error.context.registry === registry.host,
      );
    });
  });

  it('that break off are asked for again, and are no answer in the end', async () => {
    for (const broken of [{ truncateAfter: 10 }, { resetAfter: 10 }]) {
      await withImage({}, async (registry, name, client) => {
        registry.script({ on: 'GET *', times: 2, ...broken });
        assert.deepEqual((await client.manifest(`${name}:1`)).descriptor, image.root);
        registry.script({ on: 'GET *', ...broken });
        await assert.rejects(
          client.manifest(`${name}:1`),
          (error) =>
            is(error, 'unavailable') && error.context.attempts === 5 && error.context.registry === registry.host,
        );
      });
    }
  });

  it('that come byte by byte have broken off, and so has what an error says', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using client = quickClient({ timeouts: { stall: 100 } });
    registry.script({ on: 'GET *', times: 1, rate: 100 });
    assert.deepEqual((await client.manifest(`${registry.host}/team/app:1`)).descriptor, image.root);
    const answer = { status: 418, body: 'x'.repeat(10_000) };
    registry.script({ on: 'GET *', rate: 100, answer });
    await assert.rejects(
      client.manifest(`${registry.host}/team/app:1`),
      (error) => error instanceof DrayError && error.context.status === 418,
    );
  });

  it('over the limit are not read', async () => {
    await withImage({}, async (registry, name, client) => {
      registry.script({ on: 'GET *', answer: { status: 200, body: Buffer.alloc(9 * 1024 * 1024, ' ') } });
      await fails(client.manifest(`${name}:1`), 'bad-document');
    });
  });

  it('of sha512 digests are resolved, fetched and verified', async () => {
    await using registry = await ScriptedRegistry.start();
    const { bytes, descriptor } = document(mediaTypes.ociIndex, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [],
    });
    const digest = digestOf(bytes, 'sha512');
    registry.repository('team/app').manifests.set(digest, { mediaType: mediaTypes.ociIndex, bytes });
    registry.repository('team/app').tags.set('1', digest);
    await using client = quickClient();
    const expected = { ...descriptor, digest };
    assert.deepEqual((await client.resolve(`${registry.host}/team/app:1`)).target, expected);
    assert.deepEqual((await client.manifest(`${registry.host}/team/app@${digest}`)).descriptor, expected);
    assert.deepEqual((await client.manifest(`${registry.host}/team/app:1`)).descriptor, expected);
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    assert.deepEqual(await bytesOf(await fetcher.fetch(expected)), Buffer.from(bytes));
  });

  it('of an unknown type are looked for among the blobs and then among the manifests', async () => {
    await using registry = await ScriptedRegistry.start();
    const { bytes, descriptor } = document('application/vnd.example.thing+json', { a: 1 });
    registry.repository('team/app').addManifest(descriptor.mediaType, bytes);
    await using client = quickClient();
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor)), Buffer.from(bytes));
    assert.deepEqual(
      registry.log().map((line) => line.split(' ').at(-1)),
      ['404', '200'],
    );
  });
});

describe('pushing manifests', () => {
  it('says which child a registry misses', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = quickClient();
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    const root = image.blobs.at(-1);
    assert.ok(root);
    await fails(
      pusher.push(root.descriptor, openerOf(root.bytes)),
      'failed-precondition',
      /MANIFEST_BLOB_UNKNOWN.*sha256:/,
    );
  });

  const refusals: readonly (readonly [string, Rule['answer'], string, RegExp])[] = [
    [
      'a policy of Harbor',
      registryFailure(412, 'PROJECTPOLICYVIOLATION', 'immutable tag'),
      'failed-precondition',
      /412 PROJECTPOLICYVIOLATION \(immutable tag\)/,
    ],
    [
      'an immutable tag',
      registryFailure(409, 'TAG_INVALID', 'tag exists and is immutable'),
      'failed-precondition',
      /immutable/,
    ],
    [
      'a type that GitLab does not list',
      registryFailure(400, 'MANIFEST_INVALID', 'unknown media type: x/y'),
      'invalid-argument',
      /unknown media type: x\/y/,
    ],
    ['a type that Gitea does not know', { status: 501 }, 'not-implemented', /501/],
    [
      'something it does not like, in words of its own, as Quay does',
      { status: 400, body: 'manifest schema version not supported\n' },
      'invalid-argument',
      /answered 400 manifest schema version not supported/,
    ],
    [
      'a pull-through cache',
      registryFailure(405, 'UNSUPPORTED', 'The operation is unsupported.'),
      'not-implemented',
      /405 UNSUPPORTED/,
    ],
    [
      'a repository that ECR does not have',
      registryFailure(404, 'NAME_UNKNOWN', "The repository with name 'a' does not exist"),
      'not-found',
      /does not exist/,
    ],
    ['a manifest that is too large', { status: 413, body: '<html>too large</html>' }, 'resource-exhausted', /413/],
  ];
  for (const [what, answer, kind, message] of refusals) {
    it(`passes on what a registry says about ${what}`, async () => {
      await using registry = await ScriptedRegistry.start({ quirks: { takesIncomplete: true } });
      registry.script({ on: 'PUT /v2/*/manifests/*', answer });
      await using client = quickClient();
      const pusher = await client.pusher(`${registry.host}/team/app:1`);
      const root = image.blobs.at(-1);
      assert.ok(root);
      await assert.rejects(
        pusher.push(root.descriptor, openerOf(root.bytes)),
        (error) => is(error, kind as 'not-found') && message.test(error.message),
      );
      assert.equal(registry.requests.filter(({ method }) => method === 'PUT').length, 1);
    });
  }

  it('takes what it may not see for what is not there, as in Artifactory', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { missingIsForbidden: true } });
    await using client = quickClient();
    const pusher = await client.pusher(`${registry.host}/team/app:1@${image.root.digest}`);
    assert.ok((await pushAll(pusher, image)).every((outcome) => outcome === 'pushed'));
    assert.equal(registry.repository('team/app').tags.get('1'), image.root.digest);
  });

  it('is for fewer at once while a registry throttles, as ECR does, and for more again when it does not', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { takesIncomplete: true } });
    await using client = quickClient();
    const pushMany = async (seed: string): Promise<number> => {
      let most = 0;
      let done = false;
      const pushing = Array.from({ length: 24 }, async (_, index) => {
        const { bytes, descriptor } = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [], seed, index });
        const pusher = await client.pusher(`${registry.host}/team/app@${descriptor.digest}`);
        await pusher.push(descriptor, openerOf(bytes));
      });
      const all = Promise.all(pushing).finally(() => {
        done = true;
      });
      while (!done) {
        const open = registry.requests.filter(({ method, status }) => method === 'PUT' && status === undefined);
        most = Math.max(most, open.length);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await all;
      return most;
    };
    // Long enough that a busy machine has sent more before the first answer.
    registry.script({ on: 'PUT *', delay: 500 });
    assert.ok((await pushMany('before')) > 8);
    registry.clear();
    registry.script({ on: 'PUT *', times: 16, answer: registryFailure(429, 'TOOMANYREQUESTS') });
    registry.script({ on: 'PUT *', delay: 5 });
    const pushing = pushMany('throttled');
    while (registry.requests.filter(({ status }) => status === 429).length < 16)
      await new Promise((resolve) => setImmediate(resolve));
    let most = 0;
    registry.requests.length = 0;
    for (let done = false; !done; await new Promise((resolve) => setImmediate(resolve))) {
      const puts = registry.requests.filter(({ method }) => method === 'PUT');
      most = Math.max(most, puts.filter(({ status }) => status === undefined).length);
      done = puts.filter(({ status }) => status === 201).length === 24;
    }
    await pushing;
    assert.ok(most > 1 && most <= 8, `${most} at once`);
  });

  it('waits and comes back when a registry throttles them', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { takesIncomplete: true } });
    registry.script({ on: 'PUT /v2/*/manifests/*', times: 2, answer: registryFailure(429, 'TOOMANYREQUESTS') });
    await using client = quickClient();
    const pusher = await client.pusher(`${registry.host}/team/app:1@${image.root.digest}`);
    await pushAll(pusher, image);
    assert.equal(registry.repository('team/app').tags.get('1'), image.root.digest);
  });

  it('tells when a registry says that it has something else than it was sent', async () => {
    await withImage({}, async (registry, name, client, events) => {
      const others = ['sha512', 'sha256'].map((algorithm) => digestOf('rewritten', algorithm as Algorithm));
      for (const digest of others)
        registry.script({ on: 'PUT *', times: 1, headers: { 'docker-content-digest': digest } });
      await client.tag(`${name}:1`, ['2']);
      await client.tag(`${name}:1`, ['3']);
      const told = events.flatMap((event) => (event.type === 'fallback' ? [event.text] : []));
      assert.equal(told.length, 1);
      assert.ok(told[0]?.includes(others[1] ?? '') && told[0].includes(image.root.digest), told[0]);
    });
  });

  it('sends a manifest whose subject is missing, and says what a registry has against it', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { checksSubject: true } });
    const config = randomBlob(2, 'config', mediaTypes.ociEmpty);
    registry.repository('team/app').addBlob(config.bytes);
    const subject = { mediaType: mediaTypes.ociManifest, digest: digestOf('nothing'), size: 7 };
    const { bytes, descriptor } = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: config.descriptor,
      layers: [],
      subject,
    });
    await using client = quickClient();
    const pusher = await client.pusher(`${registry.host}/team/app@${descriptor.digest}`);
    await fails(
      pusher.push(descriptor, openerOf(bytes)),
      'failed-precondition',
      /subject unknown/,
      /want the subject, sha256:.* before/,
    );
    // Docker Hub once did not find what it was sent.
    registry.script({ on: 'PUT *', times: 1, answer: registryFailure(404, 'NOT_FOUND') });
    await fails(pusher.push(descriptor, openerOf(bytes)), 'not-found', /know no subjects/);
    registry.quirks = {};
    assert.equal(await pusher.push(descriptor, openerOf(bytes)), 'pushed');
  });
});

describe('tags', () => {
  it('are set in one request where a registry does that', async () => {
    await withImage({ multiTag: true }, async (registry, name, client) => {
      const manifest = await client.manifest(`${name}:1`);
      registry.clear();
      await client.tag(manifest, ['2', '3', '4']);
      assert.equal(registry.requests.length, 1);
      assert.deepEqual([...registry.repository('team/app').tags.keys()], ['1', '2', '3', '4']);
    });
  });

  it('are set one by one where it does not, which it is asked only once', async () => {
    await withImage({}, async (registry, name, client) => {
      const manifest = await client.manifest(`${name}:1`);
      registry.clear();
      await client.tag(manifest, ['2', '3']);
      await client.tag(manifest, ['4', '5']);
      assert.deepEqual(
        registry.requests.map(
          ({ method, url }) => `${method} ${url.split('/').at(-1)?.split('?')[1] ?? url.split('/').at(-1)}`,
        ),
        ['PUT tag=2&tag=3', 'PUT 2', 'PUT 3', 'PUT 4', 'PUT 5'],
      );
    });
  });

  it('are believed to be set as far as a registry says so, in whatever form', async () => {
    for (const [said, left] of [
      ['2, 3 ,4', []],
      ['3', ['2', '4']],
    ] as const) {
      await withImage({ multiTag: true }, async (registry, name, client) => {
        const manifest = await client.manifest(`${name}:1`);
        registry.clear();
        registry.script({ on: 'PUT *tag=*', headers: { 'oci-tag': said } });
        await client.tag(manifest, ['2', '3', '4']);
        const singles = registry.requests.slice(1).map(({ url }) => url.split('/').at(-1));
        assert.deepEqual(singles, left);
      });
    }
  });

  it('are set one by one where several are too much', async () => {
    for (const status of [400, 414, 431]) {
      await withImage({}, async (registry, name, client) => {
        registry.script({ on: 'PUT *tag=*', answer: { status } });
        await client.tag(`${name}:1`, ['2', '3']);
        assert.deepEqual([...registry.repository('team/app').tags.keys()], ['1', '2', '3']);
      });
    }
  });

  it('are set beside a digest that is not sha256, since a tag alone would mean another one', async () => {
    await withImage({ multiTag: true }, async (registry, name, client) => {
      const long = digestOf(image.blobs.at(-1)?.bytes ?? '', 'sha512');
      const manifest = { ...(await client.manifest(`${name}:1`)), descriptor: { ...image.root, digest: long } };
      registry.clear();
      await client.tag(manifest, ['2']);
      assert.deepEqual(registry.log(), [`PUT /v2/team/app/manifests/${long}?tag=2 201`]);
    });
  });

  it('are set whatever a registry calls it', async () => {
    for (const status of [200, 202, 204]) {
      await withImage({}, async (registry, name, client) => {
        registry.script({ on: 'PUT *', answer: { status } });
        await client.tag(`${name}:1`, ['2']);
      });
    }
  });

  it('more than ten are set in requests of ten', async () => {
    await withImage({ multiTag: true }, async (registry, name, client) => {
      const manifest = await client.manifest(`${name}:1`);
      registry.clear();
      const tags = Array.from({ length: 23 }, (_, index) => `t${index}`);
      await client.tag(manifest, tags);
      assert.equal(registry.requests.length, 3);
      assert.deepEqual([...registry.repository('team/app').tags.keys()].slice(1), tags);
    });
  });

  it('of a manifest in hand cost one request', async () => {
    await withImage({}, async (registry, name, client) => {
      const manifest = await client.manifest(`${name}:1`);
      registry.clear();
      await client.tag(manifest, ['new']);
      assert.deepEqual(registry.log(), ['PUT /v2/team/app/manifests/new 201']);
    });
  });
});
