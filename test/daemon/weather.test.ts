import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer, type Server } from 'node:net';
import { describe, it } from 'node:test';
import { openWriter, writeBlob } from '../../src/content/copy.ts';
import { connectContainerd } from '../../src/daemon/client/daemon.ts';
import { Content, type WriteAction } from '../../src/daemon/gen/content_pb.ts';
import { Channel } from '../../src/daemon/grpc/channel.ts';
import { serveContainerd } from '../../src/daemon/server/serve.ts';
import { DrayError, type ErrorKind } from '../../src/errors.ts';
import { describe as describeBytes } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { put, readAll, temporaryStore } from '../metadata/support.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { servedStore, socketIn } from './served.ts';

describe('a daemon that cannot be reached', () => {
  it('is said at once, with the path', async () => {
    await using directory = await temporaryDirectory();
    const address = socketIn(directory.path);
    await fails(
      connectContainerd({ address }),
      'unavailable',
      new RegExp(`${address.replaceAll('\\', '\\\\')}: there is no such socket`),
    );
    await fails(connectContainerd({ address: 'http://localhost' }), 'invalid-argument', /address/);
    await fails(connectContainerd({ address, namespace: 'no/name' }), 'invalid-argument', /namespace/);
  });

  it('is waited for when that is wanted, until it is there or the time is over', async () => {
    await using directory = await temporaryDirectory();
    await using fixture = await temporaryStore();
    const address = socketIn(directory.path);
    await fails(connectContainerd({ address, wait: 120 }), 'unavailable', /no such socket/);
    const waiting = connectContainerd({ address, wait: 60_000 });
    await using _server = await serveContainerd(fixture.store, address);
    await using daemon = await waiting;
    assert.equal((await daemon.version()).revision, 'dray');
    const reason = new Error('enough');
    const other = connectContainerd({ address: `${address}2`, wait: 60_000, signal: AbortSignal.timeout(50) });
    await assert.rejects(other, (error) => (error as Error).name === 'TimeoutError');
    await assert.rejects(connectContainerd({ address, signal: AbortSignal.abort(reason) }), reason);
  });

  it('is no gRPC server', async () => {
    await using peer = await listening(createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    await fails(connectContainerd({ address: peer.address }), 'unavailable', /cannot connect/);
  });
});

describe('a peer that never answers', () => {
  it('is given up when it takes the connection and no more', async () => {
    await using peer = await listening(createServer(() => {}));
    await fails(connectContainerd({ address: peer.address, timeout: 80 }), 'deadline-exceeded', /nobody answers/);
  });

  it('is given up when it takes the call and no more', async () => {
    await using peer = await http2Peer(() => {});
    await using daemon = await connectContainerd({ address: peer.address, timeout: 40 });
    await fails(daemon.version(), 'deadline-exceeded', /no answer within 0.04 seconds/);
    await fails(daemon.content.writer({ ref: 'x' }), 'deadline-exceeded', /no answer within 0.4 seconds/);
    await fails(Array.fromAsync(daemon.content.walk()), 'deadline-exceeded', /no answer/);
  });

  it('is given up when the caller says so, with the reason of the caller', async () => {
    const called = Promise.withResolvers<void>();
    await using peer = await http2Peer(() => called.resolve());
    await using daemon = await connectContainerd({ address: peer.address });
    const giving = new AbortController();
    const reason = new Error('enough');
    const call = daemon.content.info(digestOf('x'), { signal: giving.signal });
    await called.promise;
    giving.abort(reason);
    await assert.rejects(call, (error) => error === reason);
  });
});

describe('a peer that answers nonsense', () => {
  const peers: readonly [string, Buffer, ErrorKind, RegExp][] = [
    ['a message over the limit', prefix(16 * 1024 * 1024 + 1), 'resource-exhausted', /limit/],
    ['a message of 4 GiB', prefix(0xffffffff), 'resource-exhausted', /limit/],
    ['a message that is cut off', Buffer.concat([prefix(100), Buffer.from('short')]), 'internal', /within a message/],
    ['bytes that are no message', frame(Buffer.from([0xff, 0xff, 0xff])), 'internal', /no valid/],
    ['a compressed message', Buffer.concat([Buffer.from([1]), prefix(0).subarray(1)]), 'not-implemented', /compressed/],
    ['no message', Buffer.alloc(0), 'internal', /nothing/],
    ['an empty message', frame(Buffer.alloc(0)), 'internal', /without the info/],
    ['two messages', Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(0))]), 'internal', /more than once/],
  ];
  for (const [title, bytes, kind, message] of peers) {
    it(`is told so: ${title}`, async () => {
      await using peer = await http2Peer((stream) => answer(stream, bytes));
      await using daemon = await connectContainerd({ address: peer.address, timeout: 10_000 });
      await fails(daemon.content.info(digestOf('x')), kind, message);
    });
  }

  it('is not listened to without end, and has its calls closed', async () => {
    const calls: ServerHttp2Stream[] = [];
    await using peer = await http2Peer((stream) => {
      calls.push(stream);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      const talk = (): void => {
        while (!stream.destroyed && stream.write(frame(bytesField(6, Buffer.from(digestOf('')))))) {}
      };
      stream.on('drain', talk);
      talk();
    });
    await using daemon = await connectContainerd({ address: peer.address, timeout: 10_000 });
    const writer = await daemon.content.writer({ ref: 'x' });
    await writer[Symbol.asyncDispose]();
    await fails(daemon.version(), 'internal', /more than once/);
    for (const stream of calls) if (!stream.closed) await once(stream, 'close');
    assert.equal(calls.length, 2);
  });

  it('does not make a time of what is none', async () => {
    const late = Buffer.concat([Buffer.from([0x08]), Buffer.alloc(8, 0xff), Buffer.from([0x7f])]);
    const info = Buffer.concat([bytesField(1, Buffer.from(digestOf('x'))), bytesField(3, late)]);
    await using peer = await http2Peer((stream) => answer(stream, frame(bytesField(1, info))));
    await using daemon = await connectContainerd({ address: peer.address });
    await fails(daemon.content.info(digestOf('x')), 'invalid-argument', /years/);
  });

  it('is told so: another status than gRPC has', async () => {
    await using peer = await http2Peer((stream) => answer(stream, Buffer.alloc(0), { 'grpc-status': '77' }));
    await using daemon = await connectContainerd({ address: peer.address });
    await fails(daemon.content.info(digestOf('x')), 'unknown', /unknown/);
  });

  it('is told so: a reason that nobody knows is none, whatever objects have under that name', async () => {
    await using peer = await http2Peer((stream) =>
      answer(stream, Buffer.alloc(0), { 'grpc-status': '9', 'dray-reason': 'constructor' }),
    );
    await using daemon = await connectContainerd({ address: peer.address });
    await assert.rejects(
      daemon.content.info(digestOf('x')),
      (error) => error instanceof DrayError && error.kind === 'failed-precondition' && error.reason === undefined,
    );
  });

  it('is told so: an answer of HTTP', async () => {
    await using peer = await http2Peer((stream) => {
      stream.respond({ ':status': 503 });
      stream.end('busy');
    });
    await using daemon = await connectContainerd({ address: peer.address });
    await fails(daemon.content.info(digestOf('x')), 'unavailable', /HTTP 503/);
  });

  it('is understood as far as possible: unknown fields are passed over', async () => {
    const digest = Buffer.from(digestOf('x'));
    // Field 1 of the answer holds the info; fields 99 and 100 are of nobody.
    const info = Buffer.concat([bytesField(1, digest), Buffer.from([0x10, 7]), bytesField(99, Buffer.from('new'))]);
    const message = Buffer.concat([bytesField(1, info), bytesField(100, Buffer.from('newer'))]);
    await using peer = await http2Peer((stream) => answer(stream, frame(message)));
    await using daemon = await connectContainerd({ address: peer.address });
    const found = await daemon.content.info(digestOf('x'));
    assert.deepEqual([found.digest, found.size, { ...found.labels }], [digestOf('x'), 7, {}]);
  });

  it('does not make a size of what is none', async () => {
    const negative = Buffer.concat([Buffer.from([0x10]), Buffer.alloc(9, 0xff), Buffer.from([1])]);
    const info = Buffer.concat([bytesField(1, Buffer.from(digestOf('x'))), negative]);
    await using peer = await http2Peer((stream) => answer(stream, frame(bytesField(1, info))));
    await using daemon = await connectContainerd({ address: peer.address });
    await fails(daemon.content.info(digestOf('x')), 'invalid-argument', /impossible number of bytes/);
  });
});

