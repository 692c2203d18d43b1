/** The middle of some values, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
}

/** undefined for no values, and when one of them is not known. */
export function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  const known = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const [minimum, maximum] = [known[0], known.at(-1)];
  if (known.length < values.length || minimum === undefined || maximum === undefined) return undefined;
  const middle = known.length / 2;
  const pair = [known[Math.ceil(middle) - 1] ?? minimum, known[Math.floor(middle)] ?? maximum];
  return { median: ((pair[0] ?? 0) + (pair[1] ?? 0)) / 2, minimum, maximum };
}
