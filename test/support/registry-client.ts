import type { OpenBlob, Pusher } from '../../src/content/copy.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import type { RegistryEvent } from '../../src/remotes/docker/events.ts';
import { RegistryClient, type RegistryClientOptions } from '../../src/remotes/docker/registry-client.ts';
import type { RandomImage } from '../../src/testing/random.ts';

/** A source of a push: the same bytes from any offset, as often as it takes. */
export function openerOf(bytes: Uint8Array): OpenBlob {
  return async function* (offset = 0) {
    for (let at = offset; at < bytes.byteLength; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024);
  };
}

export { joined as bytesOf } from '../../src/testing/content-store/blobs.ts';

/** Pushes every object of an image, in order; returns what became of each. */
export async function pushAll(pusher: Pusher, image: RandomImage): Promise<string[]> {
  const outcomes: string[] = [];
  for (const { descriptor, bytes } of image.blobs) outcomes.push(await pusher.push(descriptor, openerOf(bytes)));
  return outcomes;
}

/** A client without credentials that does not wait long between attempts. */
export function quickClient(options: RegistryClientOptions = {}): RegistryClient {
  return new RegistryClient({
    credentials: noCredentials,
    certificateDirectories: [],
    retry: { pause: 1, longestPause: 4 },
    ...options,
  });
}

/** Method and status of the requests among some events: `GET 200`. */
export function requestsOf(events: readonly RegistryEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === 'request' ? [`${event.request.split(' ')[0]} ${event.status ?? 'failed'}`] : [],
  );
}
