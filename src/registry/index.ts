export type { Access, Authentication, Identity } from './auth/authentication.ts';
export { htpasswd } from './auth/htpasswd.ts';
export { type TokensOptions, tokens } from './auth/tokens.ts';
export type { Interceptor } from './handler.ts';
export type { TlsOptions } from './listener.ts';
export { formatRequest, type RequestRecord } from './log.ts';
export type { SparsePolicy } from './publisher.ts';
export { type Registry, type RegistryOptions, startRegistry } from './registry.ts';
export type { UpstreamOptions } from './upstream.ts';
