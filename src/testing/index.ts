export { type ContentStoreSuiteOptions, contentStoreSuite, type StoreFixture } from './content-store-suite.ts';
export {
  type CrossNamespaceSuiteOptions,
  crossNamespaceSuite,
  type NamespacesFixture,
} from './cross-namespace-suite.ts';
export { startTestRegistry, type TestRegistry, type TestRegistryOptions } from './embedded-registry.ts';
export type { Fault, FaultPlan, FaultyRequest } from './faults.ts';
export { type ImageOptions, imageOf, type LayerFile, type LayerFiles } from './image.ts';
export { memoryServices } from './memory-services.ts';
export {
  document,
  type RandomBlob,
  type RandomImage,
  type RandomImageOptions,
  randomBlob,
  randomBytes,
  randomImage,
  randomRange,
  randomStream,
} from './random.ts';
export {
  type Access,
  type Quirks,
  type RecordedRequest,
  type RepositoryContents,
  type Rule,
  registryFailure,
  type ScriptedAnswer,
  ScriptedRegistry,
  type ScriptedRegistryOptions,
} from './scripted-registry.ts';
