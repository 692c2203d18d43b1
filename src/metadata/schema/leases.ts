import type { Migration } from './migration.ts';

/** Leases and what they hold. */
export const leases: Migration = {
  name: 'leases',
  sql: `
    CREATE TABLE lease (
      namespace TEXT NOT NULL REFERENCES namespace,
      id TEXT NOT NULL,
      labels TEXT NOT NULL,
      expires_at INTEGER,
      created_at INTEGER NOT NULL,
      PRIMARY KEY (namespace, id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE lease_resource (
      namespace TEXT NOT NULL,
      lease TEXT NOT NULL,
      type TEXT NOT NULL,
      id TEXT NOT NULL,
      PRIMARY KEY (namespace, lease, type, id),
      FOREIGN KEY (namespace, lease) REFERENCES lease (namespace, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX lease_resource_held ON lease_resource (namespace, type, id);
  `,
};
