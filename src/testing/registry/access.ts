import type { IncomingHttpHeaders } from 'node:http';

/** How a scripted registry lets people in. */
export interface Access {
  /** `basic`: a password with every request; `bearer`: a token of the token server, which is the registry itself. */
  readonly kind: 'basic' | 'bearer';
  /** Passwords by name. */
  readonly users?: Readonly<Record<string, string>> | undefined;
  /** Identity tokens by name. */
  readonly identityTokens?: Readonly<Record<string, string>> | undefined;
  /** Repositories that everybody may read. */
  readonly publicRepositories?: readonly string[] | undefined;
  /** The challenge, in place of the right one; `{realm}` and `{scope}` are filled in. Several lines are several headers. */
  readonly challenge?: readonly string[] | undefined;
  /** The realm, in place of the registry's own `/token`. */
  readonly realm?: string | undefined;
  /** How long tokens say that they live, in seconds; 0: they do not say. */
  readonly expiresIn?: number | string | undefined;
  /** How often a token is taken before it has expired. */
  readonly uses?: number | undefined;
  /** The name of the field with the token. */
  readonly field?: 'token' | 'access_token' | undefined;
  /** A refresh token that comes with each token. It is taken as those of `identityTokens` are. */
  readonly refreshToken?: string | undefined;
  /** POST to the token server answers this status. */
  readonly post?: number | undefined;
  /** GET of the token server with a password answers this status. */
  readonly get?: number | undefined;
  /** A token request that names a scope of one of these repositories fails as a whole. */
  readonly refusedScopes?: readonly string[] | undefined;
  /** Tokens are for the first scope that was asked for. */
  readonly firstScopeOnly?: boolean | undefined;
  /** The first token is for none of the scopes. */
  readonly forgetsScopes?: boolean | undefined;
}

interface IssuedToken {
  readonly scopes: readonly string[];
  uses: number;
}

/** A token request as it arrived. */
export interface TokenRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Checks requests and gives tokens. */
export class Gatekeeper {
  readonly #access: Access;
  readonly #realm: string;
  readonly #tokens = new Map<string, IssuedToken>();
  #issued = 0;

  constructor(access: Access, realm: string) {
    this.#access = access;
    this.#realm = access.realm ?? realm;
  }

