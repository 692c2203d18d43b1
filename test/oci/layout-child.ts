/** Run as a process of its own: copies an image into a layout under a name, or holds the layout's lock until it is killed. */
import { fetcherOf } from '../../src/content/copy.ts';
import { transfer } from '../../src/images/transfer.ts';
import { LayoutPlace } from '../../src/oci/layout.ts';
import { withLock } from '../../src/oci/layout-lock.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { putBlobs } from './images.ts';

const [, , task, directory = '', name = ''] = process.argv;

if (task === 'hold') {
  await withLock(directory, async () => {
    console.log('held');
    await new Promise((resolve) => setTimeout(resolve, 3_600_000));
  });
} else {
  const image = randomImage({ seed: name, layers: [5000] });
  const { content } = memoryServices();
  await putBlobs(content, image.blobs);
  await using target = await new LayoutPlace(directory, { image: name, durability: 'none' }).target();
  await transfer(fetcherOf(content), target.pusher, [image.root]);
  await target.finish(image.root);
}
