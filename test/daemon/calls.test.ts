import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { packAny } from '../../src/daemon/any.ts';
import { packEvent } from '../../src/daemon/event-types.ts';
import { Content, InfoSchema, WriteAction, type WriteContentRequestSchema } from '../../src/daemon/gen/content_pb.ts';
import { Images } from '../../src/daemon/gen/images_pb.ts';
import { Leases } from '../../src/daemon/gen/leases_pb.ts';
import { Namespaces } from '../../src/daemon/gen/namespaces_pb.ts';
import { ProgressSchema } from '../../src/daemon/gen/transfer_types_pb.ts';
import { Channel } from '../../src/daemon/grpc/channel.ts';
import { errorOf, statusOf } from '../../src/daemon/grpc/status.ts';
import { fromInfo, toTimestamp } from '../../src/daemon/messages.ts';
import { DrayError } from '../../src/errors.ts';
import { digestOf, emptyDigest } from '../../src/spec/digest.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { put } from '../metadata/support.ts';
import { type Served, servedStore } from './served.ts';

// What containerd's clients see on the wire and dray's own does not ask for.

const metadata = { 'containerd-namespace': 'default' };

async function calling(run: (channel: Channel, served: Served) => Promise<void>): Promise<void> {
  await using served = await servedStore();
  await using channel = new Channel({ path: served.address });
  await run(channel, served);
}

type WriteRequest = MessageInitShape<typeof WriteContentRequestSchema>;

/** The answers to the messages of one stream, each sent when the one before was answered. */
async function writing(
  channel: Channel,
  requests: readonly WriteRequest[],
  headers: Record<string, string> = metadata,
) {
  const call = await channel.open(Content.method.write, { metadata: headers });
  try {
    const answers = [];
    for (const request of requests) {
      await call.send(request);
      const answer = await call.next();
      assert.ok(answer !== undefined);
      answers.push(answer);
    }
    // The server lets go of the ingest before it ends the call.
    call.finish();
    assert.equal(await call.next(), undefined);
    return answers;
  } finally {
    await call.cancel();
  }
}

describe('a client that reads', () => {
  const bytes = randomBytes(2_500_000, 'read');

  it('gets the range that it means, in pieces whose offsets count from where it begins', () =>
    calling(async (channel, { daemon }) => {
      const { digest } = await put(daemon.content, 'a', bytes);
      const ranges: readonly [offset: bigint, size: bigint, from: number, to: number][] = [
        [0n, 0n, 0, 2_500_000],
        [5n, 0n, 5, 2_500_000],
        [5n, -1n, 5, 2_500_000],
        [-7n, 10n, 0, 10],
        [2_499_999n, 1n << 40n, 2_499_999, 2_500_000],
        [2_500_000n, 0n, 0, 0],
      ];
      for (const [offset, size, from, to] of ranges) {
        const pieces = await Array.fromAsync(
          channel.serverStream(Content.method.read, { digest, offset, size }, { metadata }),
        );
        assert.ok(Buffer.concat(pieces.map(({ data }) => data)).equals(bytes.subarray(from, to)), `${offset} ${size}`);
        let position = 0;
        for (const piece of pieces) {
          assert.equal(Number(piece.offset), position);
          assert.ok(piece.data.byteLength <= 1024 * 1024);
          position += piece.data.byteLength;
        }
      }
      const beyond = channel.serverStream(Content.method.read, { digest, offset: 2_500_001n }, { metadata });
      await fails(Array.fromAsync(beyond), 'out-of-range');
    }));

  it('gets a list in messages of a hundred, and none where there is nothing', () =>
    calling(async (channel, { store }) => {
      const sizes = async (): Promise<number[]> => {
        const lists = await Array.fromAsync(channel.serverStream(Content.method.list, {}, { metadata }));
        return lists.map(({ info }) => info.length);
      };
      assert.deepEqual(await sizes(), []);
      const { content } = store.services('default');
      await Promise.all(Array.from({ length: 205 }, (_, n) => put(content, `${n}`, `blob ${n}`)));
      assert.deepEqual(await sizes(), [100, 100, 5]);
    }));
});

