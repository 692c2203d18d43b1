import * as z from 'zod/mini';
import { DrayError, type ErrorContext } from '../../errors.ts';
import { tryJson } from '../../spec/schemas.ts';
import { errorFrom } from './answer-errors.ts';
import type { Credentials } from './credentials.ts';
import { Secret, secretOf } from './secret.ts';
import type { WireResponse } from './transport.ts';

/** Sends a request to a token server as it stands: no credentials but those in it, no redirect elsewhere. Reads the answer. */
export type SendToRealm = <T>(request: RealmRequest, read: (response: WireResponse) => Promise<T>) => Promise<T>;

export interface RealmRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

/** What a registry's Bearer challenge says about its token server. */
export interface Realm {
  readonly url: URL;
  readonly service?: string | undefined;
}

/** What a token server gave. */
export interface Grant {
  readonly token: Secret;
  /** How long it may be used, in milliseconds. */
  readonly lifetime: number;
  readonly refreshToken?: Secret | undefined;
  /** What it was given for. */
  readonly credentials: Credentials | undefined;
}

const responseLimit = 1024 * 1024;
const clientId = 'dray';

/** No token lives shorter, by contract of the token specification; in seconds. */
const shortestLifetime = 60;

const grantSchema = z.object({
  token: z.nullish(z.string()),
  access_token: z.nullish(z.string()),
  refresh_token: z.nullish(z.string()),
  expires_in: z.catch(z.nullish(z.number()), undefined),
});

/**
 * Gets a token (distribution's token and oauth2 specifications): an identity token is exchanged by POST, a password by GET
 * with Basic and, where that is refused, by POST. Before these `refreshToken` is tried, which an earlier exchange gave. Without
 * credentials it asks for an anonymous token.
 * @throws DrayError `unauthenticated`, `permission-denied`, `unavailable` and what else the token server answers.
 */
export async function exchangeToken(
  send: SendToRealm,
  realm: Realm,
  scopes: readonly string[],
  credentials?: Credentials,
  refreshToken?: Secret,
): Promise<Grant> {
  const ways = waysFor(realm, scopes, credentials, refreshToken);
  for (const [index, request] of ways.entries()) {
    const answer = await send<Grant | DrayError>(request, (response) =>
      response.status >= 200 && response.status < 300
        ? readGrant(response, realm, credentials)
        : errorFrom(response, contextOf(request, credentials)),
    );
    if (!(answer instanceof DrayError)) return answer;
    const refusedForm = [400, 401, 403, 404, 405, 501].includes(answer.context.status ?? 0);
    if (!refusedForm || index === ways.length - 1) throw answer;
  }
  throw new DrayError('internal', 'no way to get a token');
}

function waysFor(
  realm: Realm,
  scopes: readonly string[],
  { username, password, identityToken }: Partial<Credentials> = {},
  refreshToken?: Secret,
): RealmRequest[] {
  const ways: RealmRequest[] = [];
  for (const token of [refreshToken, identityToken]) {
    if (token === undefined) continue;
    ways.push(byPost(realm, scopes, { grant_type: 'refresh_token', refresh_token: token.reveal() }));
  }
  if (username !== undefined && password !== undefined) {
    ways.push(byGet(realm, scopes, username, password));
    ways.push(byPost(realm, scopes, { grant_type: 'password', username, password: password.reveal() }));
  }
  return ways.length === 0 ? [byGet(realm, scopes)] : ways;
}

function byGet(realm: Realm, scopes: readonly string[], username?: string, password?: Secret): RealmRequest {
  const url = new URL(realm.url);
  if (realm.service !== undefined) url.searchParams.set('service', realm.service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (username === undefined || password === undefined) return { method: 'GET', url, headers: {} };
  url.searchParams.set('account', username);
  return { method: 'GET', url, headers: { authorization: basicHeader(username, password) } };
}

function byPost(realm: Realm, scopes: readonly string[], grant: Readonly<Record<string, string>>): RealmRequest {
  const form = new URLSearchParams({
    ...grant,
    client_id: clientId,
    ...(realm.service === undefined ? {} : { service: realm.service }),
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
  });
  return {
    method: 'POST',
    url: realm.url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(form.toString()),
  };
}

/** The `Authorization` header of a user with a password (RFC 7617). */
export function basicHeader(username: string, password: Secret): string {
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}

async function readGrant(response: WireResponse, realm: Realm, credentials: Credentials | undefined): Promise<Grant> {
  const body = await response.body.bytes(responseLimit);
  const parsed = grantSchema.safeParse(tryJson(body.toString()));
  const token = parsed.data?.access_token || parsed.data?.token;
  if (!parsed.success || !token || !/^[\x21-\x7e]+$/.test(token)) {
    throw new DrayError('unavailable', `the token server ${realm.url.host} answered without a token`, {
      registry: realm.url.host,
      hint: 'the registry names a token server that is none; its operator has to look at it',
    });
  }
  const { refresh_token: refreshToken, expires_in: seconds } = parsed.data;
  return {
    token: new Secret(token),
    lifetime: Math.max(shortestLifetime, seconds ?? shortestLifetime) * 1000,
    refreshToken: secretOf(refreshToken),
    credentials,
  };
}

function contextOf(request: RealmRequest, credentials: Credentials | undefined): ErrorContext {
  return {
    operation: 'get a token',
    registry: request.url.host,
    request: `${request.method} ${request.url.pathname}`,
    credentials: credentials?.source ?? 'none',
  };
}
