export {
  childrenHandler,
  filterPlatforms,
  hasChildren,
  labelChildren,
  limitManifests,
  type SelectChildren,
} from './children.ts';
export {
  type DispatchOptions,
  defaultConcurrency,
  depthLimit,
  dispatch,
  graphLimit,
  type Handler,
  type HandlerContext,
  handlers,
  skipDescriptor,
  stopHandler,
  type WalkOptions,
  walk,
} from './handlers.ts';
export {
  type Check,
  type CheckOptions,
  check,
  config,
  diffIds,
  type FoundManifest,
  type InspectOptions,
  manifest,
  platforms,
  presentSize,
  size,
} from './inspect.ts';
export { childLabels, contentReferenceLabel, labelOfReferrer, referrerLabel } from './labels.ts';
export { type TransferEvent, type TransferOptions, type TransferSummary, transfer } from './transfer.ts';
