import { checkRef, locked, takenAway, totalOf } from '../../content/outcomes.ts';
import type {
  AbortableOptions,
  BlobReader,
  ContentStore,
  Info,
  LabelChange,
  Status,
  Target,
  Writer,
  WriterOptions,
} from '../../content/store.ts';
import { checkStoredSize } from '../../content/verified.ts';
import { is } from '../../errors.ts';
import { type Digest, parseDigest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { Content } from '../gen/content_pb.ts';
import { Leases } from '../gen/leases_pb.ts';
import { fromInfo, fromStatus } from '../messages.ts';
import { DaemonReader } from './reader.ts';
import type { Session } from './session.ts';
import { type Position, WriteCall } from './write-call.ts';
import { DaemonWriter } from './writer.ts';

/**
 * The content of one namespace of a daemon. It differs from a store on disk in what a daemon cannot do: a blob that is deleted is
 * gone for open readers as well, an ingest can only be cut to nothing, and only writers of this process keep an ingest from being
 * aborted.
 */
export class DaemonContent implements ContentStore {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async reader(target: Target, options?: AbortableOptions): Promise<BlobReader> {
    const info = await this.info(target.digest, options);
    checkStoredSize(target, info.size);
    return new DaemonReader(this.#session, info);
  }

  async writer(options: WriterOptions): Promise<Writer> {
    const { ref, target, signal } = options;
    checkRef(ref);
    if (target !== undefined) parseDigest(target.digest);
    signal?.throwIfAborted();
    this.#checkUnlocked(ref);
    const key = this.#key(ref);
    this.#session.open.set(key, Timestamp.now());
    const closed = (): void => void this.#session.open.delete(key);
    try {
      const { call, position } = await this.#open(options);
      const info = (digest: Digest): Promise<Info> => this.#committed(digest);
      const hold = (digest: Digest): Promise<void> => this.#hold(options.lease, digest);
      return new DaemonWriter({ ref, call, position, expected: target?.digest, info, hold, closed });
    } catch (error) {
      closed();
      throw error;
    }
  }

  async #open({ ref, target, size, lease, signal }: WriterOptions): Promise<{ call: WriteCall; position: Position }> {
    const opening = { ref, total: totalOf({ target, size }) ?? 0, expected: target?.digest ?? '', lease, signal };
    const opened = await WriteCall.open(this.#session, opening);
    if (opening.total === 0 || opened.position.offset > 0) return opened;
    try {
      // containerd begins anew under another size, but leaves the old bytes behind the new ones.
      if ((await this.status(ref, { signal })).offset === 0) return opened;
    } catch (error) {
      await opened.call.cancel();
      throw error;
    }
    await opened.call.close();
    await this.#session.call(Content.method.abort, { ref }, { signal });
    return await WriteCall.open(this.#session, opening);
  }

  async #committed(digest: Digest): Promise<Info> {
    try {
      return await this.info(digest);
    } catch (error) {
      throw is(error, 'not-found') ? takenAway(digest) : error;
    }
  }

  // A daemon that finds out in a commit that somebody else has brought the blob does not put it under the lease.
  async #hold(lease: string | undefined, digest: Digest): Promise<void> {
    if (lease === undefined) return;
    const held = { id: lease, resource: { type: 'content', id: digest } };
    await this.#session.call(Leases.method.addResource, held);
    await this.#committed(digest);
  }

  async status(ref: string, options?: AbortableOptions): Promise<Status> {
    return fromStatus((await this.#session.call(Content.method.status, { ref }, options)).status);
  }

  async *statuses(...filters: string[]): AsyncGenerator<Status> {
    const { statuses } = await this.#session.call(Content.method.listStatuses, { filters });
    yield* statuses.map(fromStatus);
  }

  async abort(ref: string, options?: AbortableOptions): Promise<void> {
    this.#checkUnlocked(ref);
    await this.#session.call(Content.method.abort, { ref }, options);
  }

  #checkUnlocked(ref: string): void {
    const since = this.#session.open.get(this.#key(ref));
    if (since !== undefined) throw locked(ref, since);
  }

  #key(ref: string): string {
    return `${this.#session.namespace}/${ref}`;
  }

  async info(digest: Digest, options?: AbortableOptions): Promise<Info> {
    const { info } = await this.#session.call(Content.method.info, { digest: parseDigest(digest) }, options);
    return fromInfo(info);
  }

  async update({ digest, labels = {} }: LabelChange, ...fieldpaths: string[]): Promise<Info> {
    const request = {
      info: { digest: parseDigest(digest), labels },
      updateMask: { paths: fieldpaths },
    };
    return fromInfo((await this.#session.call(Content.method.update, request)).info);
  }

  async *walk(...filters: string[]): AsyncGenerator<Info> {
    for await (const { info } of this.#session.stream(Content.method.list, { filters })) yield* info.map(fromInfo);
  }

  async delete(digest: Digest, options?: AbortableOptions): Promise<void> {
    await this.#session.call(Content.method.delete, { digest: parseDigest(digest) }, options);
  }
}
