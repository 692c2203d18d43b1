import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { rewrite } from '../../content/local/rewrite.ts';
import { DrayError, withContext } from '../../errors.ts';
import { parseRegistry } from '../../spec/reference.ts';
import { nullable, tryJson } from '../../spec/schemas.ts';
import { askHelper, eraseFromHelper, storeInHelper } from './credential-helper.ts';
import { type CredentialSource, type Credentials, canonicalRegistry, serverName, sourceWith } from './credentials.ts';
import { type Environment, homeDirectory } from './home.ts';
import { secretOf } from './secret.ts';
import { unlessAbsent } from './unless-absent.ts';

/**
 * Config files with credentials: docker's `config.json` and podman's `auth.json`, which have one format. A key of `auths` is
 * a host, a host with a path for the repositories below it, or a URL as docker once wrote them.
 */

/** Where the sources of this module look. */
export interface AuthFileOptions {
  /** The file, in place of the usual ones. One to read from has to be there, and `not-found` is thrown when it is not. */
  readonly file?: string | undefined;
  readonly environment?: Environment | undefined;
}

const text = nullable(z.string());
const entrySchema = z.looseObject({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
});
const fileSchema = z.looseObject({
  auths: nullable(z.record(z.string(), entrySchema)),
  credsStore: text,
  credHelpers: nullable(z.record(z.string(), z.string())),
});

type Entry = z.infer<typeof entrySchema>;
type AuthFile = z.infer<typeof fileSchema>;

/** The path of docker's config file: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigPath(environment: Environment = process.env): string {
  return join(environment['DOCKER_CONFIG'] || join(homeDirectory(), '.docker'), 'config.json');
}

/** The paths of podman's files, in the order in which they are searched. */
export function containersAuthPaths(environment: Environment = process.env): readonly string[] {
  const configured = environment['REGISTRY_AUTH_FILE'];
  if (configured !== undefined && configured !== '') return [configured];
  const config = environment['XDG_CONFIG_HOME'] || join(homeDirectory(), '.config');
  const runtime =
    environment['XDG_RUNTIME_DIR'] || (process.getuid ? `/run/containers/${process.getuid()}` : undefined);
  return [runtime, config].flatMap((base) => (base === undefined ? [] : [join(base, 'containers', 'auth.json')]));
}

/** Credentials of docker's config file, its helpers included, and of `DOCKER_AUTH_CONFIG`, which comes first. */
export function dockerConfigCredentials({ file, environment = process.env }: AuthFileOptions = {}): CredentialSource {
  if (file !== undefined) return namedFileCredentials(file);
  return {
    async get(registry, repository, signal) {
      const inline = inlineConfig(environment['DOCKER_AUTH_CONFIG']);
      const found = inline && (await lookUp(inline, 'DOCKER_AUTH_CONFIG', registry, repository, signal));
      if (found !== undefined) return found;
      const path = dockerConfigPath(environment);
      const config = await read(path);
      return config && (await lookUp(config, path, registry, repository, signal));
    },
  };
}

