import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { algorithmOf, type Digest, encodedOf } from '../../spec/digest.ts';

/**
 * Every path below the root of a local store, and nothing else builds one. The layout is containerd's;
 * `trash`, `owners` and `state.db` are ours and unknown to it.
 */
export class Paths {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get blobs(): string {
    return join(this.root, 'blobs');
  }

  algorithm(algorithm: string): string {
    return join(this.blobs, algorithm);
  }

  /** @throws DrayError `invalid-argument` for a digest that cannot be verified; so no other text gets into a path. */
  blob(digest: Digest): string {
    return join(this.algorithm(algorithmOf(digest)), encodedOf(digest));
  }

  get ingests(): string {
    return join(this.root, 'ingest');
  }

  ingest(key: string): IngestPaths {
    const directory = join(this.ingests, key);
    return {
      directory,
      ref: join(directory, 'ref'),
      data: join(directory, 'data'),
      total: join(directory, 'total'),
      startedAt: join(directory, 'startedat'),
      updatedAt: join(directory, 'updatedat'),
    };
  }

  /** Where things go that are about to be removed, so that nobody sees them half-removed. */
  get trash(): string {
    return join(this.root, 'trash');
  }

  get owners(): string {
    return join(this.root, 'owners');
  }

  owner(id: string): string {
    return join(this.owners, `${id}.lock`);
  }

  get state(): string {
    return join(this.root, 'state.db');
  }
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
