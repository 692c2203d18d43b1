import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ErrorKind, ErrorReason } from '../../src/errors.ts';
import { type ImportOptions, importArchive } from '../../src/oci/import.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { sharedFixtures, unlessFixtures } from '../support/tools.ts';
import { exportBytes, fails, importBytes, namesIn } from './images.ts';

interface Expected {
  readonly format: 'oci' | 'docker' | 'docker-v1';
  /** Names with the first twelve digits of what they stand for. */
  readonly names: Readonly<Record<string, string>>;
  readonly unnamed?: number;
}

const hello: Expected = { format: 'oci', names: { 'docker.io/library/hello-world:latest': 'faa03e786c97' } };
const first: Expected['names'] = { 'docker.io/bazel/v1/tarball:test_image_1': 'ea894cef' };

const archives: Readonly<Record<string, Expected | readonly [ErrorKind, ErrorReason, RegExp]>> = {
  'oci-archive/hello-world.tar': hello,
  'oci-archive/hello-world-prefixed-path.tar': hello,
  'docker-save/almostempty.tar': { format: 'docker', names: { 'docker.io/library/emptyimage:latest': '175ebdc4' } },
  'docker-save/hello-world-v25.tar': { format: 'docker', names: {}, unnamed: 1 },
  'docker-save/mutate-overwritten_file.tar': {
    format: 'docker',
    names: { 'docker.io/bazel/pkg/v1/mutate:overwritten_file': '5b2c7c7b' },
  },
  'docker-save/mutate-source_image.tar': {
    format: 'docker',
    names: { 'docker.io/bazel/pkg/v1/mutate:source_image': 'ea894cef' },
  },
  'docker-save/mutate-source_image_with_empty_layer_history.tar': {
    format: 'docker',
    names: { 'docker.io/bazel/pkg/v1/mutate:source_image': '768be83d' },
  },
  'docker-save/mutate-whiteout_dir.tar': { format: 'docker', names: { 'localhost:5000/whiteout:latest': 'ef082484' } },
  'docker-save/no_manifest.tar': {
    format: 'docker-v1',
    names: { 'docker.io/bazel/v1/tarball:test_image': '1d93d69d' },
  },
  'docker-save/null_manifest.tar': ['invalid-argument', 'bad-archive', /manifest.json/],
  'docker-save/test_bundle.tar': {
    format: 'docker',
    names: { 'docker.io/library/test_image_1:latest': 'ea894cef', 'docker.io/library/test_image_2:latest': 'a95c18d1' },
  },
  'docker-save/test_image_1.tar': { format: 'docker', names: first },
  'docker-save/test_image_2.tar': {
    format: 'docker',
    names: { 'docker.io/bazel/v1/tarball:test_image_2': 'a95c18d1' },
  },
  'docker-save/test_load_manifest.tar': { format: 'docker', names: first },
};

/** Layouts, imported under the prefix `lab/x`. The numbers are those of images with and without a name. */
const layouts: Readonly<Record<string, readonly [number, number] | readonly [ErrorKind, ErrorReason, RegExp]>> = {
  'c-image-multiple_images': [7, 0],
  'c-image-name_lookups': ['not-found', 'bad-archive', /is not in it/],
  'c-image-shared_blobs_dir': ['data-loss', 'size-mismatch', /has 476 bytes, not 405/],
  'gcr-test_gc_index': [3, 0],
  'gcr-test_index': [4, 0],
  'gcr-test_index_media_type': [0, 1],
  'gcr-unknown_mediatype': ['not-found', 'bad-archive', /is not in it/],
  'regclient-external': [3, 0],
  'regclient-testrepo': [24, 0],
};

describe('archives and layouts of other projects', { skip: unlessFixtures() }, () => {
  for (const [path, expected] of Object.entries(archives))
    it(path, async () => {
      const file = join(sharedFixtures, path);
      if (!('format' in expected)) return await fails(importArchive(memoryServices(), file), ...expected);
      const services = memoryServices();
      const result = await importArchive(services, file);
      assert.equal(result.format, expected.format);
      assert.equal(result.unnamed.length, expected.unnamed ?? 0);
      const names = Object.entries(await namesIn(services));
      assert.deepEqual(
        Object.fromEntries(
          names.map(([name, digest]) => [name, digest.slice(7, 7 + (expected.names[name]?.length ?? 64))]),
        ),
        expected.names,
      );
      const piped = await importBytes(await readFile(file));
      assert.deepEqual(await namesIn(piped.services), Object.fromEntries(names));
      // What came in can go out, and comes in again.
      const images = result.images.map(({ name, target }) => ({ target, names: [name] }));
      if (images.length === 0) return;
      const again = await importBytes(await exportBytes(services.content, images, { missing: 'skip' }));
      assert.deepEqual(await namesIn(again.services), Object.fromEntries(names));
    });

  for (const [path, expected] of Object.entries(layouts))
    it(`layout ${path}`, async () => {
      const directory = join(sharedFixtures, 'oci-layout', path);
      const options: ImportOptions = { prefix: 'lab/x' };
      const services = memoryServices();
      if (expected.length === 3) return await fails(importArchive(services, directory, options), ...expected);
      const { images, unnamed } = await importArchive(services, directory, options);
      assert.deepEqual([images.length, unnamed.length], expected);
    });
});
