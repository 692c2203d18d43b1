import { EventEmitter, once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { childLabels } from '../../src/images/labels.ts';
import { openStore, type Store } from '../../src/metadata/open-store.ts';
import { type RegistryOptions, type RequestRecord, startRegistry } from '../../src/registry/index.ts';
import type { Services } from '../../src/services/services.ts';
import type { Digest } from '../../src/spec/digest.ts';
import { childrenOf } from '../../src/spec/documents.ts';
import type { RandomBlob, RandomImage } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** A registry for one test, over a store of its own. */
export interface TestRegistry extends AsyncDisposable {
  readonly url: string;
  readonly address: string;
  readonly services: Services;
  readonly store: Store;
  readonly root: string;
  /** What it has answered so far. */
  readonly records: readonly RequestRecord[];
  /** The first request, of those that have ended and those that will, that passes. */
  recorded(passes: (record: RequestRecord) => boolean): Promise<RequestRecord>;
  send: Send;
}

export type Send = (method: string, path: string, options?: SendOptions) => Promise<Answer>;

export interface SendOptions {
  readonly headers?: Record<string, string | string[]> | undefined;
  readonly body?: Uint8Array | string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  json<T = unknown>(): T;
  /** The first code of an error document. */
  readonly code: string | undefined;
}

/** Starts a registry over a fresh store, or over that of `root`. */
export async function serve(
  options: Partial<RegistryOptions> & { readonly root?: string | undefined } = {},
): Promise<TestRegistry> {
  await using undo = new AsyncDisposableStack();
  const directory = options.root === undefined ? undo.use(await temporaryDirectory()) : undefined;
  const root = options.root ?? directory?.join('store') ?? '';
  const store = undo.use(await openStore({ root, durability: 'none' }));
  const services = options.services ?? store.services('default');
  const records: RequestRecord[] = [];
  const told = new EventEmitter();
  const onRequest = (record: RequestRecord): void => {
    records.push(record);
    told.emit('request');
  };
  const registry = undo.use(await startRegistry({ shutdown: 100, onRequest, ...options, services }));
  const agent = new Agent({ keepAlive: true });
  undo.defer(() => agent.destroy());
  const parts = undo.move();
  return {
    url: registry.url,
    address: registry.address,
    services,
    store,
    root,
    records,
    async recorded(passes) {
      for (;;) {
        const found = records.find(passes);
        if (found !== undefined) return found;
        await once(told, 'request');
      }
    },
    send: (method, path, given) => send(registry.url, method, path, given, agent),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Sends one request with the path exactly as given. */
export async function send(
  base: string,
  method: string,
  path: string,
  { headers = {}, body }: SendOptions = {},
  agent?: Agent,
): Promise<Answer> {
  const { hostname, port } = new URL(base);
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const bare = hostname.replace(/^\[|\]$/g, '');
  return await new Promise<Answer>((resolve, reject) => {
    const outgoing = request({ host: bare, port, method, path, headers: { ...length, ...headers }, agent });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      buffer(response).then((bytes) => {
        resolve(answer(response.statusCode ?? 0, response.headers, bytes));
      }, reject);
    });
    outgoing.end(body);
  });
}

function answer(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  return {
    status,
    headers,
    body,
    json: () => JSON.parse(body.toString()),
    get code() {
      return (JSON.parse(body.toString()) as { errors?: { code: string }[] }).errors?.[0]?.code;
    },
  };
}

/** Pushes a blob in two requests; returns the answer to the last. */
export async function pushBlob(send: Send, repository: string, { descriptor, bytes }: RandomBlob): Promise<Answer> {
  const session = await send('POST', `/v2/${repository}/blobs/uploads/`);
  return await send('PUT', `${session.headers.location}?digest=${descriptor.digest}`, { body: bytes });
}

/** Pushes an image: blobs, manifests by digest, and the root by tag. Returns the answer to the last. */
export async function pushImage(send: Send, repository: string, image: RandomImage, tag: string): Promise<Answer> {
  for (const blob of image.blobs) {
    if (isDocument(blob)) continue;
    await pushBlob(send, repository, blob);
  }
  for (const blob of image.blobs) {
    if (isDocument(blob) && blob.descriptor.digest !== image.root.digest)
      await putManifest(send, repository, blob, blob.descriptor.digest);
  }
  const root = image.blobs.find(({ descriptor }) => descriptor.digest === image.root.digest);
  if (root === undefined) throw new Error('the image has no root');
  return await putManifest(send, repository, root, tag);
}

export function putManifest(send: Send, repository: string, blob: RandomBlob, reference: string): Promise<Answer> {
  const headers = { 'Content-Type': blob.descriptor.mediaType };
  return send('PUT', `/v2/${repository}/manifests/${reference}`, { headers, body: blob.bytes });
}

export function isDocument({ descriptor }: RandomBlob): boolean {
  return /manifest|index/.test(descriptor.mediaType);
}

/** Puts an image into a store as `dray import` does: content, what keeps it, and a name. */
export async function importImage(services: Services, name: string, image: RandomImage): Promise<void> {
  for (const blob of image.blobs) {
    await using writer = await services.content.writer({ ref: `import ${blob.descriptor.digest}` });
    await writer.write(blob.bytes);
    const children = childrenOf(blob.descriptor.mediaType, blob.bytes);
    await writer.commit({ labels: { ...childLabels(children), 'containerd.io/gc.root': 'import' } });
  }
  await services.images.create({ name, target: image.root });
  for (const { descriptor } of image.blobs) {
    await services.content.update({ digest: descriptor.digest, labels: {} }, 'labels.containerd.io/gc.root');
  }
}

/** Collects until nothing is left; ends only then. */
export async function collectAll({ store, services }: TestRegistry): Promise<void> {
  for (;;) {
    await store.collect();
    const [left] = await Array.fromAsync(services.content.walk());
    if (left === undefined) return;
  }
}

/** Collects until no lease with an end is left, and what only those kept has gone with them. */
export async function graceOver({ store, services }: TestRegistry): Promise<void> {
  for (;;) {
    await store.collect();
    const leases = await Array.fromAsync(services.leases.list());
    if (leases.every(({ expiresAt }) => expiresAt === undefined)) return;
  }
}

/** A digest that nothing has. */
export const nothing: Digest = `sha256:${'0'.repeat(64)}`;
