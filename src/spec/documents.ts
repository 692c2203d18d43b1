import * as z from 'zod/mini';
import { DrayError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { type Digest, digestPattern, mayBeDigest } from './digest.ts';
import { ambiguityIn } from './json-text.ts';
import { isArtifact, isIndex, isManifest, mediaTypes } from './media-types.ts';
import { foldedKey, inEnglish, nullAs, nullable, objectOf, transformed } from './schemas.ts';

/**
 * The JSON documents of an image. A parsed document keeps every unknown field; whoever passes a document on passes the
 * bytes it was read from, never a re-encoding, since the digest is over those.
 */

/** Manifests, indexes and configs above this are refused unless a caller says otherwise; in bytes. */
export const documentLimit: number = 8 * 1024 * 1024;

/** The most children one document may name. */
export const fanOutLimit = 10_000;

const digestSchema = transformed(
  z
    .string()
    .check(z.maxLength(1024), z.regex(digestPattern), z.refine(mayBeDigest, 'it is no digest of its algorithm')),
  (text) => text as Digest,
);
const labelsSchema = z.record(z.string(), z.string());

// Required, and left out all the same by who writes JSON by hand: to readers in Go it is an empty text.
const nameOrNone = nullAs('', z.string());

const platformSchema = objectOf({
  os: nameOrNone,
  architecture: nameOrNone,
  variant: nullable(z.string()),
  'os.version': nullable(z.string()),
  'os.features': nullable(z.array(z.string())),
});

const descriptorSchema = objectOf({
  mediaType: z.string().check(z.minLength(1), z.maxLength(255)),
  digest: digestSchema,
  size: z.int().check(z.nonnegative()),
  urls: nullable(z.array(z.string())),
  annotations: nullable(labelsSchema),
  data: nullable(z.base64()),
  artifactType: nullable(z.string()),
  platform: nullable(platformSchema),
});

const children = nullAs([], z.array(descriptorSchema).check(z.maxLength(fanOutLimit)));

const manifestSchema = objectOf({
  schemaVersion: z.optional(z.literal(2)),
  mediaType: nullable(z.string()),
  artifactType: nullable(z.string()),
  config: descriptorSchema,
  layers: children,
  subject: nullable(descriptorSchema),
  annotations: nullable(labelsSchema),
});

const indexSchema = objectOf({
  schemaVersion: z.optional(z.literal(2)),
  mediaType: nullable(z.string()),
  artifactType: nullable(z.string()),
  manifests: children,
  subject: nullable(descriptorSchema),
  annotations: nullable(labelsSchema),
});

const artifactSchema = objectOf({
  mediaType: nullable(z.string()),
  artifactType: nullable(z.string()),
  blobs: children,
  subject: nullable(descriptorSchema),
  annotations: nullable(labelsSchema),
});

const configSchema = objectOf({
  os: nameOrNone,
  architecture: nameOrNone,
  variant: nullable(z.string()),
  'os.version': nullable(z.string()),
  'os.features': nullable(z.array(z.string())),
  created: nullable(z.string()),
  author: nullable(z.string()),
  config: nullable(z.looseObject({})),
  rootfs: nullable(objectOf({ type: z.string(), diff_ids: nullAs([], z.array(digestSchema)) })),
  history: nullable(z.array(z.looseObject({ empty_layer: nullable(z.boolean()) }))),
});

const layoutSchema = objectOf({ imageLayoutVersion: z.string() });

/** An image manifest of either family (image-spec manifest.md). */
export interface Manifest {
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly [key: string]: unknown;
}

/** An index or manifest list (image-spec image-index.md). */
export interface Index {
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly [key: string]: unknown;
}

/** The withdrawn artifact manifest: blobs and no config. */
export interface Artifact {
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly blobs: readonly Descriptor[];
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly [key: string]: unknown;
}

/** An image config (image-spec config.md), as far as dray reads it. */
export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  readonly 'os.version'?: string | undefined;
  readonly 'os.features'?: readonly string[] | undefined;
  readonly created?: string | undefined;
  readonly author?: string | undefined;
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly rootfs?: { readonly type: string; readonly diff_ids: readonly Digest[] } | undefined;
  readonly history?:
    | readonly { readonly empty_layer?: boolean | undefined; readonly [key: string]: unknown }[]
    | undefined;
  readonly [key: string]: unknown;
}

/** The `oci-layout` file (image-spec image-layout.md). */
export interface Layout {
  readonly imageLayoutVersion: string;
}

/**
 * Reads a manifest, after making sure that it is one and nothing else.
 * @throws DrayError `invalid-argument` with reason `bad-document` when it is malformed or could be read as an index.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  return parseDocument(manifestSchema, bytes, 'manifest', (found) => checkUnambiguous(found, mediaTypes.ociManifest));
}

/**
 * Reads an index or manifest list, after making sure that it is one and nothing else.
 * @throws DrayError `invalid-argument` with reason `bad-document` when it is malformed or could be read as a manifest.
 */
export function parseIndex(bytes: Uint8Array): Index {
  return parseDocument(indexSchema, bytes, 'index', (found) => checkUnambiguous(found, mediaTypes.ociIndex));
}

/** Reads an artifact manifest. @throws DrayError `invalid-argument` with reason `bad-document` when it is malformed. */
export function parseArtifact(bytes: Uint8Array): Artifact {
  return parseDocument(artifactSchema, bytes, 'artifact manifest', (found) =>
    checkUnambiguous(found, mediaTypes.ociArtifact),
  );
}