/** Credentials of podman's, buildah's and skopeo's auth files. */
export function containersAuthCredentials({ file, environment = process.env }: AuthFileOptions = {}): CredentialSource {
  if (file !== undefined) return namedFileCredentials(file);
  return {
    async get(registry, repository, signal) {
      for (const path of containersAuthPaths(environment)) {
        const config = await read(path);
        const found = config && (await lookUp(config, path, registry, repository, signal));
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

function namedFileCredentials(path: string): CredentialSource {
  let piped: Promise<AuthFile | undefined> | undefined;
  return {
    async get(registry, repository, signal) {
      // What comes through a pipe comes once.
      if (piped === undefined && (await isPipe(path))) piped ??= readNamed(path);
      const config = await (piped ?? readNamed(path));
      return config && (await lookUp(config, path, registry, repository, signal));
    },
  };
}

async function isPipe(path: string): Promise<boolean> {
  const found = await unlessAbsent(path, 'read credentials', () => stat(path));
  return found?.isFIFO() === true || found?.isSocket() === true;
}

/**
 * Writes credentials to a config file, or to the helper that the file names for the registry. The rest of the file stays as
 * it is, what others store at the same time too; a new one is readable by its owner alone.
 * @throws DrayError `invalid-argument` when the name of the registry or the file is malformed; `permission-denied`,
 * `failed-precondition`.
 */
export async function storeCredentials(
  registry: string,
  credentials: Credentials,
  { file, environment = process.env }: AuthFileOptions = {},
): Promise<void> {
  parseRegistry(registry);
  const path = file ?? dockerConfigPath(environment);
  const server = serverName(registry);
  const helper = helperFor((await read(path)) ?? {}, registry);
  if (helper !== undefined) await storeInHelper(helper, server, credentials);
  const entry = helper === undefined ? entryOf(credentials) : {};
  await change(path, (auths) => ({ ...auths, [server]: entry }));
}

/**
 * Removes the credentials of a registry from a config file and its helper; whether there were some.
 * @throws DrayError as {@link storeCredentials} does.
 */
export async function eraseCredentials(
  registry: string,
  { file, environment = process.env }: AuthFileOptions = {},
): Promise<boolean> {
  parseRegistry(registry);
  const path = file ?? dockerConfigPath(environment);
  const config = await read(path);
  if (config === undefined) return false;
  const helper = helperFor(config, registry);
  const helped = helper !== undefined && (await eraseFromHelper(helper, serverName(registry)));
  if (!Object.keys(config.auths ?? {}).some(isOf(registry))) return helped;
  await change(path, (auths) => Object.fromEntries(Object.entries(auths).filter(([key]) => !isOf(registry)(key))));
  return true;
}

async function lookUp(
  config: AuthFile,
  place: string,
  registry: string,
  repository: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Credentials | undefined> {
  const specific = repository === undefined ? undefined : entryForPath(config, registry, repository);
  const helper = specific === undefined ? helperFor(config, registry) : undefined;
  const helped = helper && (await askHelper(helper, serverName(registry), signal));
  if (helped) return helped;
  const entry = specific ?? entryForHost(config, registry);
  return entry && credentialsOf(entry, place);
}

function entryForPath(config: AuthFile, registry: string, repository: string): Entry | undefined {
  const parts = repository.split('/');
  for (let length = parts.length; length > 0; length -= 1) {
    const entry = config.auths?.[`${registry}/${parts.slice(0, length).join('/')}`];
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function entryForHost(config: AuthFile, registry: string): Entry | undefined {
  const { auths = {} } = config;
  if (Object.hasOwn(auths, registry)) return auths[registry];
  return Object.entries(auths).find(([key]) => isOf(registry)(key))?.[1];
}

function helperFor(config: AuthFile, registry: string): string | undefined {
  const { credHelpers = {}, credsStore } = config;
  const own = Object.entries(credHelpers).find(([key]) => isOf(registry)(key));
  const helper = own?.[1] ?? credsStore;
  return helper === '' ? undefined : helper;
}

function isOf(registry: string): (key: string) => boolean {
  return (key) => registryOfKey(key) === canonicalRegistry(registry);
}

// The registry that a key stands for; undefined for one that stands for some repositories only.
function registryOfKey(key: string): string | undefined {
  const bare = key.replace(/^https?:\/\//i, '');
  const isUrl = bare !== key;
  const slash = bare.indexOf('/');
  if (slash === -1) return canonicalRegistry(bare);
  return isUrl || /^\/v[12]\/?$/.test(bare.slice(slash)) ? canonicalRegistry(bare.slice(0, slash)) : undefined;
}

function credentialsOf(entry: Entry, place: string): Credentials | undefined {
  const decoded = entry.auth === undefined ? '' : Buffer.from(entry.auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  const username = (colon === -1 ? entry.username : decoded.slice(0, colon)) || undefined;
  const password = colon === -1 ? entry.password : decoded.slice(colon + 1).replace(/\0+$/, '');
  const found = {
    username,
    password: secretOf(password),
    identityToken: secretOf(entry.identitytoken),
    registryToken: secretOf(entry.registrytoken),
    source: sourceWith(place, username),
  };
  const usable = found.password !== undefined && found.username !== undefined;
  return usable || found.identityToken !== undefined || found.registryToken !== undefined ? found : undefined;
}

function entryOf({ username = '', password, identityToken, registryToken }: Credentials): Entry {
  const auth = Buffer.from(`${username}:${password?.reveal() ?? ''}`).toString('base64');
  return {
    auth,
    ...(identityToken === undefined ? {} : { identitytoken: identityToken.reveal() }),
    ...(registryToken === undefined ? {} : { registrytoken: registryToken.reveal() }),
  };
}

// Docker ignores what it cannot read here, so that a broken variable does not keep anybody from the file.
function inlineConfig(json: string | undefined): AuthFile | undefined {
  return fileSchema.safeParse(tryJson(json ?? '')).data;
}

async function read(path: string): Promise<AuthFile | undefined> {
  const json = await readText(path);
  return json === undefined ? undefined : parseFile(json, path);
}

// Without it, what somebody has a password for would be asked for by nobody in particular.
async function readNamed(path: string): Promise<AuthFile | undefined> {
  const json = await readText(path);
  if (json !== undefined) return parseFile(json, path);
  throw new DrayError('not-found', `there is no config file with credentials at ${path}`, {
    path,
    hint: 'name another one, or make it with dray login',
  });
}

function parseFile(json: string, path: string): AuthFile | undefined {
  if (json.trim() === '') return undefined;
  const { data } = fileSchema.safeParse(tryJson(json));
  if (data !== undefined) return data;
  // The parser's own message could quote a secret.
  throw new DrayError('invalid-argument', `${path} is not a config file with credentials`, {
    path,
    hint: 'it has to be JSON with "auths", "credsStore" or "credHelpers"',
  });
}

function readText(path: string): Promise<string | undefined> {
  return unlessAbsent(path, 'read credentials', () => readFile(path, 'utf8'));
}

async function change(path: string, auths: (old: NonNullable<AuthFile['auths']>) => AuthFile['auths']): Promise<void> {
  try {
    await rewrite(path, async () => {
      const config = (await read(path)) ?? {};
      return `${JSON.stringify({ ...config, auths: auths(config.auths ?? {}) }, undefined, '\t')}\n`;
    });
  } catch (error) {
    throw withContext(error, { path, operation: 'store credentials' });
  }
}