describe('a client that sends nonsense', () => {
  const write = Content.method.write;

  it('is refused over the limit, under it and beyond what is known, and others are not disturbed', async () => {
    await using served = await servedStore();
    for (const [bytes, code] of [
      [prefix(0xffffffff), '8'],
      [Buffer.concat([prefix(100), Buffer.from('short')]), '13'],
      [frame(Buffer.from([0xff, 0xff])), '13'],
      [Buffer.concat([Buffer.from([1]), prefix(0).subarray(1)]), '12'],
      [Buffer.alloc(0), '13'],
    ] as const) {
      assert.equal(await statusOf(served.address, '/containerd.services.content.v1.Content/Info', bytes), code);
    }
    assert.equal(
      await statusOf(served.address, '/containerd.services.content.v1.Content/Nothing', frame(Buffer.alloc(0))),
      '12',
    );
    assert.equal(await statusOf(served.address, '/nothing', frame(Buffer.alloc(0))), '12');
    assert.equal((await daemonInfo(served)).revision, 'dray');
  });

  it('is refused without a namespace, and with a malformed one', async () => {
    await using served = await servedStore();
    await using channel = new Channel({ path: served.address });
    const list = Content.method.listStatuses;
    await fails(channel.unary(list, {}), 'failed-precondition', /namespace is required/);
    const metadata = { 'containerd-namespace': 'no/name' };
    await fails(channel.unary(list, {}, { metadata }), 'invalid-argument', /namespace/);
  });

  it('sees nothing of another namespace', async () => {
    await using served = await servedStore();
    const { digest } = await put(served.daemon.content, 'a', 'mine');
    const other = served.daemon.services('other');
    await fails(other.content.info(digest), 'not-found', /no blob/);
    await fails(other.content.reader({ digest }), 'not-found', /no blob/);
    assert.deepEqual(await Array.fromAsync(other.content.walk()), []);
  });

  it('is refused with an action that nobody knows, and the ingest can be gone on with', async () => {
    await using served = await servedStore();
    await using channel = new Channel({ path: served.address });
    const metadata = { 'containerd-namespace': 'default' };
    const call = await channel.open(write, { metadata });
    await call.send({ action: 1, ref: 'odd', data: Buffer.from('abc') });
    await call.next();
    await call.send({ action: 9 as WriteAction });
    await fails(call.next(), 'not-implemented', /unknown action 9/);
    await using writer = await served.daemon.content.writer({ ref: 'odd' });
    assert.equal((await writer.status()).offset, 3);
  });

  it('is refused with bytes for elsewhere, without a ref, and with a commit that forgot where it stands', async () => {
    await using served = await servedStore();
    await using channel = new Channel({ path: served.address });
    const metadata = { 'containerd-namespace': 'default' };
    const requests: readonly [object[], ErrorKind][] = [
      [[{ action: 0 }], 'invalid-argument'],
      [[{ action: 1, ref: 'x', offset: 7n, data: Buffer.from('a') }], 'out-of-range'],
      [[{ action: 1, ref: 'y', data: Buffer.from('abc') }, { action: 2 }], 'out-of-range'],
      [[{ action: 1, ref: 'z', total: -5n, expected: 'nonsense' }], 'invalid-argument'],
    ];
    for (const [messages, kind] of requests) {
      const call = await channel.open(write, { metadata });
      const [last] = messages.slice(-1);
      for (const message of messages) {
        await call.send(message);
        if (message !== last) await call.next();
      }
      await fails(call.next(), kind, /./);
      await call.cancel();
    }
    assert.deepEqual(await Array.fromAsync(served.daemon.content.walk()), []);
  });
});

