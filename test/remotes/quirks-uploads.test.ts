import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OpenBlob, PushOutcome } from '../../src/content/copy.ts';
import { DrayError, is } from '../../src/errors.ts';
import { passwordCredentials } from '../../src/remotes/docker/credentials.ts';
import type { RegistryClientOptions } from '../../src/remotes/docker/registry-client.ts';
import type { PusherOptions } from '../../src/remotes/remote.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { type RandomBlob, randomBlob } from '../../src/testing/random.ts';
import { type Quirks, registryFailure, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { testAuthority } from '../support/certificates.ts';
import { openerOf, quickClient } from '../support/registry-client.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

/** A sixteenth of a chunk, and no more than what counts as small. */
const unit = 64 * 1024;
const chunkSize = 16 * unit;
const small = randomBlob(1000, 'small upload');
const medium = randomBlob(3 * unit, 'medium upload');
const large = randomBlob(40 * unit, 'large upload');

interface Scene {
  readonly registry: ScriptedRegistry;
  push(blob?: RandomBlob, open?: OpenBlob): Promise<PushOutcome>;
  /** The requests as method and status. */
  steps(): string[];
}

async function scene(
  quirks: Quirks,
  test: (scene: Scene) => Promise<void>,
  options: RegistryClientOptions = {},
  pusherOptions: PusherOptions = {},
): Promise<void> {
  await using registry = await ScriptedRegistry.start({ quirks });
  await using client = quickClient({ chunkSize, ...options });
  const pusher = await client.pusher(`${registry.host}/team/app:1`, pusherOptions);
  await test({
    registry,
    push: (blob = medium, open = openerOf(blob.bytes)) => pusher.push(blob.descriptor, open),
    steps: () => registry.requests.map(({ method, status }) => `${method} ${status ?? '…'}`),
  });
}

function arrived({ registry }: Scene, blob: RandomBlob = medium): void {
  const bytes = registry.repository('team/app').bytesOf(blob.descriptor.digest);
  assert.ok(bytes?.equals(blob.bytes), 'the registry has other bytes or none');
}

describe('pushing a blob', () => {
  it('takes one request for a small one where a registry knows that', async () => {
    await scene({ singlePost: true }, async (scene) => {
      assert.equal(await scene.push(small), 'pushed');
      assert.deepEqual(scene.steps(), ['POST 201']);
      arrived(scene, small);
    });
  });

  it('takes two for a small one where it does not, and sends it only once from then on', async () => {
    await scene({}, async (scene) => {
      assert.equal(await scene.push(small), 'pushed');
      const other = randomBlob(900, 'another small upload');
      assert.equal(await scene.push(other), 'pushed');
      assert.deepEqual(scene.steps(), ['POST 202', 'PUT 201', 'POST 202', 'PUT 201']);
      assert.equal(scene.registry.requests[2]?.received, 0);
      arrived(scene, small);
    });
  });

  it('asks for a larger one first, and sends it in one piece', async () => {
    await scene({}, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      assert.deepEqual(scene.steps(), ['HEAD 404', 'POST 202', 'PUT 201']);
      arrived(scene, large);
      assert.equal(await scene.push(large), 'exists');
    });
  });

  it('says of every body what it is and how long, which some in front of a registry insist on', async () => {
    await scene({ bodyLimit: 20 * unit, uploadStatus: 404 }, async (scene) => {
      await scene.push(small);
      await scene.push(large);
      const bodies = scene.registry.requests.filter(({ received }) => received > 0);
      assert.ok(bodies.length > 3);
      for (const { headers } of bodies) {
        assert.equal(headers['content-type'], 'application/octet-stream');
        assert.ok(Number(headers['content-length']) > 0);
        assert.equal(headers['transfer-encoding'], undefined);
      }
      const starts = scene.registry.requests.filter(({ method, received }) => method === 'POST' && received === 0);
      assert.ok(starts.length > 0 && starts.every(({ headers }) => headers['content-length'] === '0'));
      const heads = scene.registry.requests.filter(({ method }) => method === 'HEAD');
      assert.ok(heads.length > 0 && heads.every(({ headers }) => headers['accept-encoding'] === 'identity'));
    });
  });

  it('does not believe that a blob of another size is there', async () => {
    await scene({ headBlobLies: true }, async (scene) => {
      assert.equal(await scene.push(), 'pushed');
      arrived(scene);
    });
  });

  it('pushes where it may not look, as in Artifactory', async () => {
    await scene({ headBlob: 403 }, async (scene) => {
      assert.equal(await scene.push(), 'pushed');
    });
  });

  it('looks at one byte where HEAD is redirected to a URL that is signed for GET', async () => {
    await using cdn = await ScriptedRegistry.start({ quirks: { headBlob: 403 } });
    cdn.repository('team/app').addBlob(medium.bytes);
    await scene({ redirectBlobs: cdn.origin }, async ({ registry, push }) => {
      registry.repository('team/app').addBlob(medium.bytes);
      assert.equal(await push(), 'exists');
      assert.equal(cdn.requests.at(-1)?.headers['range'], 'bytes=0-0');
    });
  });

  it('takes every status with which registries accept a part', async () => {
    for (const patchStatus of [200, 201, 202, 204]) {
      await scene({ bodyLimit: 20 * unit, patchStatus }, async (scene) => {
        assert.equal(await scene.push(large), 'pushed');
        arrived(scene, large);
      });
    }
  });

  it('goes on at the newest location whatever status it comes with', async () => {
    for (const patchStatus of [201, 204]) {
      const quirks = { bodyLimit: 20 * unit, patchStatus, uploadRange: 'absent', location: 'moving' } as const;
      await scene(quirks, async (scene) => {
        assert.equal(await scene.push(large), 'pushed');
        arrived(scene, large);
      });
    }
  });

  it('does not mind where a blob is said to be once it is there', async () => {
    for (const closeStatus of [201, 202, 204]) {
      await scene({ closeStatus }, async (scene) => {
        scene.registry.script({ on: 'PUT *', headers: { location: 'http://169.254.169.254/', range: '0-9' } });
        assert.equal(await scene.push(), 'pushed');
      });
    }
  });

  it('takes a range of 0-0 for no news, whatever it comes with', async () => {
    await scene({ bodyLimit: 20 * unit }, async (scene) => {
      scene.registry.script({ on: 'PATCH *', headers: { range: '0-0' } });
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
      assert.ok(
        scene.registry.requests.every(({ status }) => status !== 416),
        scene.registry.log().join('\n'),
      );
    });
  });

  it('reads http in a location as https at the same server, as behind proxies that forget about TLS', {
    skip: unlessInstalled('openssl'),
  }, async () => {
    await using directory = await temporaryDirectory();
    const tls = await (await testAuthority(directory)).issue('localhost', 'localhost', '127.0.0.1');
    await using registry = await ScriptedRegistry.start({ tls, quirks: { location: 'http', bodyLimit: 20 * unit } });
    await using client = quickClient({ insecure: true, chunkSize });
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    assert.equal(await pusher.push(large.descriptor, openerOf(large.bytes)), 'pushed');
    assert.ok(registry.repository('team/app').bytesOf(large.descriptor.digest)?.equals(large.bytes));
  });

  for (const location of ['relative', 'schemeless', 'moving'] as const) {
    it(`follows a location that is ${location}, its query untouched`, async () => {
      await scene({ location, bodyLimit: 20 * unit }, async (scene) => {
        assert.equal(await scene.push(large), 'pushed');
        arrived(scene, large);
        const put = scene.registry.requests.findLast(({ method }) => method === 'PUT');
        assert.match(put?.url ?? '', /_state=a%2Fb%3D%3D~.*x&digest=sha256%3A/);
      });
    });
  }

  it('names the algorithm of a session for other digests than sha256', async () => {
    await scene({}, async (scene) => {
      const { digestOf } = await import('../../src/spec/digest.ts');
      const blob = { ...medium, descriptor: { ...medium.descriptor, digest: digestOf(medium.bytes, 'sha512') } };
      assert.equal(await scene.push(blob), 'pushed');
      assert.ok(scene.registry.log().some((line) => line.includes('digest-algorithm=sha512')));
      arrived(scene, blob);
    });
  });

  it('sends a blob of no bytes, and says what a registry has against it', async () => {
    const nothing = randomBlob(0, 'nothing');
    await scene({}, async (scene) => {
      assert.equal(await scene.push(nothing), 'pushed');
      arrived(scene, nothing);
    });
    await scene({ emptyBlob: 400 }, async ({ push }) => {
      await assert.rejects(push(nothing), (error) => error instanceof DrayError && error.context.status === 400);
    });
  });
});

