import { Authorizer } from './authorizer.ts';
import { receive } from './exchange.ts';
import type { HostState } from './host-state.ts';

/** The authorizer of a host, which asks the token server that the host names with requests of its own. */
export function authorizerOf(host: HostState): Authorizer {
  const { config, context } = host;
  return new Authorizer({
    registry: config.registry,
    source: context.credentials,
    strict: context.strictCredentials,
    closed: context.transport.closed,
    realmUrl: (realm, base) => host.guard(realm, base, 'token realm'),
    send: async (request, read) => {
      const realm = await host.at(request.url);
      // It never waits for a place: those who have all the places may be waiting for the token.
      const alone = { scopes: [], expect: 'any', credentials: 'none', withinOrigin: true, bulk: true } as const;
      return receive(realm, { ...request, ...alone }, read);
    },
    tell: (text) => host.tell(text),
  });
}
