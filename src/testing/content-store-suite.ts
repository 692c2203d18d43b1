import { describe, it } from 'node:test';
import type { ContentStore } from '../content/store.ts';
import { algorithms } from '../spec/digest.ts';
import type { Check } from './content-store/check.ts';
import { commitCases } from './content-store/commit.ts';
import { ingestCases } from './content-store/ingest.ts';
import { labelCases } from './content-store/labels.ts';
import { managementCases } from './content-store/management.ts';
import { readingCases } from './content-store/reading.ts';
import { resumeCases } from './content-store/resume.ts';

/** An empty store for one test. */
export interface StoreFixture extends AsyncDisposable {
  readonly store: ContentStore;
}

/** What a store may do differently and still be one. */
export interface ContentStoreSuiteOptions {
  /** Algorithms a commit may ask for; all that dray has if not said. */
  readonly algorithms?: readonly (typeof algorithms)[number][] | undefined;
  /** Whether an ingest can be cut to a size other than 0; yes if not said. */
  readonly partialTruncate?: boolean | undefined;
  /** Whether an open reader goes on with a blob that is deleted; yes if not said. */
  readonly keepsForReaders?: boolean | undefined;
}

/**
 * The contract of a content store as tests for node's runner: every store that dray has passes it, and one of your own has
 * to. `factory` gives a fresh, empty store each time.
 */
export function contentStoreSuite(
  name: string,
  factory: () => Promise<StoreFixture>,
  options: ContentStoreSuiteOptions = {},
): void {
  const check: Check = (title, body) => {
    it(title, async () => {
      await using fixture = await factory();
      await body(fixture.store);
    });
  };
  describe(`content store: ${name}`, () => {
    describe('ingest', () => ingestCases(check));
    describe('commit', () => commitCases(check, options.algorithms ?? algorithms));
    describe('resume', () => resumeCases(check, options.partialTruncate ?? true));
    describe('reading', () => readingCases(check, options.keepsForReaders ?? true));
    describe('labels', () => labelCases(check));
    describe('looking after', () => managementCases(check));
  });
}
