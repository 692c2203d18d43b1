export type { Access, Authentication, Identity } from './auth/authentication.ts';
export type { TlsOptions } from './listener.ts';
export { formatRequest, type RequestRecord } from './log.ts';
export type { SparsePolicy } from './publisher.ts';
export { type Registry, type RegistryOptions, startRegistry } from './registry.ts';