describe('many calls at once', () => {
  it('are all answered: a thousand streams over one connection', async () => {
    await using served = await servedStore();
    const bytes = randomBytes(70_000, 'thousand');
    const { digest } = await put(served.daemon.content, 'a', bytes);
    const reads = Array.from({ length: 500 }, () => readAll(served.daemon.content, digest));
    const infos = Array.from({ length: 500 }, () => served.daemon.content.info(digest));
    for (const read of await Promise.all(reads)) assert.ok(read.equals(bytes));
    assert.ok((await Promise.all(infos)).every(({ size }) => size === bytes.byteLength));
  });

  it('are open at the same time: a thousand streams that nobody reads', async () => {
    await using served = await servedStore();
    const bytes = randomBytes(100_000, 'slow');
    const { digest } = await put(served.daemon.content, 'a', bytes);
    await using reader = await served.daemon.content.reader({ digest });
    const streams = Array.from({ length: 1000 }, () => reader.stream({ length: 90_000 })[Symbol.asyncIterator]());
    const firsts = await Promise.all(streams.map((stream) => stream.next()));
    assert.ok(firsts.every(({ value }) => value !== undefined && value.byteLength > 0));
    assert.equal((await served.daemon.content.info(digest)).size, bytes.byteLength);
    for (const stream of streams) await stream.return?.();
  });
});

describe('a client that cancels', () => {
  it('may do so as often as it calls, as those of containerd do', async () => {
    await using served = await servedStore();
    const { digest } = await put(served.daemon.content, 'a', randomBytes(100_000, 'pieces'));
    await using channel = new Channel({ path: served.address });
    const metadata = { 'containerd-namespace': 'default' };
    for (let n = 0; n < 3000; n += 1) {
      const call = await channel.open(Content.method.read, { metadata });
      await call.send({ digest, size: 1000n });
      const answered = await call.next();
      assert.equal(answered?.data.byteLength, 1000);
      await call.cancel();
    }
  });
});

