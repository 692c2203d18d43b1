import * as z from 'zod/mini';
import type { Digest } from '../spec/digest.ts';
import { parseDocument } from '../spec/documents.ts';
import { type Json, sortedByKey } from './json.ts';
import { goTime } from './time.ts';

/** What an image config says of one step that made the image (image-spec config.md). */
export interface HistoryItem {
  readonly created: string;
  readonly createdBy?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  readonly isEmpty: boolean;
}

/** What a conversion adds to a config. */
export interface ConfigParts {
  /** Of what the manifest says, for configs that do not say it. */
  readonly architecture: string;
  readonly diffIds: readonly Digest[];
  /** Oldest first. */
  readonly history: readonly HistoryItem[];
}

const text = z.nullish(z.string());
const texts = z.nullish(z.array(z.string()));
const set = z.nullish(z.record(z.string(), z.nullable(z.looseObject({}))));

const configSchema = z.object({
  created: text,
  author: text,
  architecture: text,
  os: text,
  'os.version': text,
  'os.features': texts,
  variant: text,
  config: z.nullish(
    z.object({
      User: text,
      ExposedPorts: set,
      Env: texts,
      Entrypoint: texts,
      Cmd: texts,
      Volumes: set,
      WorkingDir: text,
      Labels: z.nullish(z.record(z.string(), z.string())),
      StopSignal: text,
      ArgsEscaped: z.nullish(z.boolean()),
    }),
  ),
});

/**
 * The image config of the OCI for the newest layer's JSON: the keys that the image specification knows, in the order of its own
 * program, and no others.
 * @throws DrayError `invalid-argument` with reason `bad-document` when a key has another type than the specification says.
 */
export function ociConfig(top: string, { architecture, diffIds, history }: ConfigParts): Json {
  const found = parseDocument(configSchema, Buffer.from(top), 'schema 1 history');
  const { config } = found;
  return {
    created: typeof found.created === 'string' ? goTime(found.created) : undefined,
    author: unlessEmpty(found.author),
    architecture: found.architecture || architecture,
    os: found.os || defaultOs,
    'os.version': unlessEmpty(found['os.version']),
    'os.features': unlessEmpty(found['os.features']),
    variant: unlessEmpty(found.variant),
    config: {
      User: unlessEmpty(config?.User),
      ExposedPorts: keysOf(config?.ExposedPorts),
      Env: unlessEmpty(config?.Env),
      Entrypoint: unlessEmpty(config?.Entrypoint),
      Cmd: unlessEmpty(config?.Cmd),
      Volumes: keysOf(config?.Volumes),
      WorkingDir: unlessEmpty(config?.WorkingDir),
      Labels: mapOf(config?.Labels),
      StopSignal: unlessEmpty(config?.StopSignal),
      ArgsEscaped: config?.ArgsEscaped || undefined,
    },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: history.map(({ created, createdBy, author, comment, isEmpty }) => ({
      created,
      created_by: unlessEmpty(createdBy),
      author: unlessEmpty(author),
      comment: unlessEmpty(comment),
      empty_layer: isEmpty || undefined,
    })),
  };
}

/** Every image that says nothing of a system is one for Linux: there was no other. */
export const defaultOs = 'linux';

/** A text or list as Go writes one that may be left out. */
export function unlessEmpty<T extends { readonly length: number }>(value: T | null | undefined): T | undefined {
  return value === null || value === undefined || value.length === 0 ? undefined : value;
}

function mapOf<T extends Json>(value: Readonly<Record<string, T>> | null | undefined): Json | undefined {
  const entries = Object.entries(value ?? {});
  return entries.length === 0 ? undefined : sortedByKey(entries);
}

function keysOf(value: Readonly<Record<string, unknown>> | null | undefined): Json | undefined {
  return mapOf(Object.fromEntries(Object.keys(value ?? {}).map((key) => [key, {}])));
}
