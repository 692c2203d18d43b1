export type { DaemonPlugin, DaemonVersion } from './client/about.ts';
export { type ConnectContainerdOptions, connectContainerd, type Daemon } from './client/daemon.ts';
export type { UnpackOptions } from './client/unpack.ts';
export type { FinishedCall } from './grpc/server.ts';
export { type ContainerdServer, type ServeContainerdOptions, serveContainerd } from './server/serve.ts';
export type { ServedStore } from './server/tenant.ts';
export type {
  Authenticate,
  ExportOptions,
  ImageTransfers,
  ImportOptions,
  Named,
  NamedOptions,
  PullOptions,
  PushOptions,
  RegistryImage,
  RegistryOptions,
} from './server/transfer/image-transfers.ts';
