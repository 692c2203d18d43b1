import type { Command } from '../command.ts';
import { platformOptions } from '../options.ts';
import { formatSize } from '../units.ts';

const different = 5;

export const command: Command = {
  usage: '[REF...] [flags]',
  examples: ['dray images check', 'dray images check alpine:3.20 --platform linux/arm64'],
  options: platformOptions,
  positionals: { minimum: 0, maximum: Number.POSITIVE_INFINITY, what: '' },
  async run(context) {
    const services = await context.services();
    const [{ check }, { matcherOf }, { findImage }] = await Promise.all([
      import('../../images/inspect.ts'),
      import('../../client/select.ts'),
      import('../../client/store-place.ts'),
    ]);
    const named = context.arguments.positionals;
    const platform = matcherOf(context.platforms);
    const images = async function* () {
      if (named.length === 0) yield* services.images.list();
      for (const name of named) yield await findImage(services.images, name);
    };
    let incomplete = false;
    const checked = async function* () {
      for await (const { name, target } of images()) {
        const result = await check(services.content, target, { platform, signal: context.signal });
        incomplete ||= result.missing.length > 0;
        const bytes = result.present.reduce((sum, object) => sum + object.size, 0);
        yield { name, digest: target.digest, complete: result.missing.length === 0, size: bytes, ...result };
      }
    };
    await context.output.list(
      checked(),
      [
        { head: 'NAME', value: (image) => image.name },
        { head: 'STATUS', value: (image) => (image.complete ? 'complete' : `${image.missing.length} missing`) },
        { head: 'SIZE', right: true, value: (image) => formatSize(image.size) },
        { head: 'MISSING', value: (image) => image.missing.map((object) => object.digest).join(' ') || '-' },
      ],
      ({ name, digest, complete, size, missing }) => ({ name, digest, complete, size, missing }),
    );
    return incomplete ? different : 0;
  },
};