describe('pushing what is too large for one request', () => {
  it('goes on in chunks after a 413, as before a proxy of Cloudflare, and begins with chunks the next time', async () => {
    await scene({ bodyLimit: 20 * unit }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
      assert.deepEqual(
        scene.steps().filter((step) => !step.startsWith('DELETE')),
        ['HEAD 404', 'POST 202', 'PUT 413', 'POST 202', 'PATCH 202', 'PATCH 202', 'PATCH 202', 'PUT 201'],
      );
      scene.registry.clear();
      const other = randomBlob(40 * unit, 'another large upload');
      assert.equal(await scene.push(other), 'pushed');
      assert.ok(!scene.steps().includes('PUT 413'));
    });
  });

  it('finds the size of chunks that are taken', async () => {
    await scene({ bodyLimit: 5 * unit }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
      const sizes = scene.registry.requests.filter(({ method, status }) => method === 'PATCH' && status === 202);
      assert.ok(sizes.every(({ received }) => received <= 5 * unit));
    });
  });

  it('reads an early 401 with a closed connection, and sends the blob with what was asked for', async () => {
    const raw = 'HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm="x"\r\ncontent-length: 0\r\n\r\n';
    const credentials = { get: async () => passwordCredentials('bot', 'secret') };
    await scene(
      {},
      async (scene) => {
        scene.registry.script({ on: 'PUT *', times: 1, raw });
        assert.equal(await scene.push(large), 'pushed');
        arrived(scene, large);
      },
      { credentials },
    );
  });

  it('reads an early 413 with a closed connection', async () => {
    await scene({ earlyLimit: 20 * unit }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('sends smaller chunks where one is too large, which GHCR calls a range that cannot be satisfied', async () => {
    await scene({ bodyLimit: 20 * unit, chunkLimit: 4 * unit }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('sends no chunk below what a registry asks for, and none above', async () => {
    await scene({ bodyLimit: 30 * unit, chunkMinimumHeader: 20 * unit }, async (scene) => {
      await scene.push(large);
      const sizes = scene.registry.requests.filter(({ method }) => method === 'PATCH').map(({ received }) => received);
      assert.deepEqual(sizes, [20 * unit, 20 * unit]);
    });
    await scene({ bodyLimit: 30 * unit, chunkMaximumHeader: 8 * unit }, async (scene) => {
      await scene.push(large);
      const sizes = scene.registry.requests.filter(({ method }) => method === 'PATCH').map(({ received }) => received);
      assert.ok(sizes.every((size) => size <= 8 * unit));
    });
  });

  it('sends chunks of a size that S3 takes where nobody says how small they may be, as ECR does not', async () => {
    const blob = randomBlob(20 * 1024 * 1024, 'large enough');
    const quirks = { bodyLimit: 17 * 1024 * 1024, chunkMinimum: 5 * 1024 * 1024 };
    await scene(
      quirks,
      async (scene) => {
        assert.equal(await scene.push(blob), 'pushed');
        const chunks = scene.registry.requests.filter(({ method }) => method === 'PATCH');
        assert.ok((chunks[0]?.received ?? 0) >= 8 * 1024 * 1024, `${chunks[0]?.received}`);
        arrived(scene, blob);
      },
      { chunkSize: undefined },
    );
  });

  it('does not hold a chunk in memory, however large a registry asks for it to be', async () => {
    await scene({ bodyLimit: 30 * unit, chunkMinimumHeader: 2 ** 52 }, async ({ push }) => {
      await fails(push(large), 'resource-exhausted');
    });
  });

  it('writes the range of a chunk without a unit, since ACR takes no other', async () => {
    await scene({ bodyLimit: 20 * unit, strictContentRange: true }, async (scene) => {
      await scene.push(large);
      const ranges = scene.registry.requests.flatMap(({ headers }) => headers['content-range'] ?? []);
      assert.deepEqual(ranges, [
        `0-${16 * unit - 1}`,
        `${16 * unit}-${32 * unit - 1}`,
        `${32 * unit}-${40 * unit - 1}`,
      ]);
    });
  });

  it('counts for itself where the range of a session does not move, as in ECR', async () => {
    await scene({ bodyLimit: 20 * unit, uploadRange: 'stale', patchStatus: 201 }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('reads a range that is one too long, as zot wrote it, and none at all', async () => {
    for (const uploadRange of ['too-long', 'absent'] as const) {
      await scene({ bodyLimit: 20 * unit, uploadRange }, async (scene) => {
        assert.equal(await scene.push(large), 'pushed');
        arrived(scene, large);
      });
    }
  });

  it('goes on from what a registry really has when it has less than it was sent', async () => {
    await scene({ bodyLimit: 20 * unit, keepsHalfOfChunks: true }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('ends a session with its last chunk where an empty request does not, as in ECR', async () => {
    await scene({ bodyLimit: 20 * unit, emptyClose: 500 }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('sends one chunk without a range where ranges are refused', async () => {
    for (const rangedPatch of [400, 405, 416, 501]) {
      await scene({ wholePut: 405, rangedPatch }, async (scene) => {
        assert.equal(await scene.push(), 'pushed');
        arrived(scene);
      });
    }
  });

  it('sends a stream where a whole PUT is refused, as some versions of Artifactory do', async () => {
    await scene({ wholePut: 404, secondPatch: 416 }, async ({ push }) => {
      await assert.rejects(push(), (error) => error instanceof DrayError && error.context.status === 404);
    });
    // Quay refuses what is larger than it takes at once with 400.
    for (const wholePut of [400, 405]) {
      await scene({ wholePut, secondPatch: 416 }, async (scene) => {
        assert.equal(await scene.push(), 'pushed');
        assert.ok(scene.steps().includes('PATCH 202'));
        arrived(scene);
      });
    }
  });

  it('needs no second PATCH where only one is allowed, as in Gitea', async () => {
    await scene({ secondPatch: 416 }, async (scene) => {
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('says so when a registry takes it in no way', async () => {
    await scene({ wholePut: 400, rangedPatch: 400, secondPatch: 400, bodyLimit: 1000 }, async ({ push }) => {
      await assert.rejects(push(), (error) => error instanceof DrayError);
    });
    await scene({ bodyLimit: 1000 }, async ({ push, registry }) => {
      await assert.rejects(push(), (error) => is(error, 'resource-exhausted') && error.context.status === 413);
      assert.ok(registry.requests.length < 40, `${registry.requests.length}`);
    });
  });
});

describe('pushing through failures', () => {
  it('goes on from the bytes that arrived when the connection breaks', async () => {
    await scene({}, async (scene) => {
      scene.registry.script({ on: 'PUT *', times: 1, resetRequestAfter: 10 * unit });
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
      const sent = scene.registry.requests.reduce((sum, { received }) => sum + received, 0);
      assert.equal(sent, 40 * unit);
    });
  });

  it('begins anew where a session says 0-0, which is one byte or none, as in docker-registry', async () => {
    await scene({}, async (scene) => {
      scene.registry.script({ on: 'PUT *', times: 1, resetRequestAfter: 1 });
      assert.equal(await scene.push(), 'pushed');
      arrived(scene);
      assert.equal(scene.steps().filter((step) => step === 'POST 202').length, 2);
    });
  });

  it('begins anew where a session is lost with its connection, as in docker-registry', async () => {
    await scene({ losesBrokenSessions: true }, async (scene) => {
      scene.registry.script({ on: 'PUT *', times: 2, resetRequestAfter: unit });
      assert.equal(await scene.push(), 'pushed');
      arrived(scene);
    });
  });

  it('does not try a session twice where one try is all there is, as in ECR', async () => {
    await scene({ oneTrySessions: true, uploadStatus: 405 }, async (scene) => {
      scene.registry.script({ on: 'PUT *', times: 1, resetRequestAfter: unit });
      assert.equal(await scene.push(), 'pushed');
      arrived(scene);
      assert.equal(scene.steps().filter((step) => step === 'POST 202').length, 2);
    });
  });

  it('begins anew when a registry says that there is no such session', async () => {
    await scene({}, async (scene) => {
      scene.registry.script({ on: 'PUT *', times: 1, answer: registryFailure(404, 'BLOB_UPLOAD_UNKNOWN') });
      assert.equal(await scene.push(), 'pushed');
      arrived(scene);
    });
  });

  it('looks whether the blob is there after a close that nobody answered, and does not send it again', async () => {
    await scene({}, async (scene) => {
      scene.registry.script({ on: 'PUT *', times: 1, resetAnswer: true });
      assert.equal(await scene.push(), 'pushed');
      arrived(scene);
      assert.deepEqual(scene.steps(), ['HEAD 404', 'POST 202', 'PUT …', 'HEAD 200']);
    });
  });

  it('looks whether the blob is there after a gateway gave up, and after two pushes got into each other', async () => {
    for (const closeStatus of [408, 500, 502, 503, 504]) {
      await scene({ closeStatus }, async (scene) => {
        assert.equal(await scene.push(), 'pushed');
        assert.deepEqual(scene.steps(), ['HEAD 404', 'POST 202', `PUT ${closeStatus}`, 'HEAD 200']);
      });
    }
  });

  it('goes on in one stream where chunks are refused', async () => {
    await scene({ rangedPatch: 405, bodyLimit: 20 * unit }, async (scene) => {
      await fails(scene.push(large), 'resource-exhausted');
      const steps = scene.steps().length;
      scene.registry.script({ on: 'PUT *', times: 1, resetRequestAfter: 2 * unit });
      assert.equal(await scene.push(), 'pushed');
      arrived(scene);
      assert.deepEqual(scene.steps().slice(steps), [
        'HEAD 404',
        'POST 202',
        'PUT …',
        'HEAD 404',
        'GET 204',
        'PATCH 202',
        'PUT 201',
      ]);
    });
  });

  it('goes on after a chunk that was out of order', async () => {
    await scene({ bodyLimit: 20 * unit }, async (scene) => {
      scene.registry.script({
        on: 'PATCH *',
        after: 1,
        times: 1,
        answer: { status: 416, headers: { range: `0-${16 * unit - 1}` } },
      });
      scene.registry.script({ on: 'PATCH *', after: 1, times: 1, answer: registryFailure(416, 'RANGE_INVALID') });
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('goes on after throttling, of every request there is', async () => {
    await scene({ bodyLimit: 20 * unit }, async (scene) => {
      for (const on of ['HEAD *', 'POST *', 'PATCH *', 'PUT *']) {
        scene.registry.script({ on, times: 1, answer: { status: 429, headers: { 'retry-after': '0' } } });
      }
      assert.equal(await scene.push(large), 'pushed');
      arrived(scene, large);
    });
  });

  it('ends at once when a registry wants to be left alone for longer than anybody waits', async () => {
    for (const status of [429, 503]) {
      await scene({}, async (scene) => {
        scene.registry.script({ on: 'PUT *', answer: { status, headers: { 'retry-after': '3600' } } });
        await using client = quickClient({ retry: { pause: 1, longestPause: 2, longestWait: 10 } });
        const pusher = await client.pusher(`${scene.registry.host}/team/app:1`);
        await assert.rejects(
          pusher.push(medium.descriptor, openerOf(medium.bytes)),
          (error) => error instanceof DrayError && /3600 seconds/.test(error.context.hint ?? ''),
        );
        assert.equal(scene.registry.requests.filter(({ method }) => method === 'PUT').length, 1);
      });
    }
  });

  it('gives up after some attempts without progress, and clears the session away', async () => {
    await scene({}, async (scene) => {
      scene.registry.script({ on: 'PUT *', answer: { status: 503 } }, { on: 'PATCH *', answer: { status: 503 } });
      await fails(scene.push(), 'unavailable');
      assert.equal(scene.registry.repository('team/app').sessions.size, 0);
      assert.ok(scene.registry.requests.length < 40);
    });
  });

  it('clears the session away when it is given up', async () => {
    await scene({}, async (scene) => {
      await using client = quickClient();
      const pusher = await client.pusher(`${scene.registry.host}/team/app:1`);
      const controller = new AbortController();
      const reason = new Error('enough');
      const open: OpenBlob = async function* () {
        yield medium.bytes.subarray(0, 1000);
        controller.abort(reason);
        yield medium.bytes.subarray(1000);
      };
      await assert.rejects(pusher.push(medium.descriptor, open, { signal: controller.signal }), reason);
      assert.equal(scene.registry.repository('team/app').sessions.size, 0);
    });
  });

  it('passes on what the source failed with, and sends nothing more', async () => {
    await scene({}, async (scene) => {
      const broken = new DrayError('data-loss', 'rotten');
      const open: OpenBlob = async function* () {
        yield medium.bytes.subarray(0, unit);
        throw broken;
      };
      await assert.rejects(scene.push(medium, open), broken);
      assert.equal(scene.steps().filter((step) => step.startsWith('PUT')).length, 1);
    });
  });

  it('reads wrong bytes once more from elsewhere, and says that they are wrong when they are again', async () => {
    await scene({}, async (scene) => {
      const hints: unknown[] = [];
      const open: OpenBlob = async function* (offset = 0, hint) {
        hints.push(hint?.distrust);
        yield hint?.distrust === true ? medium.bytes.subarray(offset) : Buffer.alloc(medium.bytes.byteLength);
      };
      assert.equal(await scene.push(medium, open), 'pushed');
      assert.deepEqual(hints, [false, true]);
      arrived(scene);
      const wrong = randomBlob(3 * unit, 'right');
      await fails(scene.push(wrong, openerOf(medium.bytes)), 'digest-mismatch');
    });
  });

  it('says that a source is too short', async () => {
    await scene({}, async ({ push }) => {
      await fails(push(medium, openerOf(medium.bytes.subarray(1))), 'size-mismatch');
    });
  });

  it('says what a registry says that takes nothing', async () => {
    await scene({ readOnly: true }, async ({ push }) => {
      await assert.rejects(
        push(),
        (error) => is(error, 'not-implemented') && error.context.codes?.[0] === 'UNSUPPORTED',
      );
    });
    await scene({ fixedRepositories: true }, async ({ push }) => {
      await fails(push(), 'not-found', /does not exist/);
    });
    await scene({}, async ({ registry, push }) => {
      registry.script({ on: 'POST *', answer: registryFailure(403, 'DENIED', 'quota exceeded') });
      await fails(push(), 'permission-denied', /quota exceeded/);
    });
  });
});

describe('mounting a blob', () => {
  const from = (...paths: string[]): PusherOptions => ({ mountFrom: async () => paths });

  it('takes one request', async () => {
    await scene(
      {},
      async (scene) => {
        scene.registry.repository('team/other').addBlob(medium.bytes);
        assert.equal(await scene.push(), 'mounted');
        assert.deepEqual(scene.steps(), ['POST 201']);
      },
      {},
      from('team/other'),
    );
  });

  it('goes on with the session that comes in its place', async () => {
    await scene(
      { mounts: 'session' },
      async (scene) => {
        scene.registry.repository('team/other').addBlob(medium.bytes);
        assert.equal(await scene.push(), 'pushed');
        assert.deepEqual(scene.steps(), ['POST 202', 'HEAD 404', 'PUT 201']);
        arrived(scene);
      },
      {},
      from('team/other'),
    );
  });

  it('clears that session away when the blob is there already', async () => {
    await scene(
      { mounts: 'session' },
      async (scene) => {
        scene.registry.repository('team/app').addBlob(medium.bytes);
        assert.equal(await scene.push(), 'exists');
        assert.equal(scene.registry.repository('team/app').sessions.size, 0);
      },
      {},
      from('team/other'),
    );
  });

  it('goes on without it whatever a registry answers, as Harbor does for what one may not read', async () => {
    for (const mounts of [400, 401, 403, 404, 405]) {
      await scene(
        { mounts },
        async (scene) => {
          assert.equal(await scene.push(), 'pushed');
          arrived(scene);
        },
        {},
        from('team/other'),
      );
    }
  });

  it('tries three candidates at most, and none again that was refused', async () => {
    await scene(
      { mounts: 403 },
      async (scene) => {
        await scene.push();
        const asked = (): string[] => scene.registry.log().flatMap((line) => /from=([^ ]+)/.exec(line)?.[1] ?? []);
        assert.deepEqual(asked().map(decodeURIComponent), ['team/a', 'team/b', 'team/c']);
        scene.registry.clear();
        await scene.push(large);
        assert.deepEqual(asked().map(decodeURIComponent), ['team/d']);
      },
      {},
      from('team/a', 'team/a', 'team/app', 'No Path', 'team/b', 'team/c', 'team/d'),
    );
  });

  it('can be asked for by itself', async () => {
    await scene({}, async ({ registry }) => {
      registry.repository('team/other').addBlob(medium.bytes);
      await using client = quickClient();
      const where = `${registry.host}/team/app`;
      assert.equal(await client.mount(where, medium.descriptor.digest, 'team/other'), true);
      assert.ok(registry.repository('team/app').blobs.has(medium.descriptor.digest));
      assert.equal(await client.mount(where, medium.descriptor.digest, 'team/nothing'), false);
      assert.equal(registry.repository('team/app').sessions.size, 0);
      await fails(client.mount(where, medium.descriptor.digest, '../x'), 'invalid-argument');
    });
  });

  it('is never tried without saying from where, which fails on Quay', async () => {
    await scene({ anonymousMount: 400 }, async (scene) => {
      await scene.push();
      assert.ok(scene.registry.log().every((line) => !line.includes('mount=')));
    });
  });
});
