import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Gate } from '../../src/remotes/docker/gate.ts';
import { parseRateLimit, parseWarnings } from '../../src/remotes/docker/manners.ts';
import { backOff, parseRetryAfter } from '../../src/remotes/docker/retry.ts';
import { ResponseHeaders } from '../../src/remotes/docker/transport.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { registryFailure, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { bytesOf, openerOf, quickClient } from '../support/registry-client.ts';

describe('a gate', () => {
  it('lets in as many as it may, in the order of their coming', async () => {
    const gate = new Gate(2, 2);
    const order: number[] = [];
    const leaves: (() => void)[] = [];
    const enter = async (id: number): Promise<void> => {
      leaves.push(await gate.enter());
      order.push(id);
    };
    const all = [1, 2, 3, 4].map(enter);
    await Promise.all(all.slice(0, 2));
    assert.deepEqual(order, [1, 2]);
    assert.equal(gate.tryEnter(), undefined);
    leaves[0]?.();
    leaves[0]?.();
    await all[2];
    assert.deepEqual(order, [1, 2, 3]);
    leaves[1]?.();
    await all[3];
    assert.deepEqual(order, [1, 2, 3, 4]);
  });

  it('forgets who gives up', async () => {
    const gate = new Gate(1, 1);
    const leave = await gate.enter();
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = gate.enter(controller.signal);
    const next = gate.enter();
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    leave();
    (await next)();
    assert.ok(gate.tryEnter());
    await assert.rejects(gate.enter(AbortSignal.abort(reason)), reason);
  });

  it('opens one step after as many successes as it lets in, and closes by half', () => {
    const gate = new Gate(2, 4);
    gate.grow();
    assert.equal(gate.limit, 2);
    gate.grow();
    assert.equal(gate.limit, 3);
    for (let count = 0; count < 100; count += 1) gate.grow();
    assert.equal(gate.limit, 4);
    gate.shrink();
    assert.equal(gate.limit, 2);
    gate.shrink();
    gate.shrink();
    assert.equal(gate.limit, 1);
  });

  it('never lets in more than its limit, whatever happens', async () => {
    const action = fc.constantFrom(
      'enter' as const,
      'leave' as const,
      'grow' as const,
      'shrink' as const,
      'abort' as const,
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const gate = new Gate(3, 6);
        const inside: (() => void)[] = [];
        const controllers: AbortController[] = [];
        let highest = 0;
        for (const what of actions) {
          if (what === 'enter') {
            const controller = new AbortController();
            controllers.push(controller);
            gate.enter(controller.signal).then(
              (leave) => void inside.push(leave),
              () => {},
            );
          } else if (what === 'leave') inside.shift()?.();
          else if (what === 'abort') controllers.shift()?.abort();
          else gate[what]();
          highest = Math.max(highest, gate.limit);
          await new Promise((resolve) => setImmediate(resolve));
          assert.ok(inside.length <= highest);
        }
        for (const controller of controllers) controller.abort();
        await new Promise((resolve) => setImmediate(resolve));
        for (const leave of inside.splice(0)) leave();
        const free = Array.from({ length: gate.limit }, () => gate.tryEnter());
        assert.ok(free.every((leave) => leave !== undefined));
      }),
      { numRuns: 50 },
    );
  });
});

describe('waiting', () => {
  it('is as long as somebody asks for, in all ways of asking', () => {
    const now = Date.parse('2030-01-01T00:00:00Z');
    const cases: readonly (readonly [string | undefined, number | undefined])[] = [
      ['5', 5000],
      [' 0 ', 0],
      ['1.5', 1500],
      ['Tue, 01 Jan 2030 00:00:10 GMT', 10_000],
      ['Tue, 01 Jan 2019 00:00:10 GMT', 0],
      ['880µs', 1],
      ['200ms', 200],
      ['30s', 30_000],
      ['2m', 120_000],
      ['', undefined],
      ['soon', undefined],
      ['-1', undefined],
      ['5 5', undefined],
      [undefined, undefined],
    ];
    for (const [text, expected] of cases) assert.equal(parseRetryAfter(text, now), expected, text);
  });

  it('grows from attempt to attempt up to a limit, and is never the same for all', () => {
    const policy = { attempts: 9, pause: 100, longestPause: 1000, longestWait: 1 };
    for (const [next, most] of [
      [2, 100],
      [3, 200],
      [4, 400],
      [9, 1000],
    ] as const) {
      for (let count = 0; count < 20; count += 1) {
        const pause = backOff(policy, next);
        assert.ok(pause >= most / 2 && pause <= most, `${pause} before attempt ${next}`);
      }
    }
  });
});

