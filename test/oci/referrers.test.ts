import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { referrersIn } from '../../src/client/store-referrers.ts';
import { ArchivePlace } from '../../src/oci/archive.ts';
import { LayoutPlace, type PlaceSource } from '../../src/oci/layout.ts';
import type { Services } from '../../src/services/services.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { referrersTag } from '../../src/spec/referrers.ts';
import { document, type RandomBlob, randomImage } from '../../src/testing/random.ts';
import { about, emptyConfig } from '../support/referrers.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { fails, importEntries, layoutEntries, named, namesIn } from './images.ts';
import { tarOf } from './tar-builder.ts';

const image = randomImage({ seed: 'referrers' });
const signature = about(image.root, '1', 'application/vnd.example.signature');
const bill = about(image.root, '2');
const ofAnother = about(signature.descriptor, '3', 'application/vnd.example.signature');
const everything = [...image.blobs, emptyConfig, signature, bill, ofAnother];

function listOf(...manifests: readonly Descriptor[]): RandomBlob {
  return document(mediaTypes.ociIndex, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
}

async function withBoth(
  blobs: readonly RandomBlob[],
  roots: readonly Descriptor[],
  test: (source: PlaceSource) => Promise<void>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  const entries = layoutEntries(blobs, roots);
  await writeEntries(directory, entries);
  await writeFile(directory.join('a.tar'), tarOf(entries));
  for (const place of [
    new LayoutPlace(directory.path, { image: 'v1' }),
    new ArchivePlace(directory.join('a.tar'), { format: 'oci', image: 'v1' }),
  ]) {
    await using source = await place.source();
    await test(source);
  }
}

async function writeEntries(directory: TemporaryDirectory, entries: ReturnType<typeof layoutEntries>): Promise<void> {
  await mkdir(directory.join('blobs', 'sha256'), { recursive: true });
  for (const { name, data } of entries) await writeFile(directory.join(name), data ?? '');
}

async function idsOf(source: PlaceSource, subject: Descriptor): Promise<(string | undefined)[]> {
  const found = await Array.fromAsync(source.referrers?.(subject) ?? []);
  return found.map(({ annotations }) => annotations?.['id']).sort();
}

/** Both referrers of the image are known to be its, and keep what is theirs. */
async function checkKept({ content }: Pick<Services, 'content'>): Promise<void> {
  const { labels } = await content.info(signature.descriptor.digest);
  assert.ok(Object.values(labels).includes(emptyConfig.descriptor.digest));
  const kept = await Array.fromAsync(referrersIn(content, image.root), ({ digest }) => digest);
  assert.deepEqual(kept.sort(), [signature.descriptor.digest, bill.descriptor.digest].sort());
}

describe('what refers to an image of a layout or an archive', () => {
  it('is listed beside it, under a name or under none', async () => {
    const roots = [named(image.root, 'v1'), signature.descriptor, named(bill.descriptor, 'bill')];
    await withBoth(everything, roots, async (source) => {
      assert.deepEqual(await idsOf(source, image.root), ['1', '2']);
      const [first] = await Array.fromAsync(source.referrers?.(image.root) ?? []);
      assert.deepEqual(first, {
        ...signature.descriptor,
        artifactType: 'application/vnd.example.signature',
        annotations: { id: '1' },
      });
      assert.deepEqual(await idsOf(source, signature.descriptor), []);
    });
  });

  it('is in an index under the tag that stands for the list', async () => {
    const list = listOf(signature.descriptor, bill.descriptor);
    const next = listOf(ofAnother.descriptor);
    const roots = [
      named(image.root, 'v1'),
      named(list.descriptor, referrersTag(image.root.digest)),
      named(next.descriptor, referrersTag(signature.descriptor.digest)),
    ];
    await withBoth([...everything, list, next], roots, async (source) => {
      assert.deepEqual(await idsOf(source, image.root), ['1', '2']);
      assert.deepEqual(await idsOf(source, signature.descriptor), ['3']);
    });
  });

  it('names it as its subject: what does not is none, whatever lists it', async () => {
    const list = listOf(ofAnother.descriptor, image.root);
    const roots = [named(image.root, 'v1'), named(list.descriptor, referrersTag(image.root.digest))];
    await withBoth([...everything, list], roots, async (source) => {
      assert.deepEqual(await idsOf(source, image.root), []);
    });
  });

  it('stays with its subject when the archive is taken into a store, and needs no name', async () => {
    const roots = [named(image.root, 'v1'), signature.descriptor, bill.descriptor, ofAnother.descriptor];
    const entries = layoutEntries(everything, roots);
    for (const options of [{ prefix: 'docker.io/lab/app' }, { name: 'docker.io/lab/app:v1' }]) {
      const { services, result } = await importEntries(entries, options);
      assert.deepEqual(await namesIn(services), { 'docker.io/lab/app:v1': image.root.digest });
      assert.deepEqual(result.unnamed, []);
      await checkKept(services);
    }
  });

  it('stays with its subject too when only an index under the tag that stands for the list has it', async () => {
    const list = listOf(signature.descriptor, bill.descriptor, image.root, ofAnother.descriptor);
    const roots = [named(image.root, 'v1'), named(list.descriptor, referrersTag(image.root.digest))];
    const blobs = [...everything, list].filter((blob) => blob !== ofAnother);
    for (const options of [{ prefix: 'docker.io/lab/app' }, { name: 'docker.io/lab/app:v1' }]) {
      const { services, result } = await importEntries(layoutEntries(blobs, roots), options);
      assert.deepEqual(result.unnamed, []);
      await checkKept(services);
    }
  });

  it('is an image like others where its subject is missing', async () => {
    const blobs = everything.filter((blob) => !image.blobs.includes(blob));
    const { services } = await importEntries(layoutEntries(blobs, [signature.descriptor]), { name: 'sig:1' });
    assert.deepEqual(await namesIn(services), { 'sig:1': signature.descriptor.digest });
  });

  it('is not what is listed and is not there, and an error where it is damaged', async () => {
    const roots = [named(image.root, 'v1'), signature.descriptor, bill.descriptor];
    await withBoth([...image.blobs, bill], roots, async (source) => {
      assert.deepEqual(await idsOf(source, image.root), ['2']);
    });
    const damaged = { descriptor: signature.descriptor, bytes: Buffer.alloc(signature.bytes.byteLength, ' ') };
    await using directory = await temporaryDirectory();
    await writeEntries(directory, layoutEntries([...image.blobs, damaged], roots));
    await using source = await new LayoutPlace(directory.path, { image: 'v1' }).source();
    await fails(idsOf(source, image.root), 'data-loss', 'digest-mismatch');
  });
});
