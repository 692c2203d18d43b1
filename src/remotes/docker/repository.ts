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
 * What the first host says that can. The next one is asked whatever goes wrong. In the end the error of the last host counts,
 * which is the registry itself, unless it did not answer: then the most telling one of the others. Its message has what
 * every host said.
 */
export async function firstOf<T>(
  hosts: readonly HostState[],
  ask: (host: HostState) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const failures: { readonly host: HostState; readonly error: unknown }[] = [];
  const awake = hosts.filter((host, index) => !host.pace.isAvoided || index === hosts.length - 1);
  for (const host of awake) {
    try {
      return await ask(host);
    } catch (error) {
      signal?.throwIfAborted();
      if (is(error, 'unavailable') && host !== awake.at(-1)) host.pace.avoid();
      failures.push({ host, error });
    }
  }
  const [first] = failures;
  if (first === undefined) throw noHost();
  if (failures.length === 1) throw first.error;
  const telling = failures.reduceRight((best, next) => (weight(next.error) > weight(best.error) ? next : best));
  const last = failures.at(-1) ?? first;
  throw summary((weight(last.error) > noAnswer ? last : telling).error, failures);
}

const noAnswer = 1;

function weight(error: unknown): number {
  if (is(error, 'unavailable') && error.context.status === undefined) return noAnswer;
  return is(error, 'not-found') ? 2 : 3;
}

function summary(worst: unknown, failures: readonly { readonly host: HostState; readonly error: unknown }[]): unknown {
  if (!(worst instanceof DrayError)) return worst;
  const all = failures.map(({ host, error }) => said(host, error));
  return new DrayError(worst.kind, `every host failed: ${all.join('; ')}`, { ...worst.context, cause: worst });
}

function said({ registry }: HostState, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.includes(registry) ? message : `${registry}: ${message}`;
}

function noHost(): DrayError {
  return new DrayError('failed-precondition', 'no host is configured that may do this', {
    reason: 'policy',
    hint: 'look at the capabilities in the hosts directory',
  });
}
