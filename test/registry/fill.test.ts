import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import type { Fetcher, FetchOptions } from '../../src/content/copy.ts';
import { MemoryStore } from '../../src/content/memory/memory-store.ts';
import { Fill } from '../../src/registry/fill.ts';
import { randomBlob } from '../../src/testing/random.ts';

const blob = randomBlob(1_000_000, 'filled');
const pieceSize = 10_000;

/** Gives the blob in pieces, each in a turn of its own; `alter` may change what it gives. */
function fetcherOf(alter: (bytes: Uint8Array, options: FetchOptions) => Uint8Array = (bytes) => bytes): Fetcher {
  return {
    async fetch(_target, options = {}) {
      return pieces(alter(blob.bytes, options), options.offset ?? 0);
    },
  };
}

async function* pieces(bytes: Uint8Array, offset: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(pieceSize);
  for (let at = offset; at < bytes.byteLength; at += pieceSize) {
    await new Promise(setImmediate);
    // The same memory each time, as sources may do.
    const part = bytes.subarray(at, at + pieceSize);
    buffer.set(part);
    yield buffer.subarray(0, part.byteLength);
  }
}

function fillWith(fetcher: Fetcher, store = new MemoryStore(), signal = new AbortController().signal): Fill {
  return new Fill(store, blob.descriptor, async () => fetcher, signal);
}

async function read(stream: AsyncIterable<Uint8Array>, turns = 0): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) {
    for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts);
}

group('a fill', () => {
  it('gives bytes before it has all of them', async () => {
    const fill = fillWith(fetcherOf());
    const follower = fill.follow()[Symbol.asyncIterator]();
    const { value } = await follower.next();
    assert.ok(Buffer.from(value).equals(blob.bytes.subarray(0, pieceSize)));
    let ended = false;
    void fill.done.then(() => {
      ended = true;
    });
    await follower.next();
    assert.equal(ended, false);
    await follower.return?.();
    await fill.done;
  });

  it('gives the same to those who are fast, slow or late', async () => {
    const fill = fillWith(fetcherOf());
    const early = [0, 1, 5].map((turns) => read(fill.follow(), turns));
    await fill.started;
    const late = read(fill.follow());
    for (const found of await Promise.all([...early, late])) assert.ok(found.equals(blob.bytes));
  });

  it('never gives the end of wrong bytes', async () => {
    const wrong = fetcherOf((bytes) => Buffer.from(bytes).fill(0, 10, 20));
    const fill = fillWith(wrong);
    let size = 0;
    await assert.rejects(
      (async () => {
        for await (const part of fill.follow()) size += part.byteLength;
      })(),
      { reason: 'digest-mismatch' },
    );
    assert.ok(size < blob.bytes.byteLength);
  });

  it('that is right at the second try is no use to who has bytes of the first, and is to all others', async () => {
    const store = new MemoryStore();
    const once = fetcherOf((bytes, { distrust }) => (distrust ? bytes : Buffer.from(bytes).fill(0, 10, 20)));
    const fill = fillWith(once, store);
    const spoiled = read(fill.follow());
    await fill.started;
    const late = read(fill.follow());
    await assert.rejects(spoiled, { kind: 'data-loss', reason: 'digest-mismatch' });
    assert.ok((await late).equals(blob.bytes));
    assert.equal((await store.info(blob.descriptor.digest)).size, blob.bytes.byteLength);
  });

  it('that fails says so to everybody, and before the first byte to who waits for that', async () => {
    const failing: Fetcher = { fetch: () => Promise.reject(new Error('away')) };
    const fill = fillWith(failing);
    await assert.rejects(fill.started, /away/);
    await assert.rejects(read(fill.follow()), /away/);
  });

  it('goes on without those who give up, and ends with its signal', async () => {
    const [client, registry] = [new AbortController(), new AbortController()];
    const fill = fillWith(fetcherOf(), new MemoryStore(), registry.signal);
    const given = read(fill.follow(client));
    await fill.started;
    client.abort(new Error('gave up'));
    await assert.rejects(given, /gave up/);
    const other = read(fill.follow());
    registry.abort(new Error('closing'));
    await assert.rejects(other, /closing/);
  });

  it('goes on from what an earlier one left', async () => {
    const store = new MemoryStore();
    const stop = new AbortController();
    const first = fillWith(fetcherOf(), store, stop.signal);
    await first.started;
    stop.abort(new Error('closing'));
    await assert.rejects(first.done);
    const offsets: (number | undefined)[] = [];
    const noting = fetcherOf((bytes, { offset }) => {
      offsets.push(offset);
      return bytes;
    });
    const fill = fillWith(noting, store);
    assert.ok((await read(fill.follow())).equals(blob.bytes));
    assert.equal(offsets.length, 1);
    assert.ok((offsets[0] ?? 0) > 0);
  });
});
