import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolvedLine, Tally } from '../../src/cli/progress/tally.ts';
import { describe as describeBytes } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';

const target = describeBytes(mediaTypes.dockerLayerGzip, Buffer.from('layer'));

function tallied(size: number, ...offsets: readonly number[]): Tally {
  const tally = new Tally();
  for (const [index, offset] of offsets.entries()) {
    const state = 'active' as const;
    tally.take({ type: 'blob', target: { ...target, size }, state, offset, resumed: 0 }, index * 1000);
  }
  return tally;
}

describe('the line of totals', () => {
  it('says how long it takes when the sizes are known', () => {
    const line = tallied(4_000_000, 0, 1_000_000, 2_000_000).line(2000);
    assert.match(line, /^0\/1 blobs {3}\S+ MiB of \S+ MiB {3}\S+ KiB\/s {3}eta 2\.0s$/);
  });

  it('says nothing of what cannot be known when sizes are not', () => {
    const line = tallied(0, 0, 1_000_000, 2_000_000).line(2000);
    assert.match(line, /^0\/1 blobs {3}(\S+ MiB) of \1 {3}\S+ KiB\/s$/);
  });
});

describe('the line of totals, of what others bring', () => {
  it('says that it is awaited', () => {
    const tally = new Tally();
    tally.take({ type: 'blob', target, state: 'locked', offset: 0, resumed: 0 }, 0);
    assert.match(tally.line(0), /^0\/1 blobs .* 1 awaited from another writer$/);
  });
});

describe('the line of what was found', () => {
  it('tells an index, a manifest and one of Docker schema 1 apart', () => {
    const line = (mediaType: string): string => resolvedLine('app:1', { ...target, mediaType });
    assert.match(line(mediaTypes.ociIndex), /^app:1 {2}index sha256:[a-f0-9]{12}$/);
    assert.match(line(mediaTypes.dockerManifest), /^app:1 {2}manifest sha256:/);
    assert.match(line(mediaTypes.dockerSchema1Signed), /^app:1 {2}schema 1 manifest sha256:/);
  });
});
