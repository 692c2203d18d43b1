export { type ArchiveOptions, ArchivePlace } from './archive.ts';
export type { ArchiveContents, MadeDocument } from './archive-contents.ts';
export { type SaveOptions, saveArchive } from './archive-file.ts';
export type { ArchiveImage } from './archive-image.ts';
export { DirectoryPlace } from './directory.ts';
export type { ImportSource } from './entries.ts';
export { type ExportOptions, exportArchive } from './export.ts';
export type { ExportImage } from './export-index.ts';
export { type ExportLayoutOptions, exportLayout } from './export-layout.ts';
export type { Family } from './family.ts';
export {
  type ImportedImage,
  type ImportOptions,
  type ImportResult,
  type ImportTarget,
  importArchive,
} from './import.ts';
export { type LayoutOptions, LayoutPlace, type PlaceSource, type PlaceTarget } from './layout.ts';
export type { Sharing } from './layout-files.ts';
export type { LayoutWriterOptions } from './layout-writer.ts';
export type { NamingOptions } from './names.ts';
export { parsePlace } from './place.ts';
export type { PlanOptions } from './plan.ts';
export type { RecompressOptions } from './recompress.ts';
export type { ListReferrers } from './referrers.ts';
export type { StoreDocumentOptions } from './store-document.ts';
export type { TakeInEvent } from './take-in.ts';
export { convertMediaTypes, type Loss, type TranslateOptions, type Translation } from './translate.ts';
