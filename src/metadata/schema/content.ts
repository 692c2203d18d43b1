import type { Migration } from './migration.ts';

/**
 * Namespaces, who holds which blob, and which digests ingests are about to bring. Labels are JSON objects of text; times are
 * nanoseconds since 1970.
 */
export const content: Migration = {
  name: 'namespaces, blobs and ingests',
  sql: `
    CREATE TABLE store (created_at INTEGER NOT NULL) STRICT;
    INSERT INTO store VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000);

    CREATE TABLE namespace (
      name TEXT NOT NULL PRIMARY KEY,
      labels TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE blob (
      namespace TEXT NOT NULL REFERENCES namespace,
      digest TEXT NOT NULL,
      size INTEGER NOT NULL,
      labels TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      PRIMARY KEY (namespace, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX blob_digest ON blob (digest);

    CREATE TABLE ingest (
      namespace TEXT NOT NULL REFERENCES namespace,
      ref TEXT NOT NULL,
      digest TEXT,
      token TEXT NOT NULL,
      updated_at INTEGER NOT NULL,
      PRIMARY KEY (namespace, ref)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ingest_digest ON ingest (digest) WHERE digest IS NOT NULL;
  `,
};
