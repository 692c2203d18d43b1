import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { imageTransfers } from '../../src/client/image-transfers.ts';
import { packAny, unpackAny } from '../../src/daemon/any.ts';
import { StreamInitSchema, Streaming } from '../../src/daemon/gen/streaming_pb.ts';
import { Transfer } from '../../src/daemon/gen/transfer_pb.ts';
import {
  AuthRequestSchema,
  AuthResponseSchema,
  DataSchema,
  ImageExportStreamSchema,
  ImageImportStreamSchema,
  ImageStoreSchema,
  OCIRegistrySchema,
  type Progress,
  ProgressSchema,
  WindowUpdateSchema,
} from '../../src/daemon/gen/transfer_types_pb.ts';
import type { Call } from '../../src/daemon/grpc/call.ts';
import { Channel } from '../../src/daemon/grpc/channel.ts';
import type { FinishedCall } from '../../src/daemon/grpc/server.ts';
import { registryOptions } from './registry.ts';
import { type Served, servedStore } from './served.ts';

type Party = MessageInitShape<typeof AnySchema>;
export type Stream = Call<typeof AnySchema, typeof AnySchema>;

/** Messages that say what a transfer goes from or to. */
export const parties: {
  store(message: MessageInitShape<typeof ImageStoreSchema>): Party;
  archive(message: MessageInitShape<typeof ImageImportStreamSchema>): Party;
  exported(message: MessageInitShape<typeof ImageExportStreamSchema>): Party;
  registry(message: MessageInitShape<typeof OCIRegistrySchema>): Party;
} = {
  store: (message) => packAny(ImageStoreSchema, message),
  archive: (message) => packAny(ImageImportStreamSchema, message),
  exported: (message) => packAny(ImageExportStreamSchema, message),
  registry: (message) => packAny(OCIRegistrySchema, message),
};

/** A served store that moves images, and a raw client of it. */
export interface ServedTransfers extends AsyncDisposable {
  readonly served: Served;
  readonly client: TransferClient;
  /** The next transfer that is over, as the server has it. */
  ended(): Promise<FinishedCall>;
}

export async function servedTransfers(): Promise<ServedTransfers> {
  const resources = new AsyncDisposableStack();
  const calls = new EventEmitter<{ Transfer: [FinishedCall] }>();
  const onCall = (call: FinishedCall): void => {
    if (call.method.endsWith('/Transfer')) calls.emit('Transfer', call);
  };
  const served = resources.use(await servedStore({}, { images: imageTransfers(registryOptions), onCall }));
  const client = new TransferClient(resources.use(new Channel({ path: served.address })));
  const ended = async (): Promise<FinishedCall> => {
    const [call] = await once(calls, 'Transfer');
    return call;
  };
  return { served, client, ended, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Makes calls as containerd's clients make them. */
export class TransferClient {
  readonly channel: Channel;
  #streams = 0;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  /** Opens a stream and waits until it can be named. */
  async stream(id: string, namespace: string = 'default'): Promise<Stream> {
    const call = await this.channel.open(Streaming.method.stream, inNamespace(namespace));
    await call.send(packAny(StreamInitSchema, { id }));
    assert.equal((await call.next())?.typeUrl, 'google.protobuf.Empty');
    return call;
  }

  async transfer(
    source: Party,
    destination: Party,
    options: { readonly progressStream?: string; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const { progressStream = '', signal } = options;
    const message = { source, destination, options: { progressStream } };
    await this.channel.unary(Transfer.method.transfer, message, { ...inNamespace('default'), signal });
  }

  /** A stream of progress and what comes on it. */
  async progress(): Promise<{ readonly id: string; readonly told: Promise<Progress[]> }> {
    const id = `progress-${this.#streams++}`;
    const call = await this.stream(id);
    return { id, told: Array.fromAsync(messages(call), (message) => unpacked(ProgressSchema, message)) };
  }

  /** Imports the bytes of an archive. */
  async import(archive: AsyncIterable<Uint8Array>, store: MessageInitShape<typeof ImageStoreSchema>): Promise<void> {
    const id = `import-${this.#streams++}`;
    const call = await this.stream(id);
    const sent = sendArchive(call, archive);
    await this.transfer(parties.archive({ stream: id }), parties.store(store));
    await sent;
  }

  /** Exports images as an archive. */
  async export(
    names: readonly string[],
    message: MessageInitShape<typeof ImageExportStreamSchema> = {},
  ): Promise<Buffer> {
    const id = `export-${this.#streams++}`;
    const received = receiveArchive(await this.stream(id));
    const source = parties.store({ extraReferences: names.map((name) => ({ name })) });
    await this.transfer(source, parties.exported({ ...message, stream: id }));
    return await received;
  }

  /** A stream on which a question for credentials gets this answer; the questions. */
  async credentials(
    answer: MessageInitShape<typeof AuthResponseSchema>,
  ): Promise<{ readonly id: string; readonly asked: string[] }> {
    const id = `creds-${this.#streams++}`;
    const call = await this.stream(id);
    const asked: string[] = [];
    const answering = async (): Promise<void> => {
      for await (const message of messages(call)) {
        const { host, reference } = unpacked(AuthRequestSchema, message);
        asked.push(`${host} ${reference}`);
        await call.send(packAny(AuthResponseSchema, answer));
      }
    };
    answering().catch(() => {});
    return { id, asked };
  }
}

/** Sends an archive as it is let, in pieces as containerd's clients do. */
async function sendArchive(call: Stream, archive: AsyncIterable<Uint8Array>): Promise<void> {
  let window = 0;
  for await (const chunk of archive) {
    for (let offset = 0; offset < chunk.byteLength; ) {
      while (window === 0) {
        const message = await call.next();
        if (message === undefined) return;
        window += unpacked(WindowUpdateSchema, message).update;
      }
      const data = chunk.slice(offset, offset + Math.min(window, 32 * 1024));
      await call.send(packAny(DataSchema, { data }));
      window -= data.byteLength;
      offset += data.byteLength;
    }
  }
  call.finish();
}

/** Takes an archive with the window that containerd's clients have. */
async function receiveArchive(call: Stream): Promise<Buffer> {
  const size = 64 * 1024;
  const chunks: Uint8Array[] = [];
  for (let window = 0; ; ) {
    if (window < size) {
      await call.send(packAny(WindowUpdateSchema, { update: size }));
      window += size;
    }
    const message = await call.next();
    if (message === undefined) return Buffer.concat(chunks);
    const { data } = unpacked(DataSchema, message);
    assert.ok(data.byteLength <= window, 'more than the window');
    window -= data.byteLength;
    chunks.push(data);
  }
}

export async function* messages(call: Stream): AsyncGenerator<Any> {
  for (let message = await call.next(); message !== undefined; message = await call.next()) yield message;
}

function unpacked<D extends DescMessage>(schema: D, message: Any): MessageShape<D> {
  const found = unpackAny(schema, message);
  assert.ok(found, message.typeUrl);
  return found;
}

function inNamespace(namespace: string): { readonly metadata: Readonly<Record<string, string>> } {
  return { metadata: { 'containerd-namespace': namespace } };
}
