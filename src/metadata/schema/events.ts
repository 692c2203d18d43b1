import type { Migration } from './migration.ts';

/** What has changed, in order; the oldest are dropped. */
export const events: Migration = {
  name: 'events',
  sql: `
    CREATE TABLE event (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      timestamp INTEGER NOT NULL,
      namespace TEXT NOT NULL,
      topic TEXT NOT NULL,
      fields TEXT NOT NULL
    ) STRICT;
  `,
};
