import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import type { Store } from '../../src/metadata/open-store.ts';
import type { Services } from '../../src/services/services.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomImage } from '../../src/testing/random.ts';
import { temporaryStore } from '../metadata/support.ts';
import { importBytes, layoutEntries, named, namesIn } from '../oci/images.ts';
import { tarOf } from '../oci/tar-builder.ts';

const name = 'docker.io/lab/app:1';
const image = randomImage({ seed: 'held', family: 'docker' });
const archive = tarOf(layoutEntries(image.blobs, [named(image.root, name)]));

/** Services in which somebody else takes the name away, and collects, when it has been looked at so many times. */
function losing(store: Store, looks: number): Services {
  const services = store.services('default');
  let seen = 0;
  const images: Services['images'] = {
    async get(wanted, options) {
      const found = await services.images.get(wanted, options);
      seen += 1;
      if (seen === looks) await services.images.delete(name, { synchronous: true });
      return found;
    },
    list: (...filters) => services.images.list(...filters),
    create: (made, options) => services.images.create(made, options),
    update: (change, ...fieldpaths) => services.images.update(change, ...fieldpaths),
    delete: (wanted, options) => services.images.delete(wanted, options),
  };
  return { ...services, images };
}

const verbs = {
  'a tag': (client: Client) => client.tag(name, 'docker.io/lab/app:2'),
  'a conversion': (client: Client) => client.convert(name, 'docker.io/lab/app:2', { family: 'oci' }),
};

describe('an image that loses its name meanwhile', () => {
  for (const [verb, run] of Object.entries(verbs)) {
    it(`${verb}: is not found, or whole under the new one`, async () => {
      for (const looks of [1, 2]) {
        await using temporary = await temporaryStore({ durability: 'none' });
        const { store, services } = temporary;
        await importBytes(archive, {}, services);
        await using client = Client.over(losing(store, looks));
        if (looks === 1) await fails(run(client), 'not-found');
        else await run(client);
        const names = Object.keys(await namesIn(services));
        assert.deepEqual(names, looks === 1 ? [] : ['docker.io/lab/app:2']);
        await store.collect();
        for (const made of names) for await (const _ of client.export([made]));
        assert.deepEqual(await Array.fromAsync(services.leases.list()), []);
      }
    });
  }
});
