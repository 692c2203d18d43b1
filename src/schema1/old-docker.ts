import * as z from 'zod/mini';
import { parseDocument } from '../spec/documents.ts';
import { nullAs, transformed } from '../spec/schemas.ts';
import { encodeJson, type Json, sortedByKey } from './json.ts';
import { goTime, noTime } from './time.ts';

/** Whether an image was made by Docker before 1.8.3, by the numbers that its version begins with. */
export function isOldDocker(version: unknown): boolean {
  if (typeof version !== 'string' || version === '') return false;
  const numbers = version.split('.').map((part) => (/^[+-]?\d+$/.test(part) ? Number(part) : 0));
  for (const [index, limit] of [1, 8, 3].entries()) {
    const number = numbers[index] ?? 0;
    if (number !== limit) return number < limit;
  }
  return false;
}

// A key that is always written, with its value where there is none; and one that is left out then.
const always = <T extends z.ZodMiniType>(schema: T, zero: Json) =>
  transformed(z.nullish(schema), (value) => value ?? zero);
const sometimes = <T extends z.ZodMiniType>(schema: T) =>
  transformed(z.nullish(schema), (value) => (isZero(value) ? undefined : value));

const isZero = (value: unknown): boolean =>
  !value || (typeof value === 'object' && (value instanceof Map ? value.size : Object.keys(value).length) === 0);

const sorted = (value: Readonly<Record<string, Json>>): ReadonlyMap<string, Json> => sortedByKey(Object.entries(value));
const texts = z.array(z.string());
const command = z.union([texts, transformed(z.string(), (one) => [one])]);
const labels = transformed(z.record(z.string(), z.string()), sorted);
const key = transformed(z.nullable(z.object({})), () => ({}));
const keys = transformed(z.record(z.string(), key), sorted);

/** The keys that Docker's own program writes, in its order. */
const containerSchema = z.object({
  Hostname: always(z.string(), ''),
  Domainname: always(z.string(), ''),
  User: always(z.string(), ''),
  AttachStdin: always(z.boolean(), false),
  AttachStdout: always(z.boolean(), false),
  AttachStderr: always(z.boolean(), false),
  ExposedPorts: sometimes(keys),
  Tty: always(z.boolean(), false),
  OpenStdin: always(z.boolean(), false),
  StdinOnce: always(z.boolean(), false),
  Env: always(texts, null),
  Cmd: always(command, null),
  ArgsEscaped: sometimes(z.boolean()),
  Image: always(z.string(), ''),
  Volumes: always(keys, null),
  WorkingDir: always(z.string(), ''),
  Entrypoint: always(command, null),
  NetworkDisabled: sometimes(z.boolean()),
  MacAddress: sometimes(z.string()),
  OnBuild: always(texts, null),
  Labels: always(labels, null),
  StopSignal: sometimes(z.string()),
});

const imageSchema = z.object({
  comment: sometimes(z.string()),
  created: transformed(z.nullish(z.string()), (time) => (typeof time === 'string' ? goTime(time) : noTime)),
  container: sometimes(z.string()),
  container_config: nullAs({}, containerSchema),
  docker_version: sometimes(z.string()),
  author: sometimes(z.string()),
  config: transformed(z.nullish(containerSchema), (value) => value ?? undefined),
  architecture: sometimes(z.string()),
  variant: sometimes(z.string()),
  os: sometimes(z.string()),
});

/**
 * The config of an image of Docker before 1.8.3, written anew as later versions do before they compute its id: with the keys
 * that old ones left out, and without those that nobody knows.
 * @throws DrayError `invalid-argument` with reason `bad-document`.
 */
export function encodeOldConfig(text: string): string {
  return encodeJson(parseDocument(imageSchema, Buffer.from(text), 'schema 1 history'));
}
