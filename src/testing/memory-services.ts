import { checkLabels, expiryLabel, expiryOf, presentLabels, updateLabels } from '../content/labels.ts';
import { MemoryStore } from '../content/memory/memory-store.ts';
import type { AbortableOptions, Labels } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { fieldsOf, parseFilters } from '../filters/filter.ts';
import { checkImage, imageFields, mergeImage } from '../metadata/image-rules.ts';
import type { EventSource, StoreEvent } from '../services/events.ts';
import type { DeleteImageOptions, Image, ImageStore, NewImage } from '../services/image-store.ts';
import type { Lease, LeaseManager, LeaseResource, NewLease } from '../services/lease-manager.ts';
import type { Namespace, NamespaceStore, NewNamespace } from '../services/namespace-store.ts';
import type { Services } from '../services/services.ts';
import { Timestamp } from '../spec/timestamp.ts';

/**
 * A namespace of a store that lives in memory, for tests that need no disk. Nothing is ever collected, so leases hold nothing
 * that would not stay anyway, and of events there are those of images. Closing it does nothing.
 */
export function memoryServices({ namespace = 'default' }: { namespace?: string | undefined } = {}): Services {
  const events = new MemoryEvents(namespace);
  return {
    namespace,
    content: new MemoryStore(),
    images: new MemoryImages(events),
    leases: new MemoryLeases(),
    events,
    namespaces: new MemoryNamespaces(namespace),
    [Symbol.asyncDispose]: async () => {},
  };
}

class MemoryEvents implements EventSource {
  readonly #namespace: string;
  readonly #subscribers = new Set<(event: StoreEvent) => void>();

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  publish(topic: string, event: StoreEvent['event']): void {
    const told = { timestamp: Timestamp.now(), namespace: this.#namespace, topic, event };
    for (const tell of this.#subscribers) tell(told);
  }

  async *subscribe(
    filters: readonly string[] = [],
    { signal }: AbortableOptions = {},
  ): AsyncGenerator<StoreEvent, void, undefined> {
    const filter = parseFilters(filters);
    const waiting: StoreEvent[] = [];
    let wake: () => void = () => {};
    const tell = (event: StoreEvent): void => {
      const { topic, namespace } = event;
      if (filter(fieldsOf({ topic, namespace, event: event.event }))) waiting.push(event);
      wake();
    };
    this.#subscribers.add(tell);
    const stop = (): void => wake();
    signal?.addEventListener('abort', stop);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#subscribers.delete(tell);
    }
  }
}

class MemoryImages implements ImageStore {
  readonly #images = new Map<string, Image>();
  readonly #events: MemoryEvents;

  constructor(events: MemoryEvents) {
    this.#events = events;
  }

  async get(name: string): Promise<Image> {
    const found = this.#images.get(name);
    if (found === undefined) throw nothing(`image ${name}`);
    return found;
  }

  async *list(...filters: string[]): AsyncGenerator<Image> {
    const filter = parseFilters(filters);
    for (const [, image] of inOrder(this.#images)) if (filter(imageFields(image))) yield image;
  }

  async create({ name, target, labels = {} }: NewImage): Promise<Image> {
    if (this.#images.has(name)) throw there(`image ${name}`);
    const now = Timestamp.now();
    const image = checkImage({ name, target, labels: presentLabels(labels), createdAt: now, updatedAt: now });
    this.#images.set(name, image);
    this.#events.publish('/images/create', { name, labels: image.labels });
    return image;
  }

  async update(change: NewImage, ...fieldpaths: string[]): Promise<Image> {
    const current = await this.get(change.name);
    const image = { ...current, ...mergeImage(current, change, fieldpaths), updatedAt: Timestamp.now() };
    this.#images.set(image.name, image);
    this.#events.publish('/images/update', { name: image.name, labels: image.labels });
    return image;
  }

  async delete(name: string, { target }: DeleteImageOptions = {}): Promise<void> {
    const found = await this.get(name);
    if (target !== undefined && found.target.digest !== target.digest) throw nothing(`image ${name} with that target`);
    this.#images.delete(name);
    this.#events.publish('/images/delete', { name });
  }
}

class MemoryLeases implements LeaseManager {
  readonly #leases = new Map<string, { lease: Lease; resources: Map<string, LeaseResource> }>();
  #count = 0;

  async create({ id = `lease-${++this.#count}`, labels = {}, expiresAt }: NewLease = {}): Promise<Lease> {
    if (this.#leases.has(id)) throw there(`lease ${id}`);
    checkLabels(labels);
    const all = presentLabels({ ...labels, ...expiryLabel(expiresAt) });
    const lease = { id, labels: all, createdAt: Timestamp.now(), expiresAt: expiryOf(all) };
    this.#leases.set(id, { lease, resources: new Map() });
    return lease;
  }

  async *list(...filters: string[]): AsyncGenerator<Lease> {
    const filter = parseFilters(filters);
    for (const [id, { lease }] of inOrder(this.#leases))
      if (filter(fieldsOf({ id, labels: lease.labels }))) yield lease;
  }

  async delete(id: string): Promise<void> {
    if (!this.#leases.delete(id)) throw nothing(`lease ${id}`);
  }

  async addResource(id: string, resource: LeaseResource): Promise<void> {
    this.#resources(id).set(`${resource.type} ${resource.id}`, resource);
  }

  async deleteResource(id: string, resource: LeaseResource): Promise<void> {
    this.#resources(id).delete(`${resource.type} ${resource.id}`);
  }

  async *resources(id: string): AsyncGenerator<LeaseResource> {
    for (const [, resource] of inOrder(this.#resources(id))) yield resource;
  }

  #resources(id: string): Map<string, LeaseResource> {
    const found = this.#leases.get(id);
    if (found === undefined) throw nothing(`lease ${id}`);
    return found.resources;
  }
}

class MemoryNamespaces implements NamespaceStore {
  readonly #namespaces: Map<string, Labels>;

  constructor(name: string) {
    this.#namespaces = new Map([[name, {}]]);
  }

  async get(name: string): Promise<Namespace> {
    const labels = this.#namespaces.get(name);
    if (labels === undefined) throw nothing(`namespace ${name}`);
    return { name, labels };
  }

  async *list(...filters: string[]): AsyncGenerator<Namespace> {
    const filter = parseFilters(filters);
    for (const [name, labels] of inOrder(this.#namespaces))
      if (filter(fieldsOf({ name, labels }))) yield { name, labels };
  }

  async create({ name, labels = {} }: NewNamespace): Promise<Namespace> {
    if (this.#namespaces.has(name)) throw there(`namespace ${name}`);
    checkLabels(labels);
    this.#namespaces.set(name, labels);
    return { name, labels };
  }

  async update({ name, labels = {} }: NewNamespace, ...fieldpaths: string[]): Promise<Namespace> {
    const current = await this.get(name);
    this.#namespaces.set(name, updateLabels(current.labels, labels, fieldpaths));
    return this.get(name);
  }

  async delete(name: string): Promise<void> {
    if (!this.#namespaces.delete(name)) throw nothing(`namespace ${name}`);
  }
}

// By key; what is added or taken away meanwhile is not met.
function inOrder<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([one], [other]) => (one < other ? -1 : 1));
}

function nothing(what: string): DrayError {
  return new DrayError('not-found', `no ${what}`, { side: 'store' });
}

function there(what: string): DrayError {
  return new DrayError('already-exists', `${what} exists`, { side: 'store' });
}
