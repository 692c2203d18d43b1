import type { KeyObject } from 'node:crypto';
import { streamOf } from '../content/bytes.ts';
import type { Fetcher } from '../content/copy.ts';
import { readDocument } from '../content/documents.ts';
import { DrayError, firstFailure } from '../errors.ts';
import { manifest } from '../images/inspect.ts';
import { type TransferSummary, transfer } from '../images/transfer.ts';
import { ephemeralKey, signSchema1 } from '../schema1/sign.ts';
import { emptyLayer, writeSchema1 } from '../schema1/write.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { type Digest, digestOf } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { parseReference } from '../spec/reference.ts';
import type { Copied, CopyOptions } from './copy.ts';
import type { Place, Source, Target } from './place.ts';
import { matcherOf } from './select.ts';

/** Options of {@link pushSchema1}. */
export interface PushSchema1Options extends CopyOptions {
  /** Signs the manifest; a key for this one time if not said. */
  readonly key?: KeyObject | undefined;
}

/**
 * Sends one platform of an image to a registry as Docker schema 1, signed. The manifest names the repository and the tag it is
 * for; of further tags it knows nothing.
 * @throws DrayError `invalid-argument` for several platforms; as `writeSchema1` does for an image that schema 1 cannot say; with
 * the side and the descriptor that failed.
 */
export async function pushSchema1(
  { content }: Services,
  from: Place,
  to: Place,
  options: PushSchema1Options = {},
): Promise<Copied> {
  const { platforms, tags, key = ephemeralKey(), onProgress, signal } = options;
  if (platforms === 'all' || (platforms?.length ?? 0) > 1) throw severalPlatforms();
  try {
    await using source = await from.source({ signal });
    const platform = matcherOf(platforms);
    const { manifest: image } = await manifest(content, source.root, { platform, signal });
    const config = await readDocument(content, image.config, { signal });
    const { path, tag = '' } = parseReference(to.name);
    const { payload, layers } = writeSchema1({ config, layers: image.layers }, { name: path, tag });
    const bytes = signSchema1(payload, key);
    const root = { mediaType: mediaTypes.dockerSchema1Signed, digest: digestOf(payload), size: bytes.byteLength };
    onProgress?.({ type: 'resolved', name: source.name, target: root });
    await using target = await to.target({ source, tags, root, signal });
    const fetcher = withDocuments(source, [bytes, root.digest], [emptyLayer, digestOf(emptyLayer)]);
    const summary = sum(await send(fetcher, target, layers, options), await send(fetcher, target, [root], options));
    const reference = await target.finish(root, { signal });
    onProgress?.({ type: 'done', reference, summary });
    return { reference, root, summary, documents: [root] };
  } catch (error) {
    throw firstFailure(error);
  }
}

function severalPlatforms(): DrayError {
  return new DrayError('invalid-argument', 'schema 1 has no index: an image of one platform is sent', {
    hint: 'name the one that is meant: --platform linux/amd64',
  });
}

function send(
  fetcher: Fetcher,
  { pusher }: Target,
  objects: readonly Descriptor[],
  { concurrency, onProgress, signal }: CopyOptions,
): Promise<TransferSummary> {
  return transfer(fetcher, pusher, objects, {
    concurrency,
    onEvent: (event) => onProgress?.({ type: 'blob', ...event }),
    signal,
  });
}

/** The source, with what it does not have. */
function withDocuments({ fetcher }: Source, ...made: readonly (readonly [Uint8Array, Digest])[]): Fetcher {
  return {
    async fetch(target, options) {
      const [bytes] = made.find(([, digest]) => digest === target.digest) ?? [];
      return bytes === undefined ? fetcher.fetch(target, options) : streamOf(bytes.subarray(options?.offset));
    },
  };
}

function sum(a: TransferSummary, b: TransferSummary): TransferSummary {
  return {
    pushed: a.pushed + b.pushed,
    mounted: a.mounted + b.mounted,
    existed: a.existed + b.existed,
    bytesMoved: a.bytesMoved + b.bytesMoved,
    bytesSaved: a.bytesSaved + b.bytesSaved,
  };
}
