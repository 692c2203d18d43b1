export {
  type Fetcher,
  type FetchOptions,
  fetcherOf,
  ingest,
  type OpenBlob,
  type OpenOptions,
  type OpenWriterOptions,
  openWriter,
  type Pusher,
  type PushOptions,
  type PushOutcome,
  pusherOf,
  readBlob,
  refOf,
  type StorePusherOptions,
  type WriteBlobOptions,
  writeBlob,
} from './copy.ts';
export { collect, collectDocument, type DocumentOptions, readDocument } from './documents.ts';
export { checkLabels, fitsLabel, labelLimit, updateLabels } from './labels.ts';
export type { DurabilityLevel } from './local/durable.ts';
export { LocalStore, type LocalStoreOptions } from './local/local-store.ts';
export { MemoryStore } from './memory/memory-store.ts';
export type {
  AbortableOptions,
  BlobReader,
  CommitOptions,
  ContentStore,
  Info,
  Ingester,
  IngestManager,
  LabelChange,
  Labels,
  Manager,
  Provider,
  RangeOptions,
  Status,
  Target,
  Writer,
  WriterOptions,
} from './store.ts';
export { verified } from './verified.ts';
