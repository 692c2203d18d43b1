import { contentReferenceLabel } from '../images/labels.ts';
import type { Timestamp } from '../spec/timestamp.ts';
import type { Transaction } from './database.ts';
import type { Steps } from './steps.ts';

type CollectionLabel = 'root' | 'flat' | 'content' | 'image' | 'backContent' | 'backImage';

/** Labels that matter to the collection, as containerd names them (docs/garbage-collection.md of containerd). */
export const collectionLabels: Readonly<Record<CollectionLabel, string>> = {
  /** On content: keep it, whatever the value. Longer keys count too. */
  root: 'containerd.io/gc.root',
  /** On a lease: keep what it holds, not what that refers to. */
  flat: 'containerd.io/gc.flat',
  /** On content or an image: keep the content, or the image, that the value names. */
  content: contentReferenceLabel,
  image: 'containerd.io/gc.ref.image',
  /** On content or an expired image: keep it as long as the content, or the image, that the value names. */
  backContent: 'containerd.io/gc.bref.content',
  backImage: 'containerd.io/gc.bref.image',
};

/** Whether a key is that label itself, or has a suffix behind `.` or `/`. */
export function isLabel(key: string, label: string): boolean {
  return key === label || key.startsWith(`${label}.`) || key.startsWith(`${label}/`);
}

const { root, flat, content, image, backContent, backImage } = collectionLabels;

// The same as a condition for l.key.
function sqlIsLabel(label: string): string {
  return `(l.key = '${label}' OR l.key GLOB '${label}.*' OR l.key GLOB '${label}/*')`;
}

/** What kind of object the value of a label names; null for other labels. */
function named(contentLabel: string, imageLabel: string): string {
  return `CASE WHEN ${sqlIsLabel(contentLabel)} THEN 'content' WHEN ${sqlIsLabel(imageLabel)} THEN 'images' END`;
}

/** Objects that may have labels of the collection, as `t`, with the kind and the column that names them. */
const labelled = [
  { type: 'content', id: 't.digest', table: 'blob t INDEXED BY blob_collection' },
  { type: 'images', id: 't.name', table: 'image t' },
] as const;

/** Whether there may be a label that begins so. The first part is as the index has it, so that SQLite may use that. */
function hasLabel(prefix: string): string {
  return `instr(t.labels, '"containerd.io/gc.') > 0 AND instr(t.labels, '"${prefix}') > 0`;
}

const hasReferences = hasLabel('containerd.io/gc.ref.');
const hasBackReferences = hasLabel('containerd.io/gc.bref.');

const setUp: readonly string[] = [
  `CREATE TEMP TABLE IF NOT EXISTS reachable (
    position INTEGER PRIMARY KEY, namespace TEXT, type TEXT, id TEXT, flat INTEGER, UNIQUE (namespace, type, id, flat)
  )`,
  'DELETE FROM temp.reachable',
  `CREATE TEMP TABLE IF NOT EXISTS back_reference (
    namespace TEXT, parent_type TEXT, parent TEXT, type TEXT, id TEXT,
    PRIMARY KEY (namespace, parent_type, parent, type, id)
  ) WITHOUT ROWID`,
  'DELETE FROM temp.back_reference',
  ...labelled.map(
    ({ type, id, table }) => `INSERT OR IGNORE INTO temp.back_reference
      SELECT t.namespace, ${named(backContent, backImage)}, l.value, '${type}', ${id}
      FROM ${table} CROSS JOIN json_each(t.labels) l
      WHERE ${hasBackReferences} AND ${named(backContent, backImage)} IS NOT NULL`,
  ),
];

const add = 'INSERT OR IGNORE INTO temp.reachable (namespace, type, id, flat)';

/** Takes the present time, and the namespace and name of an image that does not count. */
const imageRoots = `${add} SELECT namespace, 'images', name, 0 FROM image
  WHERE (expires_at IS NULL OR expires_at >= ?) AND NOT (namespace = ? AND name = ?)`;

/** Takes the present time. */
const leaseRoots = `${add} SELECT r.namespace, r.type, r.id, instr(lease.labels, '"${flat}":') > 0
  FROM lease JOIN lease_resource r ON r.namespace = lease.namespace AND r.lease = lease.id
  WHERE lease.expires_at IS NULL OR lease.expires_at >= ?`;

