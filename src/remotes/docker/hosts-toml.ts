import { parse, TomlError } from 'smol-toml';
import * as z from 'zod/mini';
import { DrayError } from '../../errors.ts';
import { inEnglish, transformed } from '../../spec/schemas.ts';
import type { Capability } from './hosts.ts';

/** The `hosts.toml` of containerd's hosts directory. */

/** What is written about one host. Paths are as they are written. */
export interface HostEntry {
  /** `https://mirror.example.com/v2`; absent for what is written about the registry itself. */
  readonly url?: string | undefined;
  readonly capabilities?: readonly Capability[] | undefined;
  readonly authorities: readonly string[];
  /** Files with a certificate and, when it is not in the same file, its key. */
  readonly clientCertificates: readonly { readonly certificate: string; readonly key?: string | undefined }[];
  readonly skipVerify?: boolean | undefined;
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly overridePath: boolean;
  /** Milliseconds. */
  readonly dialTimeout?: number | undefined;
}

/** The hosts in the order of the file, and what is written about the registry itself. */
export interface HostsFile {
  readonly hosts: readonly HostEntry[];
  readonly server: HostEntry;
}

const texts = transformed(z.union([z.string(), z.array(z.string())]), (value) => [value].flat());
const pair = z.array(z.string()).check(z.minLength(1), z.maxLength(2));
const certificates = transformed(z.union([z.string(), z.array(z.union([z.string(), pair]))]), (value) =>
  [value]
    .flat()
    .map((entry) => [entry].flat())
    .map(([certificate = '', key]) => ({ certificate, key: key === '' ? undefined : key })),
);
const headers = transformed(
  z
    .record(
      z.string(),
      transformed(texts, (values) => values.join(', ')),
    )
    .check(z.refine((value) => Object.entries(value).every(isHeader), 'a header of it is none, or frames the request')),
  // In one spelling, as those of requests are: one of the same name takes its place instead of being sent beside it.
  (value) => Object.fromEntries(Object.entries(value).map(([name, text]) => [name.toLowerCase(), text])),
);
const capability = z.pipe(z.string().check(z.toLowerCase()), z.enum(['pull', 'resolve', 'push', 'referrers']));

const entrySchema = z.looseObject({
  capabilities: z.optional(z.array(capability)),
  ca: z.optional(texts),
  client: z.optional(certificates),
  skip_verify: z.optional(z.boolean()),
  header: z.optional(headers),
  override_path: z.optional(z.boolean()),
  dial_timeout: z.optional(transformed(z.string(), parseDuration)),
});
const name = z.string().check(z.minLength(1));
const fileSchema = z.extend(entrySchema, {
  server: z.optional(name),
  host: z.optional(z.record(name, entrySchema)),
});

/**
 * Reads a `hosts.toml`.
 * @throws DrayError `invalid-argument` with the path and what is wrong: a mirror that is lost in silence is worse.
 */
export function parseHostsToml(text: string, path: string): HostsFile {
  const parsed = fileSchema.safeParse(parseToml(text, path), inEnglish);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw malformed(path, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it has the wrong shape'}`);
  }
  const { server, host = {}, ...root } = parsed.data;
  // Such keys lose their place among the others, and their place is what mirrors are tried by.
  const numeric = Object.keys(host).find((key) => /^\d+$/.test(key));
  if (numeric !== undefined) throw malformed(path, `host.${numeric} is no host`);
  return {
    server: entryOf(root, server),
    hosts: Object.entries(host).map(([url, entry]) => entryOf(entry, url)),
  };
}

function entryOf(entry: z.infer<typeof entrySchema>, url: string | undefined): HostEntry {
  return {
    url,
    // Containerd takes an empty list for none.
    capabilities: entry.capabilities?.length === 0 ? undefined : entry.capabilities,
    authorities: entry.ca ?? [],
    clientCertificates: entry.client ?? [],
    skipVerify: entry.skip_verify,
    headers: entry.header ?? {},
    overridePath: entry.override_path ?? false,
    dialTimeout: entry.dial_timeout,
  };
}

function parseToml(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of its message shows lines of the file, which may hold a secret header.
    throw malformed(path, `line ${error.line}: ${error.message.split('\n')[0]}`);
  }
}

function malformed(path: string, problem: string): DrayError {
  return new DrayError('invalid-argument', `${path} is no hosts file: ${problem}`, {
    path,
    hint: 'it has the format of containerd’s hosts.toml',
  });
}

const framing = /^(connection|content-length|expect|keep-alive|te|trailer|transfer-encoding|upgrade)$/i;

function isHeader([name, value]: [string, string]): boolean {
  const isText = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
  return isText && !framing.test(name);
}

const unitsOfDuration: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

// A duration as Go writes it: `1m30s`.
function parseDuration(text: string, { issues }: z.core.ParsePayload): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    issues.push({ code: 'custom', message: `${JSON.stringify(text)} is no duration`, input: text });
    return z.NEVER;
  }
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  return [...parts].reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (unitsOfDuration[unit] ?? 0), 0);
}
