export {
  containersAuthCredentials,
  dockerConfigCredentials,
  eraseCredentials,
  storeCredentials,
} from './docker/auth-file.ts';
export {
  type CredentialSource,
  type Credentials,
  chainedCredentials,
  environmentCredentials,
  noCredentials,
  passwordCredentials,
  staticCredentials,
} from './docker/credentials.ts';
export type { RegistryEvent } from './docker/events.ts';
export { type ReferrersOptions, RegistryClient, type RegistryClientOptions } from './docker/registry-client.ts';
export { Secret } from './docker/secret.ts';
export type { SavedUpload, UploadKey, UploadSessionStore } from './docker/upload-sessions.ts';
export { fetchHandler, pushHandler } from './handlers.ts';
export type { PusherOptions, Resolved, Resolver } from './remote.ts';
