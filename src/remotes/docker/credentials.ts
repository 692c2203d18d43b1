import { DrayError } from '../../errors.ts';
import { parseRegistry } from '../../spec/reference.ts';
import type { Environment } from './home.ts';
import { Secret, secretOf } from './secret.ts';

/** Who somebody is towards a registry. One of password, identity token and registry token is there. */
export interface Credentials {
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  /** A refresh token of OAuth2, exchanged at the registry's token server. */
  readonly identityToken?: Secret | undefined;
  /** A token that the registry itself takes as it is. */
  readonly registryToken?: Secret | undefined;
  /** Where it came from and for whom, for messages: `config.json (user "ci-bot")`. */
  readonly source: string;
}

/** Finds credentials. Asked once for each registry and repository; what it says is remembered for some minutes. */
export interface CredentialSource {
  /**
   * The credentials for a registry, `docker.io` or `localhost:5000`, and one of its repositories, `library/redis`; undefined
   * when there are none.
   * @throws DrayError when they cannot be read.
   */
  get(registry: string, repository?: string, signal?: AbortSignal): Promise<Credentials | undefined>;
}

/** A user with a password. */
export function passwordCredentials(username: string, password: string, source: string = 'caller'): Credentials {
  return { username, password: new Secret(password), source: sourceWith(source, username) };
}

/** A place that credentials come from, with the user they are of, if that is known. */
export function sourceWith(place: string, username: string | undefined): string {
  return username === undefined ? place : `${place} (user ${JSON.stringify(username)})`;
}

/** A source without any credentials. */
export const noCredentials: CredentialSource = { get: async () => undefined };

/** Credentials by registry, as the caller has them. Names of Docker Hub mean the same. */
export function staticCredentials(byRegistry: Readonly<Record<string, Credentials>>): CredentialSource {
  const known = new Map(Object.entries(byRegistry).map(([registry, found]) => [canonicalRegistry(registry), found]));
  return { get: async (registry) => known.get(canonicalRegistry(registry)) };
}

/** The first of several sources that has credentials. */
export function chainedCredentials(...sources: readonly CredentialSource[]): CredentialSource {
  return {
    async get(registry, repository, signal) {
      for (const source of sources) {
        const found = await source.get(registry, repository, signal);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

/**
 * Credentials from the environment: `DRAY_USERNAME` with `DRAY_PASSWORD`, or `DRAY_IDENTITY_TOKEN`, or
 * `DRAY_REGISTRY_TOKEN`, for the one registry that `DRAY_REGISTRY` names. A variable that is empty is none.
 * @throws DrayError `invalid-argument` from `get` when they are set without a registry, since a password goes to nobody whom it
 * was not meant for, or when a password has no user.
 */
export function environmentCredentials(environment: Environment = process.env): CredentialSource {
  const variable = (name: string): string | undefined => environment[name] || undefined;
  return {
    async get(registry) {
      const username = variable('DRAY_USERNAME');
      const password = secretOf(variable('DRAY_PASSWORD'));
      const identityToken = secretOf(variable('DRAY_IDENTITY_TOKEN'));
      const registryToken = secretOf(variable('DRAY_REGISTRY_TOKEN'));
      if (password === undefined && identityToken === undefined && registryToken === undefined) return undefined;
      const meant = variable('DRAY_REGISTRY');
      if (meant === undefined) throw without('for which registry', 'set DRAY_REGISTRY to the host they are for');
      if (canonicalRegistry(parseRegistry(meant)) !== canonicalRegistry(registry)) return undefined;
      if (password !== undefined && username === undefined) throw without('of whom', 'set DRAY_USERNAME to the user');
      return { username, password, identityToken, registryToken, source: sourceWith('environment', username) };
    },
  };
}

function without(what: string, hint: string): DrayError {
  return new DrayError('invalid-argument', `credentials are in the environment, but not ${what}`, { hint });
}

const hubNames = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

/** One spelling for the names of one registry: those of Docker Hub are `docker.io`, all are in lower case. */
export function canonicalRegistry(registry: string): string {
  const lower = registry.toLowerCase();
  return hubNames.has(lower) ? 'docker.io' : lower;
}

/** What config files and helpers call a registry: Docker Hub has a URL of its own there. */
export function serverName(registry: string): string {
  const canonical = canonicalRegistry(registry);
  return canonical === 'docker.io' ? 'https://index.docker.io/v1/' : canonical;
}
