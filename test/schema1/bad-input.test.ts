import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { because, DrayError } from '../../src/errors.ts';
import {
  type ConvertedImage,
  convertDocument,
  convertSchema1,
  layersToRead,
  parseSchema1,
  type ReadLayer,
  signSchema1,
  verifySchema1,
} from '../../src/schema1/index.ts';
import { type Digest, digestOf } from '../../src/spec/digest.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { blobsIn } from '../oci/images.ts';
import { layerOf, manifestDescriptor, payloadOf, servingAs } from './documents.ts';
import { keyFor } from './sign-by-hand.ts';

const layers = ['a', 'b', 'c'].map((name) => gzipSync(layerOf(name)));
const payload = payloadOf(layers.map((layer) => ({ layer })));
const signed = Buffer.from(signSchema1(payload, keyFor('ES256'), keyFor('RS256')));
const options = [
  { mode: 'containerd', family: 'oci' },
  { mode: 'skopeo', family: 'oci' },
  { mode: 'skopeo', family: 'docker' },
] as const;

/** What came of it, when that was a documented refusal or nothing was refused. */
function orRefusal<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    assert.ok(
      because(error, 'bad-document'),
      `not a documented error: ${error instanceof Error ? error.stack : error}`,
    );
    return undefined;
  }
}

/** Every conversion of a document whose layers are all in order, or its refusal. */
function convertAll(bytes: Uint8Array): (ConvertedImage | undefined)[] {
  const manifest = orRefusal(() => parseSchema1(bytes));
  if (manifest === undefined) return [];
  return options.map((how) =>
    orRefusal(() => {
      const content = (digest: Digest): ReadLayer => ({ diffId: digest, packing: 'gzip', isBlank: false, size: 1 });
      const read = layersToRead(manifest, how).map((digest) => [digest, content(digest)] as const);
      const made = convertDocument(manifest, new Map(read), how);
      const { rootfs, history } = JSON.parse(Buffer.from(made.config.bytes).toString());
      assert.equal(rootfs.diff_ids.length, made.layers.length);
      const isLayer = (step: { empty_layer?: boolean }): boolean => step.empty_layer !== true;
      assert.equal(history.filter(isLayer).length, made.layers.length);
      return made;
    }),
  );
}

