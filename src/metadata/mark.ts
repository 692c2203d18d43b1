import { contentReferenceLabel } from '../images/labels.ts';
import type { Timestamp } from '../spec/timestamp.ts';
import type { Transaction } from './database.ts';

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

/** The same as a condition for `l.key`. */
function sqlIsLabel(label: string): string {
  return `(l.key = '${label}' OR l.key GLOB '${label}.*' OR l.key GLOB '${label}/*')`;
}

// Most rows have no label of the collection; instr spares them the parser.
function labelled(table: string, prefix: string): string {
  return `instr(${table}.labels, '"${prefix}') > 0`;
}

/** For each label that refers to something: the kind of object it names. */
function referred(content: string, image: string): string {
  return `CASE WHEN ${sqlIsLabel(content)} THEN 'content' WHEN ${sqlIsLabel(image)} THEN 'images' END`;
}

const setUp = [
  `CREATE TEMP TABLE IF NOT EXISTS reachable (
    namespace TEXT, type TEXT, id TEXT, flat INTEGER, PRIMARY KEY (namespace, type, id, flat)
  ) WITHOUT ROWID`,
  'DELETE FROM temp.reachable',
  `CREATE TEMP TABLE IF NOT EXISTS back_reference (
    namespace TEXT, parent_type TEXT, parent TEXT, type TEXT, id TEXT,
    PRIMARY KEY (namespace, parent_type, parent, type, id)
  ) WITHOUT ROWID`,
  'DELETE FROM temp.back_reference',
];

const { root, flat, content, image, backContent, backImage } = collectionLabels;

const backReferences = (table: string, type: string, id: string): string => `
  INSERT OR IGNORE INTO temp.back_reference
  SELECT t.namespace, ${referred(backContent, backImage)}, l.value, '${type}', t.${id}
  FROM ${table} t, json_each(t.labels) l
  WHERE ${labelled('t', 'containerd.io/gc.bref.')} AND ${referred(backContent, backImage)} IS NOT NULL`;

const labelReferences = (table: string, type: string, id: string): string => `
  SELECT m.namespace, ${referred(content, image)}, l.value, 0
  FROM reached m
  JOIN ${table} t ON m.type = '${type}' AND m.flat = 0 AND t.namespace = m.namespace AND t.${id} = m.id
    AND ${labelled('t', 'containerd.io/gc.ref.')},
  json_each(t.labels) l
  WHERE ${referred(content, image)} IS NOT NULL`;

const reach = `
  INSERT INTO temp.reachable
  WITH RECURSIVE given (now, namespace, name) AS (VALUES (?, ?, ?)),
  reached (namespace, type, id, flat) AS (
    SELECT image.namespace, 'images', image.name, 0 FROM image, given
      WHERE (expires_at IS NULL OR expires_at >= now)
        AND NOT (image.namespace = given.namespace AND image.name = given.name)
    UNION
    SELECT r.namespace, r.type, r.id, ${labelled('lease', `${flat}":`)} FROM given, lease
      JOIN lease_resource r ON r.namespace = lease.namespace AND r.lease = lease.id
      WHERE lease.expires_at IS NULL OR lease.expires_at >= now
    UNION
    SELECT namespace, 'ingests', ref, 0 FROM ingest
    UNION
    SELECT t.namespace, 'content', t.digest, 0 FROM blob t
      WHERE ${labelled('t', root)}
        AND EXISTS (SELECT 1 FROM json_each(t.labels) l WHERE l.key GLOB '${root}*')
    UNION
    SELECT m.namespace, 'content', t.digest, m.flat
      FROM reached m JOIN image t ON m.type = 'images' AND t.namespace = m.namespace AND t.name = m.id
    UNION
    SELECT m.namespace, 'content', t.digest, 0
      FROM reached m JOIN ingest t ON m.type = 'ingests' AND t.namespace = m.namespace AND t.ref = m.id
      WHERE t.digest IS NOT NULL
    UNION
    ${labelReferences('blob', 'content', 'digest')}
    UNION
    ${labelReferences('image', 'images', 'name')}
    UNION
    SELECT b.namespace, b.type, b.id, 0
      FROM reached m
      JOIN temp.back_reference b ON b.namespace = m.namespace AND b.parent_type = m.type AND b.parent = m.id
  )
  SELECT * FROM reached`;

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
export function mark(transaction: Transaction, { now, without }: MarkOptions): void {
  for (const statement of setUp) transaction.run(statement);
  transaction.run(backReferences('blob', 'content', 'digest'));
  transaction.run(backReferences('image', 'images', 'name'));
  transaction.run(reach, now.nanoseconds, without?.namespace ?? '', without?.name ?? '');
}

/** Fills the temporary table `label_reference` with what every label names, so that it can be asked the other way round. */
export function listReferences(transaction: Transaction): void {
  transaction.run(`CREATE TEMP TABLE IF NOT EXISTS label_reference (
    namespace TEXT, target_type TEXT, target TEXT, type TEXT, id TEXT, label TEXT,
    PRIMARY KEY (namespace, target_type, target, type, id)
  ) WITHOUT ROWID`);
  transaction.run('DELETE FROM temp.label_reference');
  for (const [table, type, id] of [
    ['blob', 'content', 'digest'],
    ['image', 'image', 'name'],
  ] as const) {
    transaction.run(
      `INSERT OR IGNORE INTO temp.label_reference
       SELECT t.namespace, ${referred(content, image)}, l.value, '${type}', t.${id}, l.key FROM ${table} t, json_each(t.labels) l
       WHERE ${labelled('t', 'containerd.io/gc.ref.')} AND ${referred(content, image)} IS NOT NULL`,
    );
  }
}

/** A condition for rows of a table: nothing marked them. */
export function unreached(table: string, type: string, id: string): string {
  return `NOT EXISTS (
    SELECT 1 FROM temp.reachable r WHERE r.namespace = ${table}.namespace AND r.type = '${type}' AND r.id = ${table}.${id}
  )`;
}
