import { checkLabels, presentLabels, updateLabels } from '../content/labels.ts';
import type { LocalStore } from '../content/local/local-store.ts';
import type { AbortableOptions, Labels, Status } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { fieldsOf, parseFilters } from '../filters/filter.ts';
import type { Namespace, NamespaceStore, NewNamespace } from '../services/namespace-store.ts';
import { checkNamespace } from '../spec/namespace-name.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Database, Rows, Transaction } from './database.ts';
import { publish } from './events.ts';
import { ownerOf } from './ingests.ts';

/** With the value `true`, the content of this namespace may be adopted by others even where namespaces are isolated. */
export const shareableLabel = 'containerd.io/namespace.shareable';

/** Makes sure that a namespace is there: whoever writes in one makes it. */
export function ensureNamespace(transaction: Transaction, name: string): void {
  if (transaction.run("INSERT OR IGNORE INTO namespace VALUES (?, '{}')", name) > 0)
    publish(transaction, name, '/namespaces/create', { name, labels: {} });
}

interface NamespaceRow {
  readonly name: string;
  readonly labels: string;
}

/** The namespaces of a directory. */
export class Namespaces implements NamespaceStore {
  readonly #database: Database;
  readonly #local: LocalStore;

  constructor(database: Database, local: LocalStore) {
    this.#database = database;
    this.#local = local;
  }

  async get(name: string, { signal }: AbortableOptions = {}): Promise<Namespace> {
    signal?.throwIfAborted();
    return find(this.#database, name);
  }

  async *list(...filters: string[]): AsyncGenerator<Namespace> {
    const filter = parseFilters(filters);
    const rows = this.#database.all<NamespaceRow>('SELECT name, labels FROM namespace ORDER BY name');
    for (const namespace of rows.map(namespaceOf))
      if (filter(fieldsOf({ name: namespace.name, labels: namespace.labels }))) yield namespace;
  }

  async create({ name, labels = {} }: NewNamespace, { signal }: AbortableOptions = {}): Promise<Namespace> {
    signal?.throwIfAborted();
    checkNamespace(name);
    checkLabels(labels);
    const created = { name, labels: presentLabels(labels) };
    return await this.#database.write((transaction) => {
      if (transaction.run('INSERT OR IGNORE INTO namespace VALUES (?, ?)', name, JSON.stringify(created.labels)) === 0)
        throw new DrayError('already-exists', `namespace ${name} exists`, { side: 'store' });
      publish(transaction, name, '/namespaces/create', created);
      return created;
    });
  }

  async update({ name, labels = {} }: NewNamespace, ...fieldpaths: string[]): Promise<Namespace> {
    return await this.#database.write((transaction) => {
      const updated = { name, labels: updateLabels(find(transaction, name).labels, labels, fieldpaths) };
      transaction.run('UPDATE namespace SET labels = ? WHERE name = ?', JSON.stringify(updated.labels), name);
      publish(transaction, name, '/namespaces/update', updated);
      return updated;
    });
  }

  async delete(name: string, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    find(this.#database, name);
    const ingests = await this.#ingests(name);
    const open = ingests.filter(({ active }) => active).length;
    await this.#database.write((transaction) => {
      find(transaction, name);
      checkEmpty(transaction, name, open);
      transaction.run('DELETE FROM lease WHERE namespace = ?', name);
      transaction.run('DELETE FROM ingest WHERE namespace = ?', name);
      transaction.run('DELETE FROM namespace WHERE name = ?', name);
      publish(transaction, name, '/namespaces/delete', { name });
    });
    const now = Timestamp.now();
    for (const { ref } of ingests) await this.#local.ingests.expire(ref, now);
  }

  async #ingests(name: string): Promise<Status[]> {
    const all = await Array.fromAsync(this.#local.statuses());
    return all.filter(({ ref }) => ownerOf(ref)[0] === name);
  }
}

function find(rows: Rows, name: string): Namespace {
  const row = rows.get<NamespaceRow>('SELECT name, labels FROM namespace WHERE name = ?', name);
  if (row !== undefined) return namespaceOf(row);
  throw new DrayError('not-found', `no namespace ${name}`, { side: 'store', hint: 'dray ns ls lists them' });
}

// Leases, and ingests that nobody has open, are work that was begun for what the namespace was to hold: they go with it.
function checkEmpty(rows: Rows, name: string, openIngests: number): void {
  const held = [
    plural(count(rows, 'image', name), 'image'),
    plural(count(rows, 'blob', name), 'blob'),
    plural(openIngests, 'open ingest'),
  ].filter((text) => text !== '');
  if (held.length === 0) return;
  throw new DrayError('failed-precondition', `namespace ${name} is not empty: it has ${held.join(', ')}`, {
    side: 'store',
    hint: 'remove its images, run dray gc, then try again',
  });
}

function count(rows: Rows, table: 'image' | 'blob', name: string): number {
  const row = rows.get<{ count: bigint }>(`SELECT count(*) AS count FROM ${table} WHERE namespace = ?`, name);
  return Number(row?.count ?? 0);
}

function plural(number: number, noun: string): string {
  if (number === 0) return '';
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function namespaceOf({ name, labels }: NamespaceRow): Namespace {
  return { name, labels: JSON.parse(labels) as Labels };
}
