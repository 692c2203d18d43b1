export { type ArchiveOptions, ArchivePlace } from './archive.ts';
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
export type { NamingOptions } from './names.ts';
export { parsePlace } from './place.ts';
export { convertMediaTypes, type Loss, type TranslateOptions, type Translation } from './translate.ts';
