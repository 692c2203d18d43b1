import type { AbortableOptions } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import type { DeleteImageOptions, Image, ImageStore, NewImage } from '../../services/image-store.ts';
import { Images } from '../gen/images_pb.ts';
import { fromImage, toDescriptor } from '../messages.ts';
import type { Session } from './session.ts';

/** The images of one namespace of a daemon. */
export class DaemonImages implements ImageStore {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async get(name: string, options?: AbortableOptions): Promise<Image> {
    return fromImage((await this.#session.call(Images.method.get, { name }, options)).image);
  }

  async *list(...filters: string[]): AsyncGenerator<Image> {
    const { images } = await this.#session.call(Images.method.list, { filters });
    yield* images.map(fromImage);
  }

  async create(image: NewImage, options?: AbortableOptions): Promise<Image> {
    return fromImage((await this.#session.call(Images.method.create, { image: toMessage(image) }, options)).image);
  }

  async update(image: NewImage, ...fieldpaths: string[]): Promise<Image> {
    const request = { image: toMessage(image), updateMask: { paths: fieldpaths } };
    return fromImage((await this.#session.call(Images.method.update, request)).image);
  }

  async delete(name: string, { target, synchronous = false, signal }: DeleteImageOptions = {}): Promise<void> {
    // Daemons before version 2 pass the target over.
    if (target !== undefined) await this.#checkTarget(name, target.digest, signal);
    const wanted = target === undefined ? {} : { target: toDescriptor(target) };
    await this.#session.call(
      Images.method.delete,
      { name, sync: synchronous, ...wanted },
      { signal, slow: synchronous },
    );
  }

  async #checkTarget(name: string, digest: string, signal: AbortSignal | undefined): Promise<void> {
    const { target } = await this.get(name, { signal });
    if (target.digest === digest) return;
    throw new DrayError('not-found', `image ${name} is ${target.digest}, not ${digest}`, { side: 'store' });
  }
}

function toMessage({ name, target, labels = {} }: NewImage) {
  return { name, target: toDescriptor(target), labels };
}
