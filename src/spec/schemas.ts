import { en } from 'zod/locales';
import * as z from 'zod/mini';

/** What schemas of documents from outside have in common. */

/**
 * Given along with a value to parse, it has zod say in English what is wrong. A setting of zod would do as well, but holds for
 * all of the process.
 */
export const inEnglish: z.core.ParseContext<z.core.$ZodIssue> = { error: en().localeError };

/** The value of a text in JSON; undefined for one that is none, which no schema that asks for something takes. */
export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A schema and what becomes of a value that it has read. */
export type Transformed<T extends z.ZodMiniType, Output> = z.ZodMiniPipe<T, z.ZodMiniTransform<Output, z.output<T>>>;

/** Reads a value by a schema and makes something of it; it may add issues to the payload. */
export function transformed<T extends z.ZodMiniType, Output>(
  schema: T,
  transform: (value: z.output<T>, payload: z.core.ParsePayload) => Output,
): Transformed<T, Awaited<Output>> {
  return z.pipe(schema, z.transform(transform));
}

/** A schema that is handed something else in place of null and of what is absent. */
export type NullAs<T extends z.ZodMiniType> = z.ZodMiniPipe<z.ZodMiniTransform<unknown, unknown>, T>;

/** Reads null, and what is absent, as `zero`: Go programs write an empty list or map as null. */
export function nullAs<T extends z.ZodMiniType>(zero: unknown, schema: T): NullAs<T> {
  return z.pipe(
    z.transform((value: unknown): unknown => value ?? zero),
    schema,
  );
}

/** Reads null as absent. */
export function nullable<T extends z.ZodMiniType>(schema: T): NullAs<z.ZodMiniOptional<T>> {
  return nullAs(undefined, z.optional(schema));
}

/**
 * An object in which these keys count, whatever else it has. Readers in Go take a key in any case, so one that differs from
 * these in nothing but case is refused.
 */
export function objectOf<T extends z.core.$ZodLooseShape>(shape: T): z.ZodMiniObject<T, z.core.$loose> {
  const known = new Map(Object.keys(shape).map((key) => [foldedKey(key), key]));
  return z.looseObject(shape).check((payload) => {
    const input = payload.value;
    const other = Object.keys(input).find((key) => (known.get(foldedKey(key)) ?? key) !== key);
    if (other === undefined) return;
    const message = `some readers take its ${JSON.stringify(other)} for another key`;
    payload.issues.push({ code: 'custom', input, message });
  });
}

/**
 * Such an object whose keys count in any case, for what readers in Go alone have made the rules of. Two keys that differ in
 * nothing else are refused.
 */
export function objectInAnyCase<T extends z.core.$ZodLooseShape>(
  shape: T,
): z.ZodMiniPipe<z.ZodMiniTransform<unknown, unknown>, z.ZodMiniObject<T, z.core.$loose>> {
  const known = new Map(Object.keys(shape).map((key) => [foldedKey(key), key]));
  return z.pipe(
    z.transform((value: unknown) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      const taken = new Set(Object.keys(value));
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => {
          const name = known.get(foldedKey(key));
          if (name === undefined || taken.has(name)) return [key, item];
          taken.add(name);
          return [name, item];
        }),
      );
    }),
    objectOf(shape),
  );
}

/** A key as readers compare it that pass over case; for Go the long s is one, and the sign of Kelvin a k. */
export function foldedKey(key: string): string {
  return key.replaceAll('\u017f', 's').toLowerCase();
}