describe('a client that writes', () => {
  const { STAT, WRITE, COMMIT } = WriteAction;
  const data = Buffer.from('abc');

  it('is told where the ingest stands, and what was announced', () =>
    calling(async (channel) => {
      const expected = digestOf('abcdef');
      const [open, , second] = await writing(channel, [
        { action: STAT, ref: 'r', total: 6n, expected },
        { action: WRITE, data },
        { action: STAT },
      ]);
      assert.deepEqual([open?.offset, open?.total, open?.digest], [0n, 6n, emptyDigest()]);
      assert.deepEqual([second?.offset, second?.total, second?.digest], [3n, 6n, digestOf('abc')]);
      const [again] = await writing(channel, [{ action: STAT, ref: 'r' }]);
      assert.deepEqual([again?.offset, again?.total], [3n, 6n]);
    }));

  it('begins anew with bytes for the beginning, and may commit nothing when it says so', () =>
    calling(async (channel, { daemon }) => {
      const anew = { action: WRITE, offset: 0n, data: Buffer.from('x') };
      const begun = [{ action: WRITE, ref: 'r', data }, anew];
      const [, restarted] = await writing(channel, begun);
      assert.deepEqual([restarted?.offset, restarted?.digest], [1n, digestOf('x')]);
      const [, , , committed] = await writing(channel, [
        { action: WRITE, ref: 's', data },
        { action: WRITE, offset: 3n, data },
        { action: STAT },
        { action: COMMIT, offset: 0n, expected: emptyDigest() },
      ]);
      assert.equal(committed?.digest, emptyDigest());
      assert.equal((await daemon.content.info(emptyDigest())).size, 0);
    }));

  it('commits in one message, under a lease, with labels', () =>
    calling(async (channel, { daemon }) => {
      await daemon.leases.create({ id: 'l' });
      const request = { action: COMMIT, ref: 'r', data, total: 3n, expected: digestOf(data), labels: { k: 'v' } };
      const [answer] = await writing(channel, [request], { ...metadata, 'containerd-lease': 'l' });
      assert.deepEqual([answer?.offset, answer?.digest], [3n, digestOf(data)]);
      assert.deepEqual({ ...(await daemon.content.info(digestOf(data))).labels }, { k: 'v' });
      const { resources } = await channel.unary(Leases.method.listResources, { id: 'l' }, { metadata });
      assert.deepEqual(
        resources.map(({ type, id }) => [type, id]),
        [['content', digestOf(data)]],
      );
    }));

  it('is under the lease of that very id, or told that no call can name it', () =>
    calling(async (_, { daemon }) => {
      for (const id of ['a', 'a,b', 'a, b', '(c) d']) {
        await daemon.leases.create({ id });
        const { digest } = await put(daemon.content, 'r', `for ${id}`, { lease: id });
        const held = await Array.fromAsync(daemon.leases.resources(id));
        assert.deepEqual(held, [{ type: 'content', id: digest }]);
      }
      for (const id of [' a', 'a ', 'a\nb', 'ä']) {
        await daemon.leases.create({ id });
        await fails(daemon.content.writer({ ref: 'r', lease: id }), 'invalid-argument');
      }
      assert.deepEqual(await Array.fromAsync(daemon.content.statuses()), []);
    }));

  it('is held to what it announced at the beginning', () =>
    calling(async (channel, { daemon }) => {
      for (const announced of [{ total: 5n }, { expected: digestOf('abcde') }]) {
        const requests = [
          { action: STAT, ref: 'r', ...announced },
          { action: COMMIT, data },
        ];
        await fails(writing(channel, requests), 'failed-precondition');
        await daemon.content.abort('r');
      }
    }));
});

describe('a containerd that keeps its content here', () => {
  it('says no namespace, deletes and aborts what is gone, and has what it commits kept', async () => {
    await using served = await servedStore({}, { pluginNamespace: 'node1' });
    await using channel = new Channel({ path: served.address });
    const data = Buffer.from('abc');
    await writing(channel, [{ action: WriteAction.COMMIT, ref: 'default/1/layer', data }], {});
    const digest = digestOf(data);
    assert.equal((await served.store.collect()).content, 0);
    // A failure would end its collection.
    for (let times = 0; times < 2; times += 1) {
      await channel.unary(Content.method.delete, { digest });
      await channel.unary(Content.method.abort, { ref: 'default/1/layer' });
    }
    await fails(channel.unary(Content.method.info, { digest }), 'not-found');
  });
});

