import { expiryOf, presentLabels } from '../content/labels.ts';
import type { AbortableOptions, Labels } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { parseFilters } from '../filters/filter.ts';
import type { DeleteImageOptions, Image, ImageStore, NewImage } from '../services/image-store.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Rows, Transaction } from './database.ts';
import { publish } from './events.ts';
import { checkImage, imageFields, mergeImage } from './image-rules.ts';
import { ensureNamespace } from './namespaces.ts';
import { pages } from './pages.ts';
import type { StoreParts } from './parts.ts';
import { type Columns, prefilter } from './prefilter.ts';

interface ImageRow {
  readonly name: string;
  readonly target: string;
  readonly labels: string;
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

const columns = 'name, target, labels, created_at, updated_at';

const imageColumns: Columns = {
  text: { name: 'name', 'target.digest': 'digest' },
  maps: { labels: 'labels', annotations: 'target' },
};

/** The images of one namespace of a directory. */
export class Images implements ImageStore {
  readonly #parts: StoreParts;
  readonly #namespace: string;

  constructor(parts: StoreParts, namespace: string) {
    this.#parts = parts;
    this.#namespace = namespace;
  }

  async get(name: string, { signal }: AbortableOptions = {}): Promise<Image> {
    signal?.throwIfAborted();
    return findImage(this.#parts.database, this.#namespace, name);
  }

  async *list(...filters: string[]): AsyncGenerator<Image> {
    const filter = parseFilters(filters);
    const { sql, values } = prefilter(filter, imageColumns);
    const rows = pages<ImageRow, 'name'>(this.#parts.database, {
      select: `SELECT ${columns} FROM image`,
      where: `namespace = ? AND ${sql}`,
      values: [this.#namespace, ...values],
      key: 'name',
    });
    for await (const row of rows) {
      const image = imageOf(row);
      if (filter(imageFields(image))) yield image;
    }
  }

  async create({ name, target, labels = {} }: NewImage, { signal }: AbortableOptions = {}): Promise<Image> {
    signal?.throwIfAborted();
    const image = checkImage({ name, target, labels: presentLabels(labels) });
    return await this.#parts.database.write((transaction) => {
      const now = Timestamp.now();
      const created = { ...image, createdAt: now, updatedAt: now };
      ensureNamespace(transaction, this.#namespace);
      if (!this.#insert(transaction, created))
        throw new DrayError('already-exists', `image ${name} exists`, { side: 'store', hint: 'update it instead' });
      publish(transaction, this.#namespace, '/images/create', { name, labels: created.labels });
      return created;
    });
  }

  #insert(transaction: Transaction, { name, target, labels, createdAt, updatedAt }: Image): boolean {
    const added = transaction.run(
      'INSERT OR IGNORE INTO image (namespace, name, target, labels, expires_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      this.#namespace,
      name,
      JSON.stringify(target),
      JSON.stringify(labels),
      expiryOf(labels)?.nanoseconds ?? null,
      createdAt.nanoseconds,
      updatedAt.nanoseconds,
    );
    return added > 0;
  }

  async update(change: NewImage, ...fieldpaths: string[]): Promise<Image> {
    return await this.#parts.database.write((transaction) => {
      const current = findImage(transaction, this.#namespace, change.name);
      const updated = { ...current, ...mergeImage(current, change, fieldpaths), updatedAt: Timestamp.now() };
      transaction.run(
        'UPDATE image SET target = ?, labels = ?, expires_at = ?, updated_at = ? WHERE namespace = ? AND name = ?',
        JSON.stringify(updated.target),
        JSON.stringify(updated.labels),
        expiryOf(updated.labels)?.nanoseconds ?? null,
        updated.updatedAt.nanoseconds,
        this.#namespace,
        updated.name,
      );
      publish(transaction, this.#namespace, '/images/update', { name: updated.name, labels: updated.labels });
      return updated;
    });
  }

  async delete(name: string, { target, synchronous, signal }: DeleteImageOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await this.#parts.database.write((transaction) => {
      const image = findImage(transaction, this.#namespace, name);
      if (target !== undefined && image.target.digest !== target.digest) {
        throw new DrayError('not-found', `image ${name} is ${image.target.digest}, not ${target.digest}`, {
          side: 'store',
          hint: 'somebody has updated it meanwhile',
        });
      }
      transaction.run('DELETE FROM image WHERE namespace = ? AND name = ?', this.#namespace, name);
      publish(transaction, this.#namespace, '/images/delete', { name });
    });
    if (synchronous) await this.#parts.collect({ signal });
  }
}

/** @throws DrayError `not-found`. */
export function findImage(rows: Rows, namespace: string, name: string): Image {
  const row = rows.get<ImageRow>(`SELECT ${columns} FROM image WHERE namespace = ? AND name = ?`, namespace, name);
  if (row !== undefined) return imageOf(row);
  throw new DrayError('not-found', `no image ${JSON.stringify(name)} in namespace ${namespace}`, {
    side: 'store',
    hint: 'dray images ls lists them',
  });
}

function imageOf({ name, target, labels, created_at, updated_at }: ImageRow): Image {
  return {
    name,
    target: JSON.parse(target) as Descriptor,
    labels: JSON.parse(labels) as Labels,
    createdAt: new Timestamp(created_at),
    updatedAt: new Timestamp(updated_at),
  };
}
