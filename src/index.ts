export type {
  Converted,
  ConvertOptions,
  ExportImagesOptions,
  ExportToLayoutOptions,
  ImportEvent,
  Imported,
  ImportImagesOptions,
} from './client/archives.ts';
export { Client } from './client/client.ts';
export type { ClientOptions, ConnectOptions, OpenOptions, WithoutStoreOptions } from './client/client-options.ts';
export { type Copied, type CopyOptions, copyImage, type ProgressEvent } from './client/copy.ts';
export { imageTransfers } from './client/image-transfers.ts';
export type { ImageDocument, LookOptions } from './client/look.ts';
export type { Origin, Place, Source, Target, TargetOptions } from './client/place.ts';
export type { PullOptions } from './client/pull.ts';
export type { PushImageOptions } from './client/push.ts';
export { type ListReferrers, RegistryPlace } from './client/registry-place.ts';
export type { Moved, Schema1Options } from './client/schema1.ts';
export { type PlatformSelection, selectPlatforms } from './client/select.ts';
export { StorePlace, type StorePlaceOptions } from './client/store-place.ts';
export type { TagPair } from './client/tags.ts';
export { type Verified, verifyContent } from './client/verify.ts';
export {
  because,
  DrayError,
  type ErrorContext,
  type ErrorKind,
  type ErrorReason,
  type ErrorSide,
  is,
  toDrayError,
  withContext,
} from './errors.ts';
export type { TransferEvent, TransferSummary } from './images/transfer.ts';
export type { EventSource, StoreEvent } from './services/events.ts';
export type { DeleteImageOptions, Image, ImageStore, NewImage } from './services/image-store.ts';
export type {
  DeleteLeaseOptions,
  Lease,
  LeaseManager,
  LeaseOptions,
  LeaseResource,
  NewLease,
} from './services/lease-manager.ts';
export type { Namespace, NamespaceStore, NewNamespace } from './services/namespace-store.ts';
export type { Services } from './services/services.ts';
