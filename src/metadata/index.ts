export type { CollectOptions, CollectSummary, Removed } from './collection.ts';
export type { Database, Rows, Transaction, WriteOptions } from './database.ts';
export { type DoctorOptions, doctor } from './doctor.ts';
export type { Chain, Holder } from './explain.ts';
export type { Finding } from './finding.ts';
export { type OpenStoreOptions, openStore, type Store } from './open-store.ts';
export type { Sharing } from './parts.ts';
export type { Steps } from './steps.ts';
export type { Usage } from './usage.ts';
