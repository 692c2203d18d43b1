export { type ContainerdServer, type ServeContainerdOptions, serveContainerd } from './server/serve.ts';
export type { ServedStore } from './server/tenant.ts';
