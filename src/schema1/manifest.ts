import * as z from 'zod/mini';
import { checkDocumentSize } from '../content/documents.ts';
import { type Digest, digestOf, isDigest } from '../spec/digest.ts';
import { badDocument, fanOutLimit, parseDocument } from '../spec/documents.ts';
import { type Schema1Signature, splitSchema1 } from '../spec/schema1.ts';

/** A Docker schema 1 manifest (distribution's manifest-v2-1.md), read from its payload alone. */
export interface Schema1Manifest {
  /** The repository that it was made for, without a host. */
  readonly name: string;
  /** May be empty. */
  readonly tag: string;
  readonly architecture: string;
  /** Newest first, as they are in the document. */
  readonly entries: readonly Schema1Entry[];
  /** What digest and signatures are over. */
  readonly payload: Uint8Array;
  /** The digest by which registries know the manifest: sha256 of the payload. */
  readonly digest: Digest;
  /** None when it is not signed. {@link verifySchema1} looks at them. */
  readonly signatures: readonly Schema1Signature[];
}

/** One layer with what is said of it. */
export interface Schema1Entry {
  /** The digest of the layer as it is transferred, usually in gzip. */
  readonly blob: Digest;
  readonly history: V1History;
  /** The JSON text that `history` was read from, `v1Compatibility`: in the newest entry it is the config of the image. */
  readonly text: string;
}

/** What the JSON of a layer says, as far as conversions need it. Docker wrote these files before images had digests. */
export interface V1History {
  readonly id?: string | undefined;
  readonly parent?: string | undefined;
  readonly created?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** The command that made the layer. */
  readonly command: readonly string[];
  /** Whether the layer changes nothing. Docker before 1.10 does not say it. */
  readonly throwaway?: boolean | undefined;
  /** Bytes of its files, in documents of Docker before 1.10. */
  readonly size?: number | undefined;
}

const what = 'schema 1 manifest';

const manifestSchema = z.looseObject({
  schemaVersion: z.literal(1),
  name: z._default(z.string(), ''),
  tag: z._default(z.string(), ''),
  architecture: z._default(z.string(), ''),
  fsLayers: z.array(z.looseObject({ blobSum: z.string() })).check(z.minLength(1), z.maxLength(fanOutLimit)),
  history: z.array(z.looseObject({ v1Compatibility: z.string() })).check(z.minLength(1), z.maxLength(fanOutLimit)),
});

const historySchema = z.looseObject({
  id: z.nullish(z.string()),
  parent: z.nullish(z.string()),
  created: z.nullish(z.string()),
  author: z.nullish(z.string()),
  comment: z.nullish(z.string()),
  container_config: z.nullish(z.looseObject({ Cmd: z.nullish(z.array(z.string())) })),
  throwaway: z.nullish(z.boolean()),
  Size: z.nullish(z.int()),
});

/**
 * Reads a schema 1 manifest, signed or not. Whether its signatures are right is not looked at: that is {@link verifySchema1}.
 * @throws DrayError `invalid-argument` with reason `bad-document` when it is malformed, over the limit for documents, or could
 * be read as a manifest of another kind.
 */
export function parseSchema1(bytes: Uint8Array): Schema1Manifest {
  checkDocumentSize(bytes.byteLength);
  const { payload, signatures } = splitSchema1(bytes);
  const found = parseDocument(manifestSchema, payload, what, checkKeys);
  const { name, tag, architecture, fsLayers, history } = found;
  if (fsLayers.length !== history.length)
    throw badDocument(what, `it has ${fsLayers.length} layers and the history of ${history.length}`);
  const entries = fsLayers.map(({ blobSum }, index) => entryOf(blobSum, history[index]?.v1Compatibility ?? ''));
  return { name, tag, architecture, entries, payload, digest: digestOf(payload), signatures };
}

// As for other manifests (CVE-2021-41190): no reader may take it for something else, and readers in Go pass over case.
function checkKeys(document: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(document).map((key) => key.toLowerCase());
  const strange = ['config', 'layers', 'manifests', 'signatures'].find((key) => keys.includes(key));
  if (strange !== undefined) throw badDocument(what, `it also has "${strange}" and could be read as something else`);
  if (new Set(keys).size < keys.length) throw badDocument(what, 'two of its keys differ in nothing but case');
}

function entryOf(blob: string, text: string): Schema1Entry {
  if (!isDigest(blob))
    throw badDocument(what, `${JSON.stringify(blob.slice(0, 100))} is no digest that can be verified`);
  return { blob, history: parseHistory(text), text };
}

function parseHistory(text: string): V1History {
  const found = parseDocument(historySchema, Buffer.from(text), 'schema 1 history');
  return {
    id: found.id ?? undefined,
    parent: found.parent ?? undefined,
    created: found.created ?? undefined,
    author: found.author ?? undefined,
    comment: found.comment ?? undefined,
    command: found.container_config?.Cmd ?? [],
    throwaway: found.throwaway ?? undefined,
    size: found.Size ?? undefined,
  };
}
