export type { CollectOptions, CollectSummary, Removed } from './collect.ts';
export { type DoctorOptions, doctor, type Finding } from './doctor.ts';
export type { Chain, Holder } from './explain.ts';
export { type OpenStoreOptions, openStore, type Store } from './open-store.ts';
export type { Sharing } from './parts.ts';
export type { Usage } from './usage.ts';
