import { gzipSync } from 'node:zlib';
import { type Algorithm, type Digest, digestOf, encodedOf } from '../../../src/spec/digest.ts';
import { mediaTypes } from '../../../src/spec/media-types.ts';
import { randomBytes } from '../../../src/testing/random.ts';

/** A descriptor as a document names it. */
export interface Named {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly [key: string]: unknown;
}

/** Something to be pushed, looked at and deleted, with what has to come back of it. */
export interface Row {
  readonly name: string;
  readonly blobs: Map<Digest, Uint8Array>;
  /** In the order in which they are pushed. */
  readonly manifests: Map<Digest, { readonly bytes: Uint8Array; readonly mediaType: string }>;
  readonly tags: Map<string, Digest>;
  /** Tags that go along with the manifest as a query. */
  readonly tagsByQuery: boolean;
  readonly subjects: Map<Digest, Named[]>;
}

const artifactTypes = ['application/vnd.example.one.v1', 'application/vnd.example.two.v1'] as const;

/** Builds the content of one row. */
class Builder {
  readonly row: Row;
  readonly #algorithm: Algorithm;
  #count = 0;

  constructor(
    name: string,
    { algorithm = 'sha256', tagsByQuery = false }: { algorithm?: Algorithm; tagsByQuery?: boolean } = {},
  ) {
    this.#algorithm = algorithm;
    this.row = { name, blobs: new Map(), manifests: new Map(), tags: new Map(), tagsByQuery, subjects: new Map() };
  }

  describe(mediaType: string, bytes: Uint8Array): Named {
    return { mediaType, digest: digestOf(bytes, this.#algorithm), size: bytes.byteLength };
  }

  blob(mediaType: string, bytes: Uint8Array, more: object = {}): Named {
    const named = this.describe(mediaType, bytes);
    this.row.blobs.set(named.digest, bytes);
    return { ...named, ...more };
  }

  layer({ data = false, gzip = true }: { data?: boolean; gzip?: boolean } = {}): Named {
    const content = randomBytes(700, `${this.row.name} layer ${this.#count++}`);
    const bytes = gzip ? gzipSync(content) : content;
    const more = data ? { data: Buffer.from(bytes).toString('base64') } : {};
    return this.blob(gzip ? mediaTypes.ociLayerGzip : mediaTypes.ociLayer, bytes, more);
  }

  config(layers: readonly Named[], more: object = {}): Named {
    const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
    const config = { author: this.row.name, os: 'linux', architecture: 'amd64', rootfs, count: this.#count++, ...more };
    return this.blob(mediaTypes.ociConfig, Buffer.from(JSON.stringify(config)));
  }

  empty(): Named {
    return this.blob(mediaTypes.ociEmpty, Buffer.from('{}'));
  }

  document(mediaType: string, value: object, tag?: string): Named {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...value }));
    const named = this.describe(mediaType, bytes);
    this.row.manifests.set(named.digest, { bytes, mediaType });
    if (tag !== undefined) this.row.tags.set(tag, named.digest);
    this.#refer(named, value as { subject?: Named; artifactType?: string; config?: Named; annotations?: object });
    return named;
  }

