export { type ContentStoreSuiteOptions, contentStoreSuite, type StoreFixture } from './content-store-suite.ts';
export {
  type CrossNamespaceSuiteOptions,
  crossNamespaceSuite,
  type NamespacesFixture,
} from './cross-namespace-suite.ts';
export { startTestRegistry, type TestRegistry, type TestRegistryOptions } from './embedded-registry.ts';
export type { Fault, FaultPlan, FaultyRequest } from './faults.ts';
export { memoryServices } from './memory-services.ts';
export {
  document,
  type RandomBlob,
  type RandomImage,
  type RandomImageOptions,
  randomBlob,
  randomBytes,
  randomImage,
  randomStream,
} from './random.ts';
export {
  type Quirks,
  type RecordedRequest,
  type Rule,
  registryFailure,
  ScriptedRegistry,
  type ScriptedRegistryOptions,
} from './scripted-registry.ts';