/** Reads an image config. @throws DrayError `invalid-argument` with reason `bad-document` when it is malformed. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const config = parseDocument(configSchema, bytes, 'image config');
  checkText(bytes, 'image config');
  return config;
}

/** Reads an `oci-layout` file. @throws DrayError `invalid-argument` with reason `bad-document` when it is malformed. */
export function parseLayout(bytes: Uint8Array): Layout {
  return parseDocument(layoutSchema, bytes, 'oci-layout file');
}

/** Reads one descriptor given as JSON. @throws DrayError `invalid-argument` with reason `bad-document`. */
export function parseDescriptor(bytes: Uint8Array): Descriptor {
  return parseDocument(descriptorSchema, bytes, 'descriptor');
}

/**
 * What a document of this media type refers to, in the document's order: config and layers, manifests, or blobs. Types
 * that are no documents have no children. A subject is no child: it points the other way.
 * @throws DrayError `invalid-argument` with reason `bad-document`.
 */
export function childrenOf(mediaType: string, bytes: Uint8Array): readonly Descriptor[] {
  if (isManifest(mediaType)) {
    const manifest = parseManifest(bytes);
    return [manifest.config, ...manifest.layers];
  }
  if (isIndex(mediaType)) return parseIndex(bytes).manifests;
  if (isArtifact(mediaType)) return parseArtifact(bytes).blobs;
  return [];
}

/**
 * The media type of a document that came without one that can be trusted: its own `mediaType`, else its shape.
 * @throws DrayError `invalid-argument` with reason `bad-document` when it is no image document.
 */
export function detectMediaType(bytes: Uint8Array): string {
  const document = parseObject(bytes, 'document');
  const own = document['mediaType'];
  if (typeof own === 'string' && own !== '') return own;
  if (document['schemaVersion'] === 1)
    return 'signatures' in document ? mediaTypes.dockerSchema1Signed : mediaTypes.dockerSchema1;
  if ('manifests' in document) return mediaTypes.ociIndex;
  if ('config' in document || 'layers' in document) return mediaTypes.ociManifest;
  throw badDocument('document', 'it has no media type and the shape of no image document');
}

/** Keys that readers act on, by their lower case: some readers take them in any case. */
const keysThatCount = new Map(
  [
    'schemaVersion',
    'mediaType',
    'artifactType',
    'config',
    'layers',
    'manifests',
    'blobs',
    'subject',
    'annotations',
  ].map((key) => [foldedKey(key), key]),
);

/**
 * Refuses a document that two readers could understand differently, CVE-2021-41190. Keys count in any
 * case and with any value, null included, as a Go reader would see them.
 * @throws DrayError `invalid-argument` with reason `bad-document`.
 */
function checkUnambiguous(document: Readonly<Record<string, unknown>>, mediaType: string): void {
  const keys = new Set(Object.keys(document).map(foldedKey));
  const own = Object.entries(document).find(([key]) => foldedKey(key) === 'mediatype')?.[1];
  const other = Object.keys(document).find((key) => (keysThatCount.get(foldedKey(key)) ?? key) !== key);
  if (keys.has('fslayers')) {
    throw badDocument('document', 'it is a Docker schema 1 manifest under the name of another type');
  }
  if (isIndex(mediaType)) {
    const strange = ['config', 'layers'].find((key) => keys.has(key));
    if (strange !== undefined) throw badDocument('index', `it also has "${strange}" and could be read as a manifest`);
    if (typeof own === 'string' && isManifest(own)) throw badDocument('index', `its own media type is ${own}`);
  } else {
    if (keys.has('manifests')) throw badDocument('manifest', 'it also has "manifests" and could be read as an index');
    if (typeof own === 'string' && isIndex(own)) throw badDocument('manifest', `its own media type is ${own}`);
  }
  if (other !== undefined)
    throw badDocument('document', `some readers take its ${JSON.stringify(other)} for another key`);
}

/**
 * Reads a document of a shape; `what` is it called in errors. With `check`, which throws for what could be read as something else,
 * it may have no key twice either.
 * @throws DrayError `invalid-argument` with reason `bad-document`.
 */
export function parseDocument<T extends z.ZodMiniType>(
  schema: T,
  bytes: Uint8Array,
  what: string,
  check?: (document: Readonly<Record<string, unknown>>) => void,
): z.output<T> {
  const document = parseObject(bytes, what);
  if (check !== undefined) {
    check(document);
    checkText(bytes, what);
  }
  const result = schema.safeParse(document, inEnglish);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const place = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw badDocument(what, `${issue?.message ?? 'it has the wrong shape'}${place}`);
}

/**
 * Refuses a text in JSON that readers differ in: of a key that an object has twice some take the last, and some join what the
 * two have.
 * @throws DrayError `invalid-argument` with reason `bad-document`.
 */
function checkText(bytes: Uint8Array, what: string): void {
  const problem = ambiguityIn(new TextDecoder().decode(bytes));
  if (problem !== undefined) throw badDocument(what, problem);
}

/**
 * The value of a text in JSON. It has to be UTF-8 without a byte order mark, which some readers take and others do not
 * (RFC 8259, 8.1).
 * @throws TypeError or SyntaxError.
 */
export function readJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
}

/** Reads a JSON object of any shape. @throws DrayError `invalid-argument` with reason `bad-document`. */
export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = readJson(bytes);
  } catch (error) {
    throw badDocument(what, `it is not JSON (${error instanceof Error ? error.message.slice(0, 120) : error})`, error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badDocument(what, 'it is not a JSON object');
  return value as Record<string, unknown>;
}

/** The error for a document that is not in order: `invalid-argument`, reason `bad-document`. */
export function badDocument(what: string, problem: string, cause?: unknown): DrayError {
  return new DrayError('invalid-argument', `invalid ${what}: ${problem}`, {
    reason: 'bad-document',
    hint: 'whoever made the image has to make it again',
    cause,
  });
}
