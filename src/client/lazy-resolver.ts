import type { Fetcher, Pusher } from '../content/copy.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import type { RegistryClient, RegistryClientOptions } from '../remotes/docker/registry-client.ts';
import type { PusherOptions, Resolved, Resolver } from '../remotes/remote.ts';

/** The registry client, loaded when it is first used: commands that never leave the store should not wait for it. */
export class LazyResolver implements Resolver {
  readonly #options: RegistryClientOptions;
  readonly #resources: AsyncDisposableStack;
  #client: Promise<RegistryClient> | undefined;

  /** The client is closed with `resources`. */
  constructor(options: RegistryClientOptions, resources: AsyncDisposableStack) {
    this.#options = options;
    this.#resources = resources;
  }

  client(): Promise<RegistryClient> {
    this.#client ??= this.#load();
    return this.#client;
  }

  async #load(): Promise<RegistryClient> {
    const { RegistryClient } = await import('../remotes/docker/registry-client.ts');
    if (this.#resources.disposed) throw new DrayError('failed-precondition', 'the client is closed');
    return this.#resources.use(new RegistryClient(this.#options));
  }

  async resolve(reference: string, options?: AbortableOptions): Promise<Resolved> {
    return (await this.client()).resolve(reference, options);
  }

  async fetcher(reference: string, options?: AbortableOptions): Promise<Fetcher> {
    return (await this.client()).fetcher(reference, options);
  }

  async pusher(reference: string, options?: PusherOptions): Promise<Pusher> {
    return (await this.client()).pusher(reference, options);
  }
}
