import { createHash, randomUUID } from 'node:crypto';
import { join, resolve, sep } from 'node:path';
import { algorithmOf, type Digest, encodedOf } from '../../spec/digest.ts';

/**
 * Every path below the root of a local store, and nothing else builds one. The layout is containerd's;
 * `trash`, `owners` and `state.db` are ours and unknown to it.
 */
export class Paths {
  readonly root: string;
  readonly blobs: string;
  readonly ingests: string;
  /** Where things go that are about to be removed, so that nobody sees them half-removed. */
  readonly trash: string;
  readonly owners: string;
  readonly state: string;

  constructor(root: string) {
    // Absolute, so that a process may change its directory while the store is open.
    this.root = resolve(root);
    this.blobs = join(this.root, 'blobs');
    this.ingests = join(this.root, 'ingest');
    this.trash = join(this.root, 'trash');
    this.owners = join(this.root, 'owners');
    this.state = join(this.root, 'state.db');
  }

  algorithm(algorithm: string): string {
    return below(this.blobs, algorithm);
  }

  /** @throws DrayError `invalid-argument` for a digest that cannot be verified; so no other text gets into a path. */
  blob(digest: Digest): string {
    return below(this.algorithm(algorithmOf(digest)), encodedOf(digest));
  }

  ingest(key: string): IngestPaths {
    const directory = below(this.ingests, key);
    return {
      directory,
      ref: below(directory, 'ref'),
      data: below(directory, 'data'),
      total: below(directory, 'total'),
      startedAt: below(directory, 'startedat'),
      updatedAt: below(directory, 'updatedat'),
    };
  }

  /** A name in the trash that nobody else has. */
  discarded(): string {
    return below(this.trash, randomUUID());
  }

  owner(id: string): string {
    return below(this.owners, `${id}.lock`);
  }
}

// What `join` does besides, for each file of each blob anew, is for names that others chose.
function below(directory: string, name: string): string {
  return `${directory}${sep}${name}`;
}

/** The files of one ingest. */
export interface IngestPaths {
  readonly directory: string;
  readonly ref: string;
  readonly data: string;
  readonly total: string;
  readonly startedAt: string;
  readonly updatedAt: string;
}

/** The directory name of an ingest: refs are any text, so they are hashed. */
export function keyOf(ref: string): string {
  return createHash('sha256').update(ref).digest('hex');
}
