import type { Migration } from './migration.ts';

/** Images: the whole descriptor of the target as JSON; what is looked for in it stands beside it. */
export const images: Migration = {
  name: 'images',
  sql: `
    CREATE TABLE image (
      namespace TEXT NOT NULL REFERENCES namespace,
      name TEXT NOT NULL,
      target TEXT NOT NULL,
      digest TEXT NOT NULL GENERATED ALWAYS AS (target ->> '$.digest') VIRTUAL,
      labels TEXT NOT NULL,
      expires_at INTEGER,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      PRIMARY KEY (namespace, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_digest ON image (namespace, digest);
  `,
};
