import assert from 'node:assert/strict';
import { it } from 'node:test';
import { temporaryDirectory } from '../support/temporary.ts';
import { chance, pooledImage, pullAll, pushLike, serveProcess } from './load.ts';
import { putManifest, type Send } from './support.ts';

/** How long the load lasts. */
const seconds = Number(process.env['DRAY_LOAD_SECONDS'] ?? 10);

const repositories = ['one', 'two', 'three', 'team/four', 'team/five'];
const tags = ['a', 'b', 'c', 'latest'];

interface Tally {
  pushes: number;
  pulls: number;
  deletions: number;
}

async function client(call: Send, seed: number, until: number, tally: Tally): Promise<void> {
  const random = chance(seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  while (performance.now() < until) {
    const [repository, tag] = [pick(repositories), pick(tags)];
    const action = random(10);
    if (action < 5) {
      const { manifest, blobs } = pooledImage(random);
      for (const blob of blobs) await pushLike(call, random, repository, blob, pick(repositories));
      const { status, body } = await putManifest(call, repository, manifest, tag);
      assert.equal(status, 201, body.toString());
      tally.pushes += 1;
    } else if (action < 8) {
      if (await pullAll(call, repository, tag)) tally.pulls += 1;
    } else {
      const { status } = await call('DELETE', `/v2/${repository}/manifests/${tag}`);
      assert.ok(status === 202 || status === 404, `${status}`);
      if (status === 202) tally.deletions += 1;
    }
  }
}

it('sixteen clients push, pull and delete while collections run, and nothing that is named is ever missing', async (context) => {
  await using directory = await temporaryDirectory();
  const options = {
    durability: 'none',
    grace: 4000,
    collectInterval: 1000,
    collectDelay: 200,
    sparse: 'indexes',
  } as const;
  await using served = await serveProcess(directory.join('store'), options);
  const tally: Tally = { pushes: 0, pulls: 0, deletions: 0 };
  const until = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: 16 }, (_, at) => client(served.send, at + 1, until, tally)));
  for (const repository of repositories) {
    const { status, body } = await served.send('GET', `/v2/${repository}/tags/list`);
    if (status === 404) continue;
    for (const tag of (JSON.parse(body.toString()) as { tags: string[] }).tags) {
      assert.ok(await pullAll(served.send, repository, tag));
    }
  }
  const collected = async (): Promise<number> => Number((await served.send('GET', '/collected')).body.toString());
  context.diagnostic(`${seconds} s: ${JSON.stringify({ ...tally, collected: await collected() })}`);
  assert.ok(tally.pushes > 16 && tally.pulls > 16 && tally.deletions > 0);
  for (const repository of repositories) {
    for (const tag of tags) await served.send('DELETE', `/v2/${repository}/manifests/${tag}`);
  }
  const before = await collected();
  while ((await collected()) === before) await served.send('DELETE', '/v2/one/manifests/none');
  assert.equal(served.running.output().replace(/^serving .*\n/, ''), '', 'no request failed inside');
});
