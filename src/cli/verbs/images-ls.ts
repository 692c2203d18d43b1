import type { Command } from '../command.ts';
import { listOptions, platformOptions } from '../options.ts';
import { formatSize } from '../units.ts';

export const command: Command = {
  usage: '[FILTER...] [flags]',
  examples: ['dray images ls', "dray images ls 'name~=/redis/'", 'dray images ls -q'],
  options: { ...listOptions, ...platformOptions, digests: { type: 'boolean', description: 'whole digests' } },
  positionals: { minimum: 0, maximum: Number.POSITIVE_INFINITY, what: '' },
  async run(context) {
    const { services } = await context.client();
    const [{ size }, { matcherOf }, { shortDigest }, { is }] = await Promise.all([
      import('../../images/inspect.ts'),
      import('../../client/select.ts'),
      import('../../spec/digest.ts'),
      import('../../errors.ts'),
    ]);
    const platform = matcherOf(context.platforms);
    const withSizes = async function* () {
      for await (const image of services.images.list(...context.arguments.positionals)) {
        const bytes = await size(services.content, image.target, { platform }).catch((error: unknown) => {
          // What is not there for this platform has no size here; images check says more.
          if (is(error, 'not-found')) return undefined;
          throw error;
        });
        yield { ...image, bytes };
      }
    };
    const whole = context.arguments.flag('digests');
    await context.output.list(
      withSizes(),
      [
        { head: 'NAME', value: (image) => image.name },
        { head: 'DIGEST', value: (image) => (whole ? image.target.digest : shortDigest(image.target.digest)) },
        { head: 'SIZE', right: true, value: (image) => (image.bytes === undefined ? '?' : formatSize(image.bytes)) },
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
    return 0;
  },
};