describe('a schema 1 document that somebody changed', () => {
  it('is not valid, or says what it said before, whatever byte was changed', () => {
    const change = fc.record({ at: fc.nat({ max: signed.byteLength - 1 }), to: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const bytes = Buffer.from(signed);
        for (const { at, to } of changes) bytes[at] = to;
        const manifest = orRefusal(() => parseSchema1(bytes));
        if (manifest === undefined || verifySchema1(manifest).state !== 'valid') return;
        assert.deepEqual(Buffer.from(manifest.payload), payload);
        assert.equal(manifest.digest, digestOf(payload));
      }),
      { numRuns: 500 },
    );
  });

  it('is not valid when parts of it were cut out, doubled or put elsewhere', () => {
    const at = fc.nat({ max: signed.byteLength });
    fc.assert(
      fc.property(at, at, at, (one, two, three) => {
        const [from, to] = [Math.min(one, two), Math.max(one, two)];
        const bytes = Buffer.concat([signed.subarray(0, three), signed.subarray(from, to), signed.subarray(three)]);
        for (const changed of [bytes, signed.subarray(from, to), signed.subarray(0, from)]) {
          const manifest = orRefusal(() => parseSchema1(changed));
          if (manifest !== undefined && verifySchema1(manifest).state === 'valid')
            assert.deepEqual(Buffer.from(manifest.payload), payload);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('with signatures of any shape is refused or found invalid, in the documented way', () => {
    const [one, two] = JSON.parse(signed.toString()).signatures;
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(one, two, one.header, one.signature, one.protected),
    );
    const signature = fc.record({ header: value, signature: value, protected: value }, { requiredKeys: [] });
    const header = fc.record(
      { jwk: value, alg: fc.oneof(value, fc.constantFrom('ES256', 'RS256')), x5c: value },
      { requiredKeys: [] },
    );
    const close = fc.record({ header, signature: fc.constant(one.signature), protected: fc.constant(one.protected) });
    fc.assert(
      fc.property(fc.oneof(value, fc.array(fc.oneof(signature, close, value), { maxLength: 4 })), (signatures) => {
        const bytes = Buffer.from(
          signed.toString().replace(/"signatures": \[[\s\S]*\]/, () => `"signatures": ${JSON.stringify(signatures)}`),
        );
        const manifest = orRefusal(() => parseSchema1(bytes));
        if (manifest === undefined) return;
        const verdict = verifySchema1(manifest);
        // By value: the parts of a signature may come together again.
        const isRight = (candidate: unknown): boolean =>
          [one, two].some((right) => isDeepStrictEqual(candidate, right));
        if (!(Array.isArray(signatures) && signatures.every(isRight))) assert.notEqual(verdict.state, 'valid');
      }),
      { numRuns: 300 },
    );
  });
});

describe('a schema 1 document with any history', () => {
  const digest = fc.constantFrom(...layers.map((layer) => digestOf(layer)));
  const id = fc.constantFrom('a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64), '', 'A');
  const text = fc.oneof(fc.string(), fc.constantFrom('linux', '2016-01-01T00:00:00Z', '0'));
  const anything = fc.jsonValue({ maxDepth: 2 });
  const almost = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 60, arbitrary: value }, anything);
  const entry = fc.record(
    {
      id: almost(id),
      parent: almost(id),
      created: almost(fc.constantFrom('2016-01-01T00:00:00Z', '2016-01-01T00:00:00.120+02:00')),
      author: almost(text),
      comment: almost(text),
      throwaway: almost(fc.boolean()),
      Size: almost(fc.nat({ max: 1 })),
      os: almost(text),
      architecture: almost(text),
      docker_version: almost(fc.constantFrom('1.7.0', '1.8.3', '17.03', '')),
      container_config: almost(fc.record({ Cmd: almost(fc.array(text)) })),
      config: almost(
        fc.record({ Env: almost(fc.array(text)), Labels: almost(fc.dictionary(text, text)), Volumes: anything }),
      ),
    },
    { requiredKeys: [] },
  );

  it('is converted so that layers, diff IDs and history agree, or refused in the documented way', () => {
    let converted = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(almost(digest), entry), { maxLength: 4 }), (steps) => {
        const made = convertAll(
          Buffer.from(
            JSON.stringify({
              schemaVersion: 1,
              fsLayers: steps.map(([blobSum]) => ({ blobSum })),
              history: steps.map(([, history]) => ({ v1Compatibility: JSON.stringify(history) })),
            }),
          ),
        );
        converted += made.filter((image) => image !== undefined).length;
      }),
      { numRuns: 1000 },
    );
    assert.ok(converted > 100, `only ${converted} of 3000 were converted`);
  });

  it('of any JSON at all is no surprise', () => {
    const value = fc.oneof(
      anything,
      fc.array(fc.record({ blobSum: digest })),
      fc.array(fc.record({ v1Compatibility: fc.json() })),
    );
    const keys = ['schemaVersion', 'name', 'tag', 'architecture', 'fsLayers', 'history', 'layers', 'signatures'];
    const document = fc.oneof(
      anything,
      fc.record(Object.fromEntries(keys.map((key) => [key, key === 'schemaVersion' ? fc.constant(1) : value])), {
        requiredKeys: ['schemaVersion'],
      }),
    );
    fc.assert(
      fc.property(document, (made) => void convertAll(Buffer.from(JSON.stringify(made)))),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void convertAll(bytes)));
  });
});

describe('layers that are not what the document says', () => {
  const good = layerOf('good', 'good'.repeat(500));
  const packings = [gzipSync(good), zstdCompressSync(good), good, deflateSync(good), gzipSync(gzipSync(good))];
  const mutated = fc
    .tuple(fc.constantFrom(...packings), fc.nat(), fc.nat({ max: 255 }), fc.nat())
    .map(([bytes, at, to, end]) => {
      const changed = Buffer.from(bytes);
      changed[at % changed.byteLength] = to;
      return end % 3 === 0 ? changed.subarray(0, end % changed.byteLength) : changed;
    });
  const layer = fc.oneof(fc.constantFrom(...packings), mutated, fc.uint8Array());

  it('are converted as what they are or refused with a documented error, and nothing is named', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(layer, fc.boolean()), { minLength: 1, maxLength: 3 }), async (steps) => {
        const manifest = payloadOf(steps.map(([bytes]) => ({ layer: bytes })));
        const target = manifestDescriptor(manifest);
        // Some are served with other bytes than the manifest names.
        const held = new Map<string, Uint8Array>(
          steps.map(([bytes, lies]) => [
            digestOf(bytes),
            lies && bytes.byteLength > 0 ? Buffer.concat([bytes, Buffer.of(0)]) : bytes,
          ]),
        );
        const services = memoryServices();
        const fetcher = servingAs(new Map<string, Uint8Array>([...held, [target.digest, manifest]]));
        try {
          const { manifest: made } = await convertSchema1(services.content, fetcher, target, { layerLimit: 100_000 });
          assert.ok([...held].every(([digest, bytes]) => digestOf(bytes) === digest));
          assert.ok((await blobsIn(services)).includes(made.descriptor.digest));
        } catch (error) {
          assert.ok(error instanceof DrayError, String(error));
          assert.ok(error.reason !== undefined || error.kind === 'not-implemented', `${error.kind}: ${error.message}`);
          assert.ok(
            (await blobsIn(services)).every((digest) => held.has(digest)),
            'no document was stored',
          );
        }
        for await (const image of services.images.list()) assert.fail(`${image.name} was made`);
      }),
      { numRuns: 200 },
    );
  });
});