describe('headers beside the matter', () => {
  it('tell limits with and without a window', () => {
    const read = (headers: Record<string, string>): unknown => parseRateLimit(new ResponseHeaders(headers));
    assert.deepEqual(read({ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '99;w=21600' }), {
      limit: 100,
      remaining: 99,
      window: 21_600_000,
      reset: undefined,
    });
    assert.deepEqual(read({ 'ratelimit-remaining': '0', 'ratelimit-reset': '7' }), {
      limit: undefined,
      remaining: 0,
      window: undefined,
      reset: 7000,
    });
    assert.equal(read({ 'ratelimit-limit': 'many' }), undefined);
    assert.equal(read({}), undefined);
  });

  it('tell warnings, and nothing that would move the cursor', () => {
    assert.deepEqual(parseWarnings(['299 - "a \\"b\\" \\\\ c"', '299 - "x", 299 - "y"']), ['a "b" \\ c', 'x', 'y']);
    assert.deepEqual(parseWarnings(['199 - "x"', '299 host "x"', '299 - x', '299 - "\u001b[2J"', '299 - "', '']), []);
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom(...'29 -",\\x') })), (lines) => void parseWarnings(lines)),
    );
  });
});

describe('many things at once', () => {
  it('are as many bodies as the client may, and no more', async () => {
    await using registry = await ScriptedRegistry.start();
    const blobs = Array.from({ length: 12 }, (_, index) => randomBlob(100_000, `many ${index}`));
    for (const { bytes } of blobs) registry.repository('team/app').addBlob(bytes);
    registry.script({ on: 'GET *', stallAfter: 1000 });
    await using client = quickClient({ concurrency: 3 });
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    const controller = new AbortController();
    const fetching = blobs.map(async ({ descriptor }) =>
      bytesOf(await fetcher.fetch(descriptor, { signal: controller.signal })),
    );
    while (registry.requests.length < 3) await new Promise((resolve) => setImmediate(resolve));
    // Documents do not wait behind bodies, and neither do pushes.
    const image = randomImage({ seed: 'meanwhile', layers: [10] });
    registry.add('team/app', image, '1');
    assert.deepEqual((await client.resolve(`${registry.host}/team/app:1`)).target, image.root);
    const pushed = randomBlob(200_000, 'meanwhile');
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    assert.equal(await pusher.push(pushed.descriptor, openerOf(pushed.bytes)), 'pushed');
    assert.equal(registry.requests.filter(({ method, url }) => method === 'GET' && url.includes('/blobs/')).length, 3);
    controller.abort(new Error('enough'));
    await Promise.allSettled(fetching);
  });

  it('become more while all goes well and fewer when the registry asks for it', async () => {
    await using registry = await ScriptedRegistry.start();
    const blobs = Array.from({ length: 40 }, (_, index) => randomBlob(1000, `growing ${index}`));
    for (const { bytes } of blobs) registry.repository('team/app').addBlob(bytes);
    await using client = quickClient({ concurrency: 8 });
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    const peak = async (): Promise<number> => {
      let now = 0;
      let most = 0;
      const one = async ({ descriptor }: (typeof blobs)[number]): Promise<void> => {
        const stream = await fetcher.fetch(descriptor);
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        now -= 1;
        await bytesOf(stream);
      };
      await Promise.all(blobs.map(one));
      return most;
    };
    assert.ok((await peak()) > 4);
    registry.script({
      on: 'HEAD *',
      times: 3,
      answer: { ...registryFailure(429, 'TOOMANYREQUESTS'), headers: { 'retry-after': '0' } },
    });
    await assert.rejects(client.resolve(`${registry.host}/team/app:none`));
    const few = blobs.slice(0, 4);
    blobs.length = 0;
    blobs.push(...few);
    assert.ok((await peak()) < 4);
  });
});
