import assert from 'node:assert/strict';
import { ingest } from '../../src/content/copy.ts';
import type { ContentStore } from '../../src/content/store.ts';
import { type ErrorKind, type ErrorReason, is } from '../../src/errors.ts';
import { type ExportOptions, exportArchive } from '../../src/oci/export.ts';
import type { ExportImage } from '../../src/oci/export-index.ts';
import { type ImportOptions, type ImportResult, importArchive } from '../../src/oci/import.ts';
import type { Services } from '../../src/services/services.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { fails as failsAs } from '../../src/testing/content-store/expectations.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import type { RandomBlob } from '../../src/testing/random.ts';
import { type EntrySpec, inChunks, tarOf } from './tar-builder.ts';

/** Puts blobs into a store. */
export async function putBlobs(content: ContentStore, blobs: readonly RandomBlob[]): Promise<void> {
  for (const { descriptor, bytes } of blobs) {
    try {
      await ingest(content, { ref: descriptor.digest, expected: { digest: descriptor.digest } }, inChunks(bytes));
    } catch (error) {
      if (!is(error, 'already-exists')) throw error;
    }
  }
}

/** The entries of an image layout. */
export function layoutEntries(blobs: readonly RandomBlob[], roots: readonly Descriptor[]): EntrySpec[] {
  return [
    { name: 'oci-layout', data: '{"imageLayoutVersion":"1.0.0"}' },
    ...blobs.map(({ descriptor, bytes }) => ({ name: `blobs/${descriptor.digest.replace(':', '/')}`, data: bytes })),
    { name: 'index.json', data: JSON.stringify({ schemaVersion: 2, manifests: roots }) },
  ];
}

/** A descriptor under a name in an index. */
export function named(target: Descriptor, refName: string, more: Record<string, string> = {}): Descriptor {
  return { ...target, annotations: { 'org.opencontainers.image.ref.name': refName, ...more } };
}

/** What came of an import, with the services it went into. */
export interface Imported {
  readonly services: Services;
  readonly result: ImportResult;
}

/** Imports the bytes of an archive, in small chunks, into new services if none are given. */
export async function importBytes(
  bytes: Uint8Array,
  options: ImportOptions = {},
  services: Services = memoryServices(),
): Promise<Imported> {
  return { services, result: await importArchive(services, inChunks(bytes, 10_000), options) };
}

/** Imports an archive of these entries. */
export async function importEntries(
  entries: readonly EntrySpec[],
  options: ImportOptions = {},
  services?: Services,
): Promise<Imported> {
  return importBytes(tarOf(entries), options, services);
}

/** The bytes of an archive. */
export async function exportBytes(
  content: ContentStore,
  images: readonly ExportImage[],
  options: ExportOptions = {},
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of exportArchive(content, images, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Names with the digests that they stand for. */
export async function namesIn({ images }: Services): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, target } of images.list()) found[name] = target.digest;
  return found;
}

/** Digests of all blobs. */
export async function blobsIn({ content }: Services): Promise<string[]> {
  const found: string[] = [];
  for await (const { digest } of content.walk()) found.push(digest);
  return found;
}

/** Refs of all ingests. */
export async function ingestsIn({ content }: Services): Promise<string[]> {
  const found: string[] = [];
  for await (const { ref } of content.statuses()) found.push(ref);
  return found;
}

/** As `fails` of the exported suites, with a hint in every case. */
export async function fails(
  promise: Promise<unknown>,
  ...expected: readonly (ErrorKind | ErrorReason | RegExp)[]
): Promise<void> {
  const { context, message } = await failsAs(promise, ...expected);
  assert.ok(context.hint !== undefined, `no hint: ${message}`);
}
