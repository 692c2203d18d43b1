import type { Credentials } from './credentials.ts';
import { exchange } from './exchange.ts';
import type { HostState } from './host-state.ts';
import { basicHeader } from './token-exchange.ts';

/** Asks a registry whether it is one and lets us in. @throws DrayError what it answers. */
export async function ping(host: HostState, signal?: AbortSignal): Promise<void> {
  await ask(host, {}, signal);
}

/**
 * Tries credentials out at a host that knows no others. True when they were accepted, false when nobody asked for them.
 * @throws DrayError when they were refused.
 */
export async function verifyLogin(host: HostState, credentials: Credentials, signal?: AbortSignal): Promise<boolean> {
  await ask(host, {}, signal);
  if (host.authorizer.isChallenged || credentials.registryToken !== undefined) return true;
  // A registry that lets everybody in may still look at what it is shown.
  const { username, password } = credentials;
  if (username === undefined || password === undefined) return false;
  await ask(host, { authorization: basicHeader(username, password) }, signal);
  return false;
}

async function ask(
  host: HostState,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const response = await exchange(host, {
    method: 'GET',
    url: host.url(''),
    headers,
    scopes: [],
    expect: [200],
    operation: `ping ${host.registry}`,
    signal,
  });
  await response.body.discard();
}
