import type { ContentStore } from '../../content/store.ts';

/** Defines one test, which gets an empty store. */
export type Check = (title: string, body: (store: ContentStore) => Promise<void>) => void;
