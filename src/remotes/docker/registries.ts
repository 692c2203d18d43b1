import { DrayError } from '../../errors.ts';
import type { CredentialSource } from './credentials.ts';
import { type ClientContext, HostState } from './host-state.ts';
import { type Capability, defaultHost, type HostConfig, type HostDefaults } from './hosts.ts';
import type { Repository } from './repository.ts';

/** Where the hosts of a registry are written down; undefined when nothing is written about it. */
export type FindHosts = (registry: string) => Promise<readonly HostConfig[] | undefined>;

/** The hosts that stand for each registry, each with one state for the client's whole life. */
export class Registries {
  readonly #context: ClientContext;
  readonly #defaults: HostDefaults;
  readonly #find: FindHosts;
  readonly #hosts = new Map<string, Promise<readonly HostState[]>>();

  constructor(context: ClientContext, defaults: HostDefaults, find: FindHosts) {
    this.#context = context;
    this.#defaults = defaults;
    this.#find = find;
  }

  /** All hosts of a registry, the registry itself last. */
  hosts(registry: string): Promise<readonly HostState[]> {
    const known = this.#hosts.get(registry);
    if (known !== undefined) return known;
    const found = this.#open(registry);
    this.#hosts.set(registry, found);
    // A file that could not be read may be mended.
    found.catch(() => this.#hosts.delete(registry));
    return found;
  }

  /** The registry itself. */
  async host(registry: string): Promise<HostState> {
    const host = (await this.hosts(registry)).at(-1);
    if (host === undefined) throw new DrayError('internal', `no host for ${registry}`);
    return host;
  }

  /** The registry itself, as somebody else sees it: nothing that is known of it counts. */
  async hostFor(registry: string, credentials: CredentialSource): Promise<HostState> {
    const { config, context } = await this.host(registry);
    return new HostState(config, { ...context, credentials, strictCredentials: true });
  }

  /** A repository with the hosts that serve it. */
  repository(domain: string, path: string): Repository {
    return {
      domain,
      path,
      hosts: async (capability: Capability) =>
        (await this.hosts(domain)).filter(({ config }) => config.capabilities.has(capability)),
    };
  }

  async #open(registry: string): Promise<readonly HostState[]> {
    const configured = await this.#find(registry);
    return (configured ?? [defaultHost(registry, this.#defaults)]).map(
      (config) => new HostState(config, this.#context),
    );
  }
}
