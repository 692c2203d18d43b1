import { join } from 'node:path';
import type { Client } from '../client/client.ts';
import type { ClientOptions } from '../client/client-options.ts';
import type { PlatformSelection } from '../client/select.ts';
import type { DurabilityLevel } from '../content/local/durable.ts';
import type { Daemon } from '../daemon/client/daemon.ts';
import { DrayError } from '../errors.ts';
import type { Store } from '../metadata/open-store.ts';
import { homeDirectory } from '../remotes/docker/home.ts';
import type { RegistryClient } from '../remotes/docker/registry-client.ts';
import type { Services } from '../services/services.ts';
import { parsePlatform } from '../spec/platform.ts';
import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';
import type { Progress } from './progress/progress.ts';
import { registryNotices } from './registry-notices.ts';

/** In milliseconds, 24 days: a longer timer goes off at once. */
const longestTimer = 2 ** 31 - 1;

/** What a verb works with: its arguments, its output, and what it opens on demand. Everything opened is closed with it. */
export class Context implements AsyncDisposable {
  /** The verb as it was called: `images ls`. */
  readonly name: string;
  readonly arguments: Arguments;
  readonly output: Output;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly signal: AbortSignal;
  readonly #resources = new AsyncDisposableStack();
  #client: Promise<Client> | undefined;

  constructor(
    name: string,
    args: Arguments,
    output: Output,
    environment: Readonly<NodeJS.ProcessEnv>,
    signal: AbortSignal,
  ) {
    this.name = name;
    this.arguments = args;
    this.output = output;
    this.environment = environment;
    const timeout = args.duration('timeout');
    this.signal = timeout === undefined ? signal : AbortSignal.any([signal, this.#deadline(timeout)]);
  }

  #deadline(milliseconds: number): AbortSignal {
    const controller = new AbortController();
    const reason = new DrayError('deadline-exceeded', `not done within ${this.arguments.string('timeout')}`, {
      hint: 'give it more with --timeout',
    });
    const timer = setTimeout(() => controller.abort(reason), Math.min(milliseconds, longestTimer));
    this.#resources.defer(() => clearTimeout(timer));
    return controller.signal;
  }

  /** The client on the store and the registries that the flags name. */
  client(): Promise<Client> {
    this.#client ??= this.#open(true);
    return this.#client;
  }

  /** As {@link client}, for work with places: no store is opened, or made where there is none, unless one of them is in it. */
  async clientFor(...places: readonly string[]): Promise<Client> {
    const { storedName } = await import('../client/places.ts');
    this.#client ??= this.#open(places.some((place) => storedName(place) !== undefined));
    return await this.#client;
  }

  async #open(needsStore: boolean): Promise<Client> {
    const { Client } = await import('../client/client.ts');
    const address = this.arguments.string('containerd');
    const common = { namespace: this.#namespace(address), registry: this.registryOptions };
    const local = { ...common, root: this.root, durability: this.#durability };
    if (address !== undefined)
      return this.#resources.use(await Client.connect({ ...common, address, signal: this.signal }));
    return this.#resources.use(needsStore ? await Client.open(local) : Client.withoutStore(local));
  }

  // What containerd's own tools go by counts for a daemon only.
  #namespace(daemon: string | undefined): string {
    const theirs = daemon === undefined ? undefined : this.environment['CONTAINERD_NAMESPACE'];
    return this.arguments.string('namespace') ?? (theirs || 'default');
  }

  /**
   * The store's services, or the daemon's, for what concerns neither registries nor archives: much less is loaded than for
   * the client.
   */
  async services(): Promise<Services> {
    if (this.arguments.string('containerd') !== undefined) return (await this.client()).services;
    const { openStore } = await import('../metadata/open-store.ts');
    const store = this.#resources.use(await openStore({ root: this.root, durability: this.#durability }));
    return store.services(this.#namespace(undefined));
  }

  /** The client for registries alone, for what asks them and keeps nothing: no store is opened, or made where there is none. */
  async registry(): Promise<RegistryClient> {
    const { RegistryClient } = await import('../remotes/docker/registry-client.ts');
    return this.#resources.use(new RegistryClient(this.registryOptions));
  }

  get #durability(): DurabilityLevel | undefined {
    return this.arguments.string('durability') as DurabilityLevel | undefined;
  }

  /**
   * The daemon that a flag names, for what only a daemon has.
   * @throws DrayError `invalid-argument` when none is named.
   */
  async daemon(): Promise<Daemon> {
    const { daemon } = await this.client();
    if (daemon !== undefined) return daemon;
    throw new DrayError('invalid-argument', `${this.name} works on a containerd daemon only`, {
      hint: 'name its socket: --containerd /run/containerd/containerd.sock',
    });
  }

  /**
   * The store in a directory, for what only such a one has.
   * @throws DrayError `not-implemented` when the command works on something else.
   */
  async store(): Promise<Store> {
    const { store } = await this.client();
    if (store !== undefined) return store;
    throw this.#noDirectory();
  }

  #noDirectory(): DrayError {
    return new DrayError('not-implemented', `${this.name} works on a store in a directory only`, {
      hint: 'leave --containerd away; a daemon looks after its store itself',
    });
  }

  /**
   * Where the store is, for what works on its directory and opens no store.
   * @throws DrayError `not-implemented` when the command works on something else.
   */
  get directory(): string {
    if (this.arguments.string('containerd') !== undefined) throw this.#noDirectory();
    return this.root;
  }

  /** Where the store is. */
  get root(): string {
    const data = this.environment['XDG_DATA_HOME'] ?? '';
    return this.arguments.string('root') ?? join(data === '' ? join(homeDirectory(), '.local', 'share') : data, 'dray');
  }

  get registryOptions(): NonNullable<ClientOptions['registry']> {
    const args = this.arguments;
    return {
      plainHttp: args.flag('plain-http'),
      insecure: args.flag('insecure'),
      offline: args.flag('offline'),
      hostsDirectory: args.string('hosts-dir'),
      authFile: args.string('auth-file'),
      trustedHosts: args.list('trust-host'),
      concurrency: args.integer('concurrency'),
      onEvent: registryNotices(this.output, args.string('progress') === 'json'),
    };
  }

  /** Which platforms the flags name. */
  get platforms(): PlatformSelection {
    const named = this.arguments.list('platform');
    if (this.arguments.flag('all-platforms')) {
      if (named.length > 0)
        throw new DrayError('invalid-argument', '--platform and --all-platforms exclude each other', {
          hint: 'give one of them',
        });
      return 'all';
    }
    // Here, so that a malformed one is told before anything is opened.
    for (const platform of named) parsePlatform(platform);
    return named.length === 0 ? undefined : named;
  }

  /** A view of the progress of one image, as `--progress` says. */
  async progress(verb: string): Promise<Progress> {
    const { openProgress } = await import('./progress/progress.ts');
    const mode = this.arguments.string('progress') ?? (this.output.quiet ? 'none' : 'auto');
    return this.#resources.use(openProgress(verb, mode, this.output));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