  #refer(
    named: Named,
    {
      subject,
      artifactType,
      config,
      annotations,
    }: { subject?: Named; artifactType?: string; config?: Named; annotations?: object },
  ): void {
    if (subject === undefined) return;
    const type = artifactType ?? config?.mediaType;
    const referrer = {
      ...named,
      ...(type === undefined ? {} : { artifactType: type }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    this.row.subjects.set(subject.digest, [...(this.row.subjects.get(subject.digest) ?? []), referrer]);
  }

  image({
    tag,
    layers = [this.layer(), this.layer()],
    ...more
  }: {
    tag?: string;
    layers?: Named[];
    [key: string]: unknown;
  } = {}): Named {
    return this.document(mediaTypes.ociManifest, { config: this.config(layers), layers, ...more }, tag);
  }

  artifact(
    type: string,
    {
      tag,
      layers = [this.blob(type, randomBytes(300, `${this.row.name} ${this.#count++}`))],
      ...more
    }: { tag?: string; layers?: Named[]; [key: string]: unknown } = {},
  ): Named {
    return this.document(mediaTypes.ociManifest, { artifactType: type, config: this.empty(), layers, ...more }, tag);
  }

  index(manifests: readonly Named[], { tag, ...more }: { tag?: string; [key: string]: unknown } = {}): Named {
    return this.document(mediaTypes.ociIndex, { manifests, ...more }, tag);
  }

  platforms(make: () => Named): Named[] {
    return ['amd64', 'arm64'].map((architecture) => ({ ...make(), platform: { os: 'linux', architecture } }));
  }
}

function build(
  name: string,
  fill: (builder: Builder) => void,
  options?: ConstructorParameters<typeof Builder>[1],
): Row {
  const builder = new Builder(name, options);
  fill(builder);
  return builder.row;
}

/** Every kind of content that the specifications know, and some that only real registries meet. */
export function rows(): Row[] {
  const [one, two] = artifactTypes;
  const large = Object.fromEntries(Array.from({ length: 390 }, (_, at) => [`large-${at}`, 'A'.repeat(10_000)]));
  const missing: Named = { mediaType: mediaTypes.ociManifest, digest: digestOf('a missing subject'), size: 123 };
  return [
    build('image', (b) => b.image({ tag: 'image' })),
    build('uncompressed image', (b) => b.image({ tag: 'plain', layers: [b.layer({ gzip: false })] })),
    build('large manifest', (b) => b.image({ tag: 'large', annotations: large })),
    build('index', (b) =>
      b.index(
        b.platforms(() => b.image()),
        { tag: 'index' },
      ),
    ),
    build('nested index', (b) => {
      const inner = [0, 1].map(() => b.index(b.platforms(() => b.image())));
      b.index(inner, { tag: 'nested' });
    }),
    build('empty index', (b) => b.index([], { tag: 'empty' })),
    build('artifact', (b) => b.artifact(one, { tag: 'artifact' })),
    build('artifact index', (b) =>
      b.index(
        b.platforms(() => b.artifact(one)),
        { tag: 'artifacts', artifactType: one },
      ),
    ),
    build('artifact without layers', (b) => b.artifact(one, { tag: 'bare', layers: [b.empty()] })),
    build('artifacts with subject', (b) => {
      const subject = b.image({ tag: 'subject' });
      b.image({ subject });
      b.artifact(one, { subject, tag: 'signature', annotations: { 'org.example.signed': 'by one' } });
      b.artifact(two, { subject, tag: 'attestation', annotations: { 'org.example.signed': 'by two' } });
    }),
    build('index with subject', (b) => {
      const subject = b.index(
        b.platforms(() => b.image()),
        { tag: 'subject-index' },
      );
      b.index([], {
        subject,
        tag: 'index-signature',
        artifactType: one,
        annotations: { 'org.example.signed': 'index' },
      });
    }),
    build('missing subject', (b) => b.artifact(one, { subject: missing, tag: 'orphan' })),
    build('data field', (b) => b.image({ tag: 'data', layers: [b.layer({ data: true })] })),
    build('non-distributable layers', (b) => {
      const foreign = (at: number): Named => ({
        mediaType: at === 0 ? mediaTypes.ociForeignLayerGzip : mediaTypes.ociForeignLayer,
        digest: digestOf(`foreign ${at}`),
        size: 123_456,
        urls: [`https://store.example.com/${encodedOf(digestOf(`foreign ${at}`))}`],
      });
      b.image({ tag: 'foreign', layers: [foreign(0), foreign(1), b.layer()] });
    }),
    build('custom fields', (b) => {
      const layers = [b.layer()];
      const config = b.config(layers, { 'org.example.config': { deep: [1, 'two', null] } });
      const manifest = b.document(mediaTypes.ociManifest, { config, layers, 'org.example.manifest': true });
      b.index([{ ...manifest, 'org.example.descriptor': 1e10 }], { tag: 'custom', 'org.example.index': 'ü' });
    }),
    build('no layers', (b) => b.image({ tag: 'no-layers', layers: [] })),
    build('sparse image and index', (b) => {
      const gone = b.layer();
      b.image({ tag: 'sparse-image', layers: [gone, b.layer()] });
      b.row.blobs.delete(gone.digest);
      const lost: Named = { mediaType: mediaTypes.ociManifest, digest: digestOf('a lost platform'), size: 1024 };
      b.index([...b.platforms(() => b.image()), lost], { tag: 'sparse-index' });
    }),
    build('sha512', (b) => void b.index(b.platforms(() => b.image())), { algorithm: 'sha512' }),
    build('tags by query', (b) => manyTags(b, 'q256'), { tagsByQuery: true }),
    build('tags by query under sha512', (b) => manyTags(b, 'q512'), { tagsByQuery: true, algorithm: 'sha512' }),
  ];
}

function manyTags(builder: Builder, prefix: string): void {
  const index = builder.index(
    builder.platforms(() => builder.image()),
    { tag: prefix },
  );
  for (let at = 0; at < 10; at += 1) builder.row.tags.set(`${prefix}-${at}`, index.digest);
}
