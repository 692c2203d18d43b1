import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Client } from '../../src/client/client.ts';
import { DrayError } from '../../src/errors.ts';
import { passwordCredentials } from '../../src/remotes/docker/credentials.ts';
import { isManifestLike } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { type RandomImage, randomImage } from '../../src/testing/random.ts';
import {
  type Access,
  type Quirks,
  type Rule,
  registryFailure,
  ScriptedRegistry,
} from '../../src/testing/scripted-registry.ts';

const images = Array.from({ length: 6 }, (_, index) =>
  randomImage({ seed: `machine ${index}`, layers: [1000, 60_000, 70_000], platforms: ['linux/amd64', 'linux/arm64'] }),
);

const busy = { ...registryFailure(429, 'TOOMANYREQUESTS'), headers: { 'retry-after': '0' } };

/** What goes wrong on the way to a registry that is in order. */
const fault: fc.Arbitrary<Omit<Rule, 'on'>> = fc.oneof(
  fc.constant({ reset: true }),
  fc.constant({ resetAnswer: true }),
  fc.nat({ max: 70_000 }).map((resetRequestAfter) => ({ resetRequestAfter })),
  fc.nat({ max: 1000 }).map((resetAfter) => ({ resetAfter })),
  fc.nat({ max: 1000 }).map((truncateAfter) => ({ truncateAfter })),
  fc.nat({ max: 1000 }).map((corruptAt) => ({ corruptAt })),
  fc.constantFrom(500, 502, 503).map((status) => ({ answer: { status } })),
  fc.constant({ answer: busy }),
);

const rule: fc.Arbitrary<Rule> = fc
  .tuple(
    fc.constantFrom('HEAD *', 'GET *', 'GET /token*', 'POST *', 'PUT *', 'PUT *uploads*', 'PUT *manifests*', '*'),
    fault,
    fc.nat({ max: 20 }),
    fc.integer({ min: 1, max: 12 }),
  )
  .map(([on, what, after, times]) => ({ on, after, times, ...what }));

const quirks: fc.Arbitrary<Quirks> = fc.constantFrom<Quirks[]>({}, { mounts: 'session' }, { mounts: 401 });
const access: fc.Arbitrary<Access | undefined> = fc.constantFrom<(Access | undefined)[]>(undefined, {
  kind: 'bearer',
  users: { bot: 'secret' },
  uses: 100,
});

function isThere(registry: ScriptedRegistry, name: string, { root, blobs }: RandomImage): boolean {
  const repository = registry.repository(name);
  const bytesOf = (digest: typeof root.digest, type: string): Uint8Array | undefined =>
    isManifestLike(type) ? repository.manifests.get(digest)?.bytes : repository.bytesOf(digest);
  return (
    repository.tags.get('1') === root.digest &&
    blobs.every(({ descriptor: { digest, mediaType }, bytes }) =>
      Buffer.from(bytesOf(digest, mediaType) ?? []).equals(bytes),
    )
  );
}

function isTyped(error: unknown): boolean {
  return error instanceof DrayError && error.kind !== 'internal' && error.kind !== 'unknown';
}

describe('several copies at once within one registry', () => {
  it('end, each whole or in a typed error, and a later attempt completes what is missing', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(rule, { maxLength: 5 }), quirks, access, async (rules, quirks, access) => {
        await using registry = await ScriptedRegistry.start({ quirks, access });
        for (const [index, image] of images.entries()) registry.add(`source/${index}`, image, '1');
        registry.script(...rules);
        await using client = Client.over(memoryServices(), {
          registry: {
            credentials: { get: async () => passwordCredentials('bot', 'secret') },
            retry: { pause: 0, longestPause: 0 },
          },
        });
        const copyAll = (): Promise<PromiseSettledResult<unknown>[]> =>
          Promise.allSettled(
            images.map((_, index) =>
              client.copy(`${registry.host}/source/${index}:1`, `${registry.host}/target/${index}:1`),
            ),
          );
        for (const [index, result] of (await copyAll()).entries()) {
          const image = images[index];
          if (result.status === 'fulfilled')
            assert.ok(image !== undefined && isThere(registry, `target/${index}`, image));
          else assert.ok(isTyped(result.reason), String(result.reason));
        }
        registry.clear();
        for (const result of await copyAll()) if (result.status === 'rejected') throw result.reason;
        for (const [index, image] of images.entries()) assert.ok(isThere(registry, `target/${index}`, image));
      }),
      { numRuns: 30 },
    );
  });
});
