import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { depthLimit } from '../images/handlers.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';

/** The most referrers that are copied with one image. */
const referrersLimit = 10_000;

/** What is needed to copy referrers. */
export interface ReferrersCopy extends AbortableOptions {
  readonly referrers: (subject: Descriptor, options?: AbortableOptions) => AsyncIterable<Descriptor>;
  /**
   * Brings one referrer over, with all below it; its documents may have referrers themselves. Undefined when it does not
   * refer to the subject, whatever the list says.
   */
  readonly bring: (referrer: Descriptor, subject: Descriptor) => Promise<readonly Descriptor[] | undefined>;
  /** Records at the target that `referrer` refers to `subject`, where that is not told by the referrer itself. */
  readonly refer?: ((subject: Digest, referrer: Descriptor) => Promise<void>) | undefined;
}

/**
 * Brings over what refers to some objects, and what refers to that, each once.
 * @throws DrayError `invalid-argument`, reason `bad-document`, when there are more than any image has.
 */
export async function copyReferrers(
  subjects: readonly Descriptor[],
  { referrers, bring, refer, signal }: ReferrersCopy,
): Promise<void> {
  const seen = new Set<string>(subjects.map((subject) => subject.digest));
  let level: readonly Descriptor[] = subjects;
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > depthLimit) throw tooMany(`referrers nested deeper than ${depthLimit}`);
    const next: Descriptor[] = [];
    for (const subject of level) {
      for await (const referrer of referrers(subject, { signal })) {
        if (!seen.has(referrer.digest)) {
          seen.add(referrer.digest);
          if (seen.size > referrersLimit) throw tooMany(`more than ${referrersLimit} referrers`);
          const documents = await bring(referrer, subject);
          if (documents === undefined) continue;
          next.push(...documents);
        }
        await refer?.(subject.digest, referrer);
      }
    }
    level = next;
  }
}

function tooMany(problem: string): DrayError {
  return new DrayError('invalid-argument', problem, {
    reason: 'bad-document',
    side: 'source',
    hint: 'copy the image without --referrers',
  });
}