describe('a daemon that goes away', () => {
  it('leaves an ingest that is gone on with when it is back', async () => {
    await using directory = await temporaryDirectory();
    await using fixture = await temporaryStore();
    const address = socketIn(directory.path);
    let server = await serveContainerd(fixture.store, address);
    await using daemon = await connectContainerd({ address });
    const bytes = randomBytes(9_000_000, 'cut');
    const target = describeBytes('application/octet-stream', bytes);
    const broken = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      for (let at = offset; at < bytes.byteLength; at += 500_000) {
        if (at === 6_000_000) await server[Symbol.asyncDispose]();
        yield bytes.subarray(at, at + 500_000);
      }
    };
    await fails(writeBlob(daemon.content, 'layer', target, broken), 'unavailable', /connection|socket|daemon/);
    await fails(daemon.content.info(target.digest), 'unavailable', /socket|listens/);
    server = await serveContainerd(fixture.store, address);
    await using _server = server;
    const resumed: number[] = [];
    const whole = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(offset);
    };
    await writeBlob(daemon.content, 'layer', target, whole, { onResume: (offset) => resumed.push(offset) });
    assert.equal(resumed.length, 1);
    assert.ok((resumed[0] ?? 0) >= 3_000_000, `went on from ${resumed[0]}`);
    assert.ok((await readAll(daemon.content, target.digest)).equals(bytes));
  });

  it('ends a read with an error, not with half of it', async () => {
    const served = await servedStore();
    const { digest } = await put(served.daemon.content, 'a', randomBytes(8_000_000, 'half'));
    await using reader = await served.daemon.content.reader({ digest });
    const stream = reader.stream()[Symbol.asyncIterator]();
    await stream.next();
    await served[Symbol.asyncDispose]();
    const rest = async (): Promise<void> => {
      while ((await stream.next()).done !== true);
    };
    await fails(rest(), 'unavailable', /broke/);
  });

  it('lets go of the lock of a client that is gone', async () => {
    await using served = await servedStore();
    const other = await connectContainerd({ address: served.address });
    const writer = await other.content.writer({ ref: 'mine' });
    await writer.write(Buffer.from('abc'));
    await writer.status();
    await fails(served.daemon.content.writer({ ref: 'mine' }), 'locked');
    await other[Symbol.asyncDispose]();
    await using again = await openWriter(served.daemon.content, { ref: 'mine', timeout: 10_000 });
    assert.equal((await again.status()).offset, 3);
    await assert.rejects(async () => await writer[Symbol.asyncDispose](), DrayError);
  });
});

async function daemonInfo({ daemon }: Awaited<ReturnType<typeof servedStore>>): Promise<{ revision: string }> {
  return await daemon.version();
}

interface Peer extends AsyncDisposable {
  readonly address: string;
}

/** A server at a socket of its own. */
async function listening(server: Server | Http2Server, end = (): void => {}): Promise<Peer> {
  const directory = await temporaryDirectory();
  const address = socketIn(directory.path);
  server.listen(address);
  await once(server, 'listening');
  return {
    address,
    async [Symbol.asyncDispose]() {
      end();
      server.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A peer that speaks HTTP/2 and does as it is told with each call. */
async function http2Peer(onCall: (stream: ServerHttp2Stream) => void): Promise<Peer> {
  const server = createHttp2Server();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    onCall(stream);
  });
  return await listening(server, () => {
    for (const session of sessions) session.destroy();
  });
}

function answer(
  stream: ServerHttp2Stream,
  bytes: Uint8Array,
  trailers: Record<string, string> = { 'grpc-status': '0' },
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(bytes);
}

function prefix(length: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function frame(message: Uint8Array): Buffer {
  return Buffer.concat([prefix(message.byteLength), message]);
}

function bytesField(number: number, bytes: Uint8Array): Buffer {
  const tag = (number << 3) | 2;
  const head = tag < 0x80 ? [tag] : [(tag & 0x7f) | 0x80, tag >> 7];
  return Buffer.concat([Buffer.from([...head, bytes.byteLength]), bytes]);
}

/** Sends bytes as a call; the status that comes back. */
async function statusOf(address: string, path: string, bytes: Uint8Array): Promise<string> {
  const { connect } = await import('node:http2');
  const { connect: connectSocket } = await import('node:net');
  const session = connect('http://localhost', { createConnection: () => connectSocket(address) });
  try {
    const metadata = { 'containerd-namespace': 'default', 'content-type': 'application/grpc' };
    const stream = session.request({ ':method': 'POST', ':path': path, ...metadata });
    let status = '';
    stream.on('response', (headers) => {
      status = String(headers['grpc-status'] ?? '');
    });
    stream.on('trailers', (headers) => {
      status = String(headers['grpc-status'] ?? '');
    });
    stream.resume();
    stream.end(bytes);
    await once(stream, 'close');
    return status;
  } finally {
    session.destroy();
  }
}
