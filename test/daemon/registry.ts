import { Client } from '../../src/client/client.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import type { RegistryClientOptions } from '../../src/remotes/docker/registry-client.ts';
import { startTestRegistry } from '../../src/testing/embedded-registry.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import type { RandomImage } from '../../src/testing/random.ts';
import { importImage } from '../registry/support.ts';

/** What a client of a test needs to know of registries: nothing of the machine's own settings. */
export const registryOptions: RegistryClientOptions = { credentials: noCredentials, certificateDirectories: [] };

/** A registry on the loopback with images in it. */
export interface FilledRegistry extends AsyncDisposable {
  readonly host: string;
}

/** Starts a registry that has each image under its name, `repository:tag`. */
export async function filledRegistry(images: Readonly<Record<string, RandomImage>>): Promise<FilledRegistry> {
  await using undo = new AsyncDisposableStack();
  const registry = undo.use(await startTestRegistry());
  const host = new URL(registry.url).host;
  const services = memoryServices();
  await using client = Client.over(services, { registry: registryOptions });
  for (const [name, image] of Object.entries(images)) {
    await importImage(services, name, image);
    await client.push(name, { target: `${host}/${name}` });
  }
  const parts = undo.move();
  return { host, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
