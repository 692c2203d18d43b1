import { DrayError, is } from '../../errors.ts';
import type { HostState } from './host-state.ts';
import type { Capability } from './hosts.ts';

/** One repository of a registry and the hosts that serve it. */
export interface Repository {
  /** The registry as references name it. */
  readonly domain: string;
  readonly path: string;
  /** The hosts that may be used so, best first, the registry itself last. */
  hosts(capability: Capability): Promise<readonly HostState[]>;
}

/** `domain/path`. */
export function nameOf({ domain, path }: Repository): string {
  return `${domain}/${path}`;
}

/**
 * What the first host says that can. The next one is asked whatever goes wrong; in the end the most telling error is thrown
 * (an answer says more than `not-found`, and that more than no answer), with what every host said in its message.
 */
export async function firstOf<T>(
  hosts: readonly HostState[],
  ask: (host: HostState) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const failures: { readonly host: HostState; readonly error: unknown }[] = [];
  for (const host of hosts) {
    try {
      return await ask(host);
    } catch (error) {
      signal?.throwIfAborted();
      failures.push({ host, error });
    }
  }
  const [first] = failures;
  if (first === undefined) throw noHost();
  if (failures.length === 1) throw first.error;
  const worst = failures.reduce((best, next) => (weight(next.error) > weight(best.error) ? next : best));
  throw summary(worst.error, failures);
}

function weight(error: unknown): number {
  if (is(error, 'unavailable') && error.context.status === undefined) return 1;
  return is(error, 'not-found') ? 2 : 3;
}

function summary(worst: unknown, failures: readonly { readonly host: HostState; readonly error: unknown }[]): unknown {
  if (!(worst instanceof DrayError)) return worst;
  const all = failures.map(({ host, error }) => `${host.registry}: ${error instanceof Error ? error.message : error}`);
  return new DrayError(worst.kind, `every host failed: ${all.join('; ')}`, { ...worst.context, cause: worst });
}

function noHost(): DrayError {
  return new DrayError('failed-precondition', 'no host is configured that may do this', {
    reason: 'policy',
    hint: 'look at the capabilities in the hosts directory',
  });
}
