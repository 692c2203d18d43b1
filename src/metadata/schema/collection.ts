import type { Migration } from './migration.ts';

/** Finds the few blobs with labels of the collection without looking at all the others. */
export const collection: Migration = {
  name: 'an index for the collection',
  sql: `
    CREATE INDEX blob_collection ON blob (namespace, digest) WHERE instr(labels, '"containerd.io/gc.') > 0;
  `,
};
