import type { ContentStore, Info, Status, Writer } from '../../content/store.ts';
import type { Digest } from '../../spec/digest.ts';

/** Ingests bytes and commits them. */
export async function put(
  store: ContentStore,
  ref: string,
  bytes: Uint8Array,
  expected: { size?: number; digest?: Digest; labels?: Record<string, string> } = {},
): Promise<Info> {
  await using writer = await store.writer({ ref });
  await writer.write(bytes);
  return await writer.commit(expected);
}

/** Ingests bytes and leaves them uncommitted. */
export async function begin(
  store: ContentStore,
  ref: string,
  bytes: Uint8Array,
  target?: { digest: Digest; size: number },
): Promise<Status> {
  await using writer: Writer = await store.writer({ ref, target });
  if (bytes.byteLength > 0) await writer.write(bytes);
  return await writer.status();
}

/** All bytes of a blob. */
export async function readAll(store: ContentStore, digest: Digest): Promise<Buffer> {
  await using reader = await store.reader({ digest });
  return await joined(reader.stream());
}

/** All bytes of a stream. */
export async function joined(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(stream));
}

/** The refs of all ingests, sorted. */
export async function refs(store: ContentStore): Promise<string[]> {
  return (await Array.fromAsync(store.statuses())).map((status) => status.ref).sort();
}
