import type { AbortableOptions } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import { fieldsOf, parseFilters } from '../../filters/filter.ts';
import type { Namespace, NamespaceStore, NewNamespace } from '../../services/namespace-store.ts';
import { Namespaces } from '../gen/namespaces_pb.ts';
import type { Session } from './session.ts';

/** The namespaces of a daemon. */
export class DaemonNamespaces implements NamespaceStore {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  // Asked for one, a daemon answers also when there is none; in the list are those that there are.
  async get(name: string, options?: AbortableOptions): Promise<Namespace> {
    const found = (await this.#all(options)).find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new DrayError('not-found', `no namespace ${name}`, { side: 'store' });
  }

  async *list(...filters: string[]): AsyncGenerator<Namespace> {
    const filter = parseFilters(filters);
    // Daemons pass the filter of the request over.
    yield* (await this.#all()).filter(({ name, labels }) => filter(fieldsOf({ name, labels })));
  }

  async #all(options?: AbortableOptions): Promise<Namespace[]> {
    const { namespaces } = await this.#session.call(Namespaces.method.list, {}, options);
    return namespaces.map(({ name, labels }) => ({ name, labels }));
  }

  async create({ name, labels = {} }: NewNamespace, options?: AbortableOptions): Promise<Namespace> {
    await this.#session.call(Namespaces.method.create, { namespace: { name, labels } }, options);
    return this.get(name, options);
  }

  async update({ name, labels = {} }: NewNamespace, ...fieldpaths: string[]): Promise<Namespace> {
    // A daemon would make one that is not there.
    await this.get(name);
    // It knows no path for all labels: that is a mask without paths.
    const paths =
      fieldpaths.every((path) => path.startsWith('labels')) && fieldpaths.includes('labels') ? [] : fieldpaths;
    const namespace = { name, labels };
    await this.#session.call(Namespaces.method.update, { namespace, updateMask: { paths } });
    return this.get(name);
  }

  async delete(name: string, options?: AbortableOptions): Promise<void> {
    await this.#session.call(Namespaces.method.delete, { name }, options);
  }
}