const roots: readonly string[] = [
  `${add} SELECT namespace, 'ingests', ref, 0 FROM ingest`,
  `${add} SELECT t.namespace, 'content', t.digest, 0 FROM blob t INDEXED BY blob_collection
    WHERE ${hasLabel(root)} AND EXISTS (SELECT 1 FROM json_each(t.labels) l WHERE l.key GLOB '${root}*')`,
];

const fresh = 'temp.reachable m WHERE m.position > ? AND m.position <= ?';

/** What is directly reached from what was reached at the positions between the two that each takes. */
const references: readonly string[] = [
  `${add} SELECT m.namespace, 'content', t.digest, m.flat FROM (SELECT * FROM ${fresh} AND m.type = 'images') m
    CROSS JOIN image t ON t.namespace = m.namespace AND t.name = m.id`,
  `${add} SELECT m.namespace, 'content', t.digest, 0 FROM (SELECT * FROM ${fresh} AND m.type = 'ingests') m
    CROSS JOIN ingest t ON t.namespace = m.namespace AND t.ref = m.id AND t.digest IS NOT NULL`,
  ...labelled.map(
    ({ type, id, table }) => `${add} SELECT m.namespace, ${named(content, image)}, l.value, 0
      FROM (SELECT * FROM ${fresh} AND m.type = '${type}' AND m.flat = 0) m
      CROSS JOIN ${table} ON t.namespace = m.namespace AND ${id} = m.id
      CROSS JOIN json_each(t.labels) l
      WHERE ${hasReferences} AND ${named(content, image)} IS NOT NULL`,
  ),
  `${add} SELECT b.namespace, b.type, b.id, 0 FROM (SELECT * FROM ${fresh} AND m.flat = 0) m
    CROSS JOIN temp.back_reference b ON b.namespace = m.namespace AND b.parent_type = m.type AND b.parent = m.id`,
];

/** Options of {@link mark}. */
export interface MarkOptions {
  /** What has expired before this does not count. */
  readonly now: Timestamp;
  /** An image that is taken for deleted. */
  readonly without?: { readonly namespace: string; readonly name: string } | undefined;
}

/**
 * Fills the temporary table `reachable` with everything that an image, a lease, an ingest or a root label keeps; references
 * never leave a namespace. It is valid until the end of the transaction.
 */
export function* mark(transaction: Transaction, { now, without }: MarkOptions): Steps {
  for (const statement of setUp) {
    transaction.run(statement);
    yield;
  }
  transaction.run(imageRoots, now.nanoseconds, without?.namespace ?? '', without?.name ?? '');
  transaction.run(leaseRoots, now.nanoseconds);
  for (const statement of roots) {
    transaction.run(statement);
    yield;
  }
  for (let after = 0n, upto = end(transaction, after); upto > after; after = upto, upto = end(transaction, after)) {
    for (const statement of references) transaction.run(statement, after, upto);
    yield;
  }
}

/** A manifest may refer to some twenty objects each. */
const objectsOfStep = 100;

/** The last position that the step takes that begins behind a position. */
function end(transaction: Transaction, after: bigint): bigint {
  const sql = `SELECT min(max(position), ? + ${objectsOfStep}) AS upto FROM temp.reachable`;
  return transaction.get<{ upto: bigint | null }>(sql, after)?.upto ?? after;
}

/** Fills the temporary table `label_reference` with what every label names, so that it can be asked the other way round. */
export function* listReferences(transaction: Transaction): Steps {
  transaction.run(`CREATE TEMP TABLE IF NOT EXISTS label_reference (
    namespace TEXT, target_type TEXT, target TEXT, type TEXT, id TEXT, label TEXT,
    PRIMARY KEY (namespace, target_type, target, type, id)
  ) WITHOUT ROWID`);
  transaction.run('DELETE FROM temp.label_reference');
  for (const { type, id, table } of labelled) {
    yield;
    transaction.run(
      `INSERT OR IGNORE INTO temp.label_reference
       SELECT t.namespace, ${named(content, image)}, l.value, '${type}', ${id}, l.key
       FROM ${table} CROSS JOIN json_each(t.labels) l
       WHERE ${hasReferences} AND ${named(content, image)} IS NOT NULL`,
    );
  }
}

/** A condition for rows of a table: nothing marked them. */
export function unreached(table: string, type: string, id: string): string {
  return `NOT EXISTS (
    SELECT 1 FROM temp.reachable r WHERE r.namespace = ${table}.namespace AND r.type = '${type}' AND r.id = ${table}.${id}
  )`;
}