describe('a client', () => {
  it('is in the first of the namespaces that it names, and gets an id for a lease without one', () =>
    calling(async (channel, { daemon }) => {
      await put(daemon.services('one').content, 'a', 'first');
      const several = { 'containerd-namespace': ['one', 'two'] as unknown as string };
      const lists = await Array.fromAsync(channel.serverStream(Content.method.list, {}, { metadata: several }));
      assert.equal(lists.length, 1);
      const { lease } = await channel.unary(Leases.method.create, {}, { metadata });
      assert.notEqual(lease?.id ?? '', '');
    }));

  it('may ask for a namespace before it is made, and makes it by labelling it', () =>
    calling(async (channel, { daemon }) => {
      const { namespace } = await channel.unary(Namespaces.method.get, { name: 'new' }, { metadata });
      assert.deepEqual({ ...namespace?.labels }, {});
      const label = (path: string) =>
        channel.unary(Namespaces.method.update, {
          namespace: { name: 'new', labels: { a: '1', b: '2' } },
          updateMask: { paths: [path] },
        });
      await fails(label('name'), 'invalid-argument');
      await fails(daemon.namespaces.get('new'), 'not-found');
      await label('labels.a');
      assert.deepEqual({ ...(await daemon.namespaces.get('new')).labels }, { a: '1' });
    }));

  it('changes what its field mask names, and need not say the rest', () =>
    calling(async (channel, { daemon }) => {
      const target = { mediaType: 'm', digest: digestOf('x'), size: 1, annotations: { a: 'b' } };
      await daemon.images.create({ name: 'app', target, labels: { k: 'v' } });
      const update = (labels: Record<string, string>, annotations: Record<string, string>, path: string) =>
        channel.unary(
          Images.method.update,
          { image: { name: 'app', labels, target: { annotations } }, updateMask: { paths: [path] } },
          { metadata },
        );
      await update({ l: 'm' }, {}, 'labels.l');
      await update({}, { c: 'd' }, 'annotations.c');
      const { labels, target: kept } = await daemon.images.get('app');
      assert.deepEqual(
        [{ ...labels }, kept],
        [
          { k: 'v', l: 'm' },
          { ...target, annotations: { a: 'b', c: 'd' } },
        ],
      );
    }));

  it('deletes an image while it has a target, and waits until nothing of it is left', () =>
    calling(async (channel, { daemon }) => {
      const { digest } = await put(daemon.content, 'a', 'of the image');
      const target = { mediaType: 'm', digest, size: 12 };
      await daemon.images.create({ name: 'app', target });
      const remove = (target: object) =>
        channel.unary(Images.method.delete, { name: 'app', sync: true, target }, { metadata });
      await fails(remove({ ...target, digest: digestOf('y') }), 'not-found');
      await remove(target);
      await fails(daemon.content.info(digest), 'not-found');
    }));

  it('finds messages under the names that containerd gives their types', () => {
    const types = ['/images/create', '/content/delete', '/namespaces/update'].map(
      (topic) => packEvent(topic, {}).typeUrl,
    );
    assert.deepEqual(types, [
      'containerd.services.images.v1.ImageCreate',
      'containerd.events.ContentDelete',
      'containerd.events.NamespaceUpdate',
    ]);
    assert.equal(packAny(ProgressSchema, {}).typeUrl, 'containerd.types.transfer.Progress');
  });

  it('is told times before 1970 as well, and a daemon that leaves out when a blob changed means when it was made', () => {
    assert.deepEqual(toTimestamp(new Timestamp(-1n)), { seconds: -1n, nanos: 999_999_999 });
    const createdAt = create(TimestampSchema, { seconds: 7n });
    const info = fromInfo(create(InfoSchema, { digest: digestOf('x'), createdAt }));
    assert.equal(info.updatedAt.nanoseconds, 7_000_000_000n);
  });

  it('reads the kind of an error at the end of its text, and dray does not show it twice', () => {
    const status = statusOf(new DrayError('not-found', 'no blob'));
    assert.deepEqual([status.code, status.message], [5, 'no blob: not found']);
    assert.equal(errorOf(status, {}).message, 'no blob');
  });
});
