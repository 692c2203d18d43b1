export { ArchivePlace } from './archive.ts';
export { saveArchive } from './archive-file.ts';
export { type ExportOptions, exportArchive } from './export.ts';
export { type ExportLayoutOptions, exportLayout } from './export-layout.ts';
export type { Family } from './family.ts';
export { type ImportedImage, type ImportOptions, type ImportResult, importArchive } from './import.ts';
export { LayoutPlace } from './layout.ts';
export { convertMediaTypes, type Loss, type Translation } from './translate.ts';
