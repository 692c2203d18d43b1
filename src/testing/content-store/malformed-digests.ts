import type { Digest } from '../../spec/digest.ts';

/** Texts that are no digests, though some come close. */
export const malformedDigests: readonly Digest[] = [
  'sha256:',
  'sha256:abc',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'a'.repeat(63)}`,
  `sha256:${'a'.repeat(65)}`,
  `sha512:${'a'.repeat(64)}`,
  'sha256:../../../../etc/passwd',
  `sha256:${'a'.repeat(63)}/`,
  `md5:${'a'.repeat(32)}`,
  'a:b',
  '',
  `sha256:${'a'.repeat(63)}\0`,
  `../sha256:${'a'.repeat(64)}`,
  `__proto__:${'a'.repeat(64)}`,
] as Digest[];
