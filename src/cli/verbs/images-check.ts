import { is } from '../../errors.ts';
import type { Check } from '../../images/inspect.ts';
import type { Command } from '../command.ts';
import { platformOptions } from '../options.ts';
import { formatSize } from '../units.ts';

const different = 5;

export const command: Command = {
  usage: '[REF...] [flags]',
  examples: ['dray images check', 'dray images check alpine:3.20 --platform linux/arm64'],
  options: platformOptions('this machine'),
  positionals: { minimum: 0 },
  async run(context) {
    const services = await context.services();
    const [{ check }, { selectPlatforms }, { findImage }] = await Promise.all([
      import('../../images/inspect.ts'),
      import('../../client/select.ts'),
      import('../../client/store-place.ts'),
    ]);
    const named = context.arguments.positionals;
    const select = selectPlatforms(context.platforms);
    const images = async function* () {
      if (named.length === 0) yield* services.images.list();
      for (const name of named) yield await findImage(services.images, name);
    };
    let incomplete = false;
    const checked = async function* () {
      for await (const { name, target } of images()) {
        const checking = check(services.content, target, { select, signal: context.signal });
        const result = named.length === 0 ? await checking.catch(notForPlatform) : await checking;
        const bytes = result.present.reduce((sum, object) => sum + object.size, 0);
        const complete = result.available && result.missing.length === 0;
        incomplete ||= !complete;
        yield { name, digest: target.digest, complete, size: bytes, ...result };
      }
    };
    await context.output.list(
      checked(),
      [
        { head: 'NAME', value: (image) => image.name },
        { head: 'STATUS', value: (image) => statusOf(image) },
        { head: 'SIZE', right: true, value: (image) => formatSize(image.size) },
        { head: 'MISSING', value: (image) => image.missing.map((object) => object.digest).join(' ') || '-' },
      ],
      ({ name, digest, complete, size, missing }) => ({ name, digest, complete, size, missing }),
    );
    return incomplete ? different : 0;
  },
};

function statusOf({ complete, missing }: { complete: boolean; missing: readonly unknown[] }): string {
  if (complete) return 'complete';
  return missing.length === 0 ? 'not for the platform' : `${missing.length} missing`;
}

// One image of all that is for other platforms only does not keep the rest from being looked at.
function notForPlatform(error: unknown): Check {
  if (!is(error, 'not-found')) throw error;
  return { available: false, required: [], present: [], missing: [] };
}
