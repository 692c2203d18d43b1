export {
  type AuthFileOptions,
  containersAuthCredentials,
  dockerConfigCredentials,
  eraseCredentials,
  storeCredentials,
} from './docker/auth-file.ts';
export { type BlobLocations, fileBlobLocations } from './docker/blob-locations.ts';
export { defaultCredentials } from './docker/client-options.ts';
export {
  type CredentialSource,
  type Credentials,
  chainedCredentials,
  environmentCredentials,
  noCredentials,
  passwordCredentials,
  staticCredentials,
} from './docker/credentials.ts';
export type { DownloadOptions } from './docker/download-policy.ts';
export type {
  FallbackEvent,
  RateLimitEvent,
  RegistryEvent,
  RegistryWarning,
  RequestEvent,
  RetryEvent,
  WaitEvent,
} from './docker/events.ts';
export type { Environment } from './docker/home.ts';
export type { Timeouts } from './docker/host-state.ts';
export { environmentProxies, type FindProxy } from './docker/proxy.ts';
export { type ReferrersOptions, RegistryClient, type RegistryClientOptions } from './docker/registry-client.ts';
export type { RawManifest } from './docker/resolver.ts';
export type { RetryOptions } from './docker/retry.ts';
export { Secret } from './docker/secret.ts';
export {
  fileUploadSessions,
  type SavedUpload,
  type UploadKey,
  type UploadSessionStore,
} from './docker/upload-sessions.ts';
export { type FetchHandlerOptions, fetchHandler, type PushHandlerOptions, pushHandler } from './handlers.ts';
export type { PusherOptions, Resolved, Resolver } from './remote.ts';
