import type { Command } from '../command.ts';
import { listOptions } from '../options.ts';
import { formatSize } from '../units.ts';

export const command: Command = {
  usage: '[FILTER...] [flags]',
  examples: ['dray images ls', "dray images ls 'name~=/redis/'", 'dray images ls -q'],
  options: { ...listOptions, digests: { type: 'boolean', description: 'whole digests' } },
  positionals: { minimum: 0 },
  async run(context) {
    const services = await context.services();
    const { output } = context;
    const images = output.whileRead(services.images.list(...context.arguments.positionals));
    // For a name nothing has to be read.
    if (output.quiet && !output.json) {
      await output.names(namesOf(images));
      return;
    }
    const [{ presentSize }, { shortDigest }] = await Promise.all([
      import('../../images/inspect.ts'),
      import('../../spec/digest.ts'),
    ]);
    const withSizes = async function* () {
      for await (const image of images) {
        yield { ...image, bytes: await presentSize(services.content, image.target, context) };
      }
    };
    const whole = context.arguments.flag('digests');
    await output.list(
      withSizes(),
      [
        { head: 'NAME', value: (image) => image.name },
        { head: 'DIGEST', value: (image) => (whole ? image.target.digest : shortDigest(image.target.digest)) },
        { head: 'SIZE', right: true, value: (image) => formatSize(image.bytes) },
        { head: 'CREATED', value: (image) => image.createdAt.toString().slice(0, 19).replace('T', ' ') },
      ],
      ({ name, target, labels, createdAt, updatedAt, bytes }) => ({
        name,
        target,
        labels,
        createdAt,
        updatedAt,
        size: bytes,
      }),
    );
  },
};

async function* namesOf(images: AsyncIterable<{ readonly name: string }>): AsyncGenerator<string> {
  for await (const { name } of images) yield name;
}