  /** Every token that was given out. */
  get tokens(): readonly string[] {
    return [...this.#tokens.keys()];
  }

  /** The challenge that answers a request; undefined for one that may do what it wants. */
  check(headers: IncomingHttpHeaders, wanted: readonly string[]): readonly string[] | undefined {
    const isPublic = wanted.length > 0 && wanted.every((scope) => this.#isPublic(scope));
    if (this.#access.kind === 'basic') {
      return this.#userOf(headers) !== undefined || isPublic ? undefined : this.#challenged(wanted);
    }
    const token = this.#tokens.get(/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '');
    if (token === undefined) return this.#challenged(wanted);
    token.uses += 1;
    if (token.uses > (this.#access.uses ?? Number.POSITIVE_INFINITY)) return this.#challenged(wanted, 'invalid_token');
    if (wanted.every((scope) => covers(token.scopes, scope))) return undefined;
    return this.#challenged(wanted, 'insufficient_scope');
  }

  /** Answers a token request: a status with a document. */
  issue(request: TokenRequest): { readonly status: number; readonly body: unknown } {
    const { post, get, refusedScopes = [], firstScopeOnly = false } = this.#access;
    const form = new URLSearchParams(request.body);
    if (request.method === 'POST' && post !== undefined) return { status: post, body: { details: 'no POST here' } };
    // Required by distribution's oauth2 specification.
    if (request.method === 'POST' && !this.#isForm(request, form))
      return { status: 400, body: { error: 'invalid_request' } };
    const withPassword = request.headers.authorization !== undefined;
    if (request.method === 'GET' && withPassword && get !== undefined) return { status: get, body: {} };
    const user = request.method === 'POST' ? this.#userOfForm(form) : this.#userOf(request.headers);
    if ((withPassword || request.method === 'POST') && user === undefined) {
      return { status: 401, body: { details: 'incorrect username or password' } };
    }
    const asked = request.method === 'POST' ? (form.get('scope') ?? '').split(' ') : request.query.getAll('scope');
    const scopes = asked.flatMap((scope) => scope.split(' ')).filter((scope) => scope !== '');
    if (scopes.some((scope) => refusedScopes.includes(scope.split(':')[1] ?? ''))) {
      return { status: 403, body: { errors: [{ code: 'DENIED', message: 'one of the scopes is not for you' }] } };
    }
    const granted = scopes.filter((scope) => user !== undefined || this.#isPublic(scope));
    return { status: 200, body: this.#token(firstScopeOnly ? granted.slice(0, 1) : granted) };
  }

  #isForm({ headers }: TokenRequest, form: URLSearchParams): boolean {
    const isTyped = headers['content-type'] === 'application/x-www-form-urlencoded';
    const isNamed = this.#access.challenge !== undefined || form.get('service') === 'scripted';
    return isTyped && isNamed && (form.get('client_id') ?? '') !== '';
  }

  #token(scopes: readonly string[]): Record<string, unknown> {
    this.#issued += 1;
    const token = `token-${this.#issued}-${Math.random().toString(36).slice(2)}`;
    const held = this.#access.forgetsScopes === true && this.#issued === 1 ? [] : scopes;
    this.#tokens.set(token, { scopes: held, uses: 0 });
    const { field = 'token', expiresIn = 300, refreshToken } = this.#access;
    const more = refreshToken === undefined ? {} : { refresh_token: refreshToken };
    return { [field]: token, ...(expiresIn === 0 ? {} : { expires_in: expiresIn }), ...more };
  }

  #challenged(wanted: readonly string[], error?: string): readonly string[] {
    const scope = wanted.join(' ');
    const fill = (line: string): string => line.replace('{realm}', this.#realm).replace('{scope}', scope);
    if (this.#access.challenge !== undefined) return this.#access.challenge.map(fill);
    if (this.#access.kind === 'basic') return ['Basic realm="registry"'];
    const parameters = [`realm="${this.#realm}"`, 'service="scripted"', ...(scope === '' ? [] : [`scope="${scope}"`])];
    return [`Bearer ${[...parameters, ...(error === undefined ? [] : [`error="${error}"`])].join(',')}`];
  }

  #userOf(headers: IncomingHttpHeaders): string | undefined {
    const encoded = /^Basic (.+)$/.exec(headers.authorization ?? '')?.[1];
    const [user = '', ...password] = Buffer.from(encoded ?? '', 'base64')
      .toString()
      .split(':');
    return this.#access.users?.[user] === password.join(':') && encoded !== undefined ? user : undefined;
  }

  #userOfForm(form: URLSearchParams): string | undefined {
    if (form.get('grant_type') === 'password') {
      const user = form.get('username') ?? '';
      return this.#access.users?.[user] === form.get('password') ? user : undefined;
    }
    const token = form.get('refresh_token');
    return Object.entries(this.#access.identityTokens ?? {}).find(([, held]) => held === token)?.[0];
  }

  #isPublic(scope: string): boolean {
    const [, repository = '', actions] = scope.split(':');
    return actions === 'pull' && (this.#access.publicRepositories ?? []).includes(repository);
  }
}

function covers(held: readonly string[], wanted: string): boolean {
  const last = wanted.lastIndexOf(':');
  const actions = wanted.slice(last + 1).split(',');
  return held.some((scope) => {
    const at = scope.lastIndexOf(':');
    const granted = scope.slice(at + 1).split(',');
    return scope.slice(0, at) === wanted.slice(0, last) && actions.every((action) => granted.includes(action));
  });
}
