import type { AbortableOptions, Info } from '../content/store.ts';
import { is } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';
import type { BlobFile } from './blob-files.ts';
import { type BlobRow, blobColumns, findBlob, infoOf, removeBlob } from './blobs.ts';
import type { Finding } from './finding.ts';
import { pages } from './pages.ts';
import type { OpenParts } from './parts.ts';
import { removeFiles, unneededFiles } from './sweep-files.ts';

/** What to do about findings. */
export interface FindingOptions extends AbortableOptions {
  readonly repair: boolean;
  readonly verify: boolean;
}

/** What is wrong with the content of a store whose database is sound. */
export async function* contentFindings(parts: OpenParts, options: FindingOptions): AsyncGenerator<Finding> {
  yield* brokenIngests(parts, options);
  if (options.verify) yield* damagedBlobs(parts, options);
  for (const { name } of parts.database.all<{ name: string }>('SELECT name FROM namespace ORDER BY name')) {
    yield* missingBlobs(parts, name, options);
    yield* missingTargets(parts, name, options);
  }
  yield* unneeded(parts, options);
}

async function* brokenIngests({ local }: OpenParts, { repair, signal }: FindingOptions): AsyncGenerator<Finding> {
  for await (const key of local.ingests.broken()) {
    signal?.throwIfAborted();
    yield { problem: 'broken-ingest', subject: key, repaired: repair && (await local.ingests.removeBroken(key)) };
  }
}

async function* damagedBlobs(parts: OpenParts, { repair, signal }: FindingOptions): AsyncGenerator<Finding> {
  for await (const digest of parts.files.digests()) {
    const problem = await damageOf(parts, digest, signal);
    if (problem === undefined) continue;
    if (repair) await removeEverywhere(parts, digest);
    yield { problem: 'damaged-blob', subject: digest, detail: problem, repaired: repair };
  }
}

async function damageOf({ local }: OpenParts, digest: Digest, signal?: AbortSignal): Promise<string | undefined> {
  try {
    await using reader = await local.reader({ digest });
    for await (const _ of reader.stream({ transient: true, signal }));
    return undefined;
  } catch (error) {
    if (is(error, 'data-loss')) return error.message;
    // Gone meanwhile, or no file; the other checks see to that.
    if (is(error, 'not-found') || is(error, 'failed-precondition')) return undefined;
    throw error;
  }
}

function removeEverywhere({ database, files }: OpenParts, digest: Digest): Promise<void> {
  return database.write((transaction) => {
    const holders = transaction.all<{ namespace: string }>('SELECT namespace FROM blob WHERE digest = ?', digest);
    for (const { namespace } of holders) removeBlob(transaction, namespace, digest);
    files.removeNow(digest);
  });
}

async function* missingBlobs(parts: OpenParts, namespace: string, options: FindingOptions): AsyncGenerator<Finding> {
  const rows = pages<BlobRow, 'digest'>(parts.database, {
    select: `SELECT ${blobColumns} FROM blob`,
    where: 'namespace = ?',
    values: [namespace],
    key: 'digest',
  });
  for await (const info of rows) {
    options.signal?.throwIfAborted();
    const { digest, size } = infoOf(info);
    const found = parts.files.size(digest);
    if (found === size) continue;
    const repaired = options.repair && (await forgetMissing(parts, namespace, digest));
    const detail = found === undefined ? 'its file is gone' : `its file has ${found} bytes, not ${size}`;
    yield { problem: 'missing-blob', namespace, subject: digest, detail, repaired };
  }
}

// It may have healed since.
function forgetMissing({ database, files }: OpenParts, namespace: string, digest: Digest): Promise<boolean> {
  return database.write((transaction) => {
    const known: Info | undefined = findBlob(transaction, namespace, digest);
    if (known === undefined || files.size(digest) === known.size) return false;
    return removeBlob(transaction, namespace, digest);
  });
}

async function* missingTargets(
  { database }: OpenParts,
  namespace: string,
  { signal }: FindingOptions,
): AsyncGenerator<Finding> {
  const rows = pages<{ name: string; digest: string }, 'name'>(database, {
    select: 'SELECT name, digest FROM image',
    where:
      'namespace = ? AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.namespace = image.namespace AND b.digest = image.digest)',
    values: [namespace],
    key: 'name',
  });
  for await (const { name, digest } of rows) {
    signal?.throwIfAborted();
    yield { problem: 'missing-target', namespace, subject: name, detail: `${digest} is not there`, repaired: false };
  }
}

async function isRemoved(parts: OpenParts, file: BlobFile): Promise<boolean> {
  const { removed, failures } = await removeFiles(parts, [file]);
  if (failures.length > 0) throw failures[0];
  return removed.length > 0;
}

async function* unneeded(parts: OpenParts, { repair, signal }: FindingOptions): AsyncGenerator<Finding> {
  for await (const path of parts.files.strangers()) {
    signal?.throwIfAborted();
    yield { problem: 'foreign-file', subject: path, repaired: false };
  }
  for await (const found of unneededFiles(parts)) {
    for (const { file, foreign } of found) {
      signal?.throwIfAborted();
      const { digest, size } = file;
      const repaired = repair && !foreign && (await isRemoved(parts, file));
      yield { problem: foreign ? 'foreign-file' : 'dangling-file', subject: digest, detail: `${size} bytes`, repaired };
    }
  }
}
