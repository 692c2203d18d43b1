import { streamOf } from '../content/bytes.ts';
import type { Provider } from '../content/store.ts';
import type { TransferEvent } from '../images/transfer.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { algorithmOf } from '../spec/digest.ts';
import { streamBlob } from './blob-stream.ts';
import { nameOfDigest } from './entry-name.ts';
import { dockerBlobs, dockerManifests, encodeDockerManifests } from './export-docker.ts';
import { type ExportImage, indexEntries } from './export-index.ts';
import { compareText, encodeIndex } from './index-encoding.ts';
import { encodeLayout } from './layout-version.ts';
import { type PlanOptions, planExport } from './plan.ts';
import { type TarItem, writeTar } from './tar-writer.ts';

/** Options of {@link exportArchive}. */
export interface ExportOptions extends PlanOptions {
  /**
   * `oci`: an image layout. `docker`: a docker-archive, which has one platform of each image and no manifests. `both`, if not
   * said: a layout with a `manifest.json`, which every tool reads.
   */
  readonly format?: 'oci' | 'docker' | 'both' | undefined;
  /**
   * Uses the memory of a chunk again when the next one is asked for. Faster, and for those who are done with each chunk by
   * then; a Node stream is not.
   */
  readonly transient?: boolean | undefined;
  /** Called for each object, `active` while its bytes go out. */
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/**
 * An archive of images, as a stream of a tar file. The same images with the same names give the same bytes, in whatever order
 * they are given; the bytes are those that containerd writes. Every blob is verified as it goes out. The first chunk
 * comes when all documents have been read, so what is missing is told before anything was written.
 * @throws DrayError `not-found` for missing content, or for an index without the wanted platform; `data-loss` for content that
 * is damaged; `invalid-argument` for an image that has no place in a docker-archive, and for a document out of order.
 */
export async function* exportArchive(
  source: Provider,
  images: readonly ExportImage[],
  options: ExportOptions = {},
): AsyncGenerator<Uint8Array> {
  const format = options.format ?? 'both';
  const roots = images.map(({ target }) => target);
  const plan = await planExport(source, roots, options);
  const docker = format === 'oci' ? [] : dockerManifests(plan, images, format);
  const blobs = format === 'docker' ? dockerBlobs(plan, docker) : [...plan.objects.values()];
  const documents: TarItem[] = [];
  if (format !== 'docker') {
    documents.push(documentItem('index.json', 0o644, encodeIndex(indexEntries(plan, images))));
    documents.push(documentItem('oci-layout', 0o444, encodeLayout()));
  }
  if (docker.length > 0) documents.push(documentItem('manifest.json', 0o644, encodeDockerManifests(docker)));
  const items = [...directories(blobs), ...blobs.map((blob) => blobItem(source, blob, options)), ...documents];
  yield* writeTar(
    items.sort((a, b) => compareText(a.name, b.name)),
    options,
  );
}

function documentItem(name: string, mode: number, bytes: Buffer): TarItem {
  return { name, mode, size: bytes.byteLength, open: () => streamOf(bytes) };
}

function directories(blobs: readonly Descriptor[]): TarItem[] {
  const algorithms = new Set(blobs.map(({ digest }) => `blobs/${algorithmOf(digest)}/`));
  return ['blobs/', ...algorithms].map((name) => ({ name, mode: 0o755, size: 0 }));
}

function blobItem(source: Provider, target: Descriptor, options: ExportOptions): TarItem {
  const { onEvent } = options;
  return {
    name: nameOfDigest(target.digest),
    mode: 0o444,
    size: target.size,
    async *open(position) {
      const { transient, signal } = options;
      let offset = 0;
      for await (const chunk of streamBlob(source, target, { transient, signal, position })) {
        yield chunk;
        offset += chunk.byteLength;
        onEvent?.({ target, state: 'active', offset, resumed: 0 });
      }
      onEvent?.({ target, state: 'pushed', offset, resumed: 0 });
    },
  };
}
