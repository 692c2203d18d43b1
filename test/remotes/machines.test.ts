import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import { randomBlob } from '../../src/testing/random.ts';
import { type Quirks, type Rule, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { bytesOf, openerOf, quickClient } from '../support/registry-client.ts';

const kibibyte = 1024;
const blob = randomBlob(300 * kibibyte, 'machines');
const { descriptor, bytes } = blob;

/** Faults that a request may meet, the body of the request and that of the answer included. */
const fault: fc.Arbitrary<Omit<Rule, 'on'>> = fc.oneof(
  fc.constant({ reset: true }),
  fc.constant({ resetAnswer: true }),
  fc.nat({ max: 300 * kibibyte }).map((resetRequestAfter) => ({ resetRequestAfter })),
  fc.nat({ max: 300 * kibibyte }).map((resetAfter) => ({ resetAfter })),
  fc.nat({ max: 300 * kibibyte }).map((truncateAfter) => ({ truncateAfter })),
  fc
    .constantFrom(400, 403, 404, 408, 409, 413, 416, 429, 500, 501, 502, 503, 504)
    .map((status) => ({ answer: { status } })),
  fc.constantFrom(200, 201, 202, 204, 206).map((status) => ({ answer: { status } })),
  fc.constant({ raw: 'HTTP/1.1 999\r\n\r\n' }),
);

const script: fc.Arbitrary<Rule[]> = fc.array(
  fc
    .tuple(fc.constantFrom('POST *', 'PATCH *', 'PUT *', 'HEAD *', 'GET *', '*'), fault, fc.nat({ max: 3 }))
    .map(([on, what, after]) => ({ on, times: 1, after, ...what })),
  { maxLength: 6 },
);

const uploadQuirks: fc.Arbitrary<Quirks> = fc.record(
  {
    singlePost: fc.boolean(),
    bodyLimit: fc.constantFrom(64 * kibibyte, 100 * kibibyte, 200 * kibibyte),
    chunkLimit: fc.constantFrom(64 * kibibyte, 100 * kibibyte),
    uploadRange: fc.constantFrom('stale' as const, 'too-long' as const, 'absent' as const),
    rangedPatch: fc.constantFrom(400, 405, 416),
    secondPatch: fc.constantFrom(400, 416),
    patchStatus: fc.constantFrom(200, 201, 204),
    emptyClose: fc.constantFrom(400, 500),
    wholePut: fc.constantFrom(400, 405, 500),
    losesBrokenSessions: fc.boolean(),
    oneTrySessions: fc.boolean(),
    uploadStatus: fc.constantFrom(404, 405),
    location: fc.constantFrom('relative' as const, 'schemeless' as const, 'moving' as const),
    closeStatus: fc.constantFrom(200, 204, 500, 503),
    headBlob: fc.constantFrom(403, 404, 405, 500),
  },
  { requiredKeys: [] },
);

describe('the upload machine', () => {
  it('ends in the source’s bytes over there or in a typed error, whatever happens', async () => {
    await using registry = await ScriptedRegistry.start();
    await fc.assert(
      fc.asyncProperty(uploadQuirks, script, async (quirks, rules) => {
        registry.quirks = quirks;
        registry.clear();
        registry.repository('team/app').blobs.clear();
        registry.repository('team/app').sessions.clear();
        registry.script(...rules);
        await using client = quickClient({ chunkSize: 64 * kibibyte, retry: { pause: 0, longestPause: 0 } });
        const pusher = await client.pusher(`${registry.host}/team/app:1`);
        const lies = rules.some(({ answer }) => answer !== undefined && answer.status < 300);
        try {
          await pusher.push(descriptor, openerOf(bytes));
        } catch (error) {
          assert.ok(error instanceof DrayError, String(error));
          assert.notEqual(error.kind, 'internal');
          assert.notEqual(error.kind, 'unknown');
          assert.ok(registry.requests.length < 200, `${registry.requests.length} requests`);
          return;
        }
        assert.ok(registry.requests.length < 200, `${registry.requests.length} requests`);
        const arrived = registry.repository('team/app').bytesOf(descriptor.digest);
        // A registry that says yes to what it did not take is believed: nobody could tell.
        assert.ok(arrived?.equals(bytes) || (lies && arrived === undefined));
      }),
      { numRuns: 150 },
    );
  });
});

const downloadQuirks: fc.Arbitrary<Quirks> = fc.record(
  {
    ranges: fc.constantFrom('ignored' as const, 'shifted' as const, 'mislabelled' as const, 'refused' as const),
    digestHeader: fc.constantFrom('never' as const, 'head-only' as const),
    contentEncoding: fc.constantFrom('gzip', 'identity'),
  },
  { requiredKeys: [] },
);

describe('the download machine', () => {
  it('gives the bytes that the registry has, in order, or ends in a typed error, whatever happens', async () => {
    await using registry = await ScriptedRegistry.start();
    await using cdn = await ScriptedRegistry.start();
    for (const one of [registry, cdn]) one.repository('team/app').addBlob(bytes);
    const offsets = fc.constantFrom(0, 0, 1, 100 * kibibyte, 300 * kibibyte - 1);
    const parts = fc.constantFrom(0, 0, 3);
    await fc.assert(
      fc.asyncProperty(
        downloadQuirks,
        script,
        script,
        fc.boolean(),
        offsets,
        parts,
        async (quirks, rules, more, isRedirected, offset, parts) => {
          registry.quirks = isRedirected ? { ...quirks, redirectBlobs: cdn.origin } : quirks;
          cdn.quirks = quirks;
          registry.clear();
          cdn.clear();
          registry.script(...rules);
          cdn.script(...more);
          await using client = quickClient({
            retry: { pause: 0, longestPause: 0 },
            downloads: { parts, partSize: 50 * kibibyte, patience: 0, enough: Number.POSITIVE_INFINITY },
          });
          const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
          try {
            const got = await bytesOf(await fetcher.fetch(descriptor, { offset }));
            // Bytes that a range lies about without a trace are for whoever knows the digest.
            if (quirks.ranges !== 'shifted') assert.ok(got.equals(bytes.subarray(offset)), `${got.byteLength} bytes`);
          } catch (error) {
            assert.ok(error instanceof DrayError, String(error));
            assert.notEqual(error.kind, 'internal');
            assert.notEqual(error.kind, 'unknown');
          }
          assert.ok(registry.requests.length + cdn.requests.length < 200);
        },
      ),
      { numRuns: 150 },
    );
  });
});
