import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isManifestLike } from '../spec/media-types.ts';
import type { RandomImage } from './random.ts';
import { type Access, Gatekeeper } from './registry/access.ts';
import { serveBlob } from './registry/blobs.ts';
import { RepositoryContents } from './registry/contents.ts';
import { serveList } from './registry/lists.ts';
import { deleteManifest, indexOf, putManifest, serveManifest, serveReferrers } from './registry/manifests.ts';
import type { Quirks } from './registry/quirks.ts';
import { ActiveRule, type Rule } from './registry/rules.ts';
import { continueUpload, startUpload, type UploadSite } from './registry/uploads.ts';
import { Broken, failure, json, type RecordedRequest, type Reply, Wire } from './registry/wire.ts';

/** How a {@link ScriptedRegistry} starts. */
export interface ScriptedRegistryOptions {
  readonly quirks?: Quirks | undefined;
  readonly access?: Access | undefined;
  /** Speaks TLS; with an authority it asks clients for a certificate of it. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly authority?: string } | undefined;
  /** Where it listens: a unix socket in place of a port. */
  readonly socketPath?: string | undefined;
  /** Of what is pushed only the size is kept: for blobs larger than memory. */
  readonly discard?: boolean | undefined;
  /** The path before `/v2/`, for registries below one. */
  readonly prefix?: string | undefined;
}

/**
 * A registry on loopback for tests of whoever talks to registries: it does what the distribution specification says, except
 * where a quirk or a rule says otherwise, and remembers every request. Whoever starts it disposes it.
 */
export class ScriptedRegistry implements AsyncDisposable {
  /** What it does differently; may be changed at any time. */
  quirks: Quirks;
  /** Every request, in the order of arrival. */
  readonly requests: RecordedRequest[] = [];
  /** How many connections were made. */
  connections = 0;
  /** Subjects of certificates that clients have shown. */
  readonly clientCertificates: string[] = [];
  readonly #options: ScriptedRegistryOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #repositories = new Map<string, RepositoryContents>();
  readonly #stop = new AbortController();
  #rules: ActiveRule[] = [];
  #gatekeeper: Gatekeeper | undefined;

  private constructor(options: ScriptedRegistryOptions) {
    this.#options = options;
    this.quirks = options.quirks ?? {};
    const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => void this.#handle(incoming, outgoing);
    const { tls } = options;
    this.#server =
      tls === undefined
        ? createServer(handle)
        : createTlsServer(
            {
              cert: tls.certificate,
              key: tls.key,
              ...(tls.authority === undefined
                ? {}
                : { ca: tls.authority, requestCert: true, rejectUnauthorized: false }),
            },
            handle,
          );
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      this.connections += 1;
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(options: ScriptedRegistryOptions = {}): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry(options);
    const { socketPath } = options;
    await new Promise<void>((resolve, reject) => {
      registry.#server.on('error', reject);
      if (socketPath === undefined) registry.#server.listen(0, '127.0.0.1', resolve);
      else registry.#server.listen(socketPath, resolve);
    });
    if (options.access !== undefined) registry.#gatekeeper = new Gatekeeper(options.access, `${registry.origin}/token`);
    return registry;
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  /** `http://127.0.0.1:port`. */
  get origin(): string {
    if (this.#options.socketPath !== undefined) return 'http://localhost';
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${this.host}`;
  }

  /** Every token that was given out. */
  get tokens(): readonly string[] {
    return this.#gatekeeper?.tokens ?? [];
  }

  /** A repository, made when it is not there. */
  repository(name: string): RepositoryContents {
    const known = this.#repositories.get(name) ?? new RepositoryContents();
    this.#repositories.set(name, known);
    return known;
  }

  /** Puts an image there. */
  add(name: string, image: RandomImage, ...tags: readonly string[]): void {
    const repository = this.repository(name);
    for (const { descriptor, bytes } of image.blobs) {
      if (!isManifestLike(descriptor.mediaType)) repository.addBlob(bytes);
      else repository.addManifest(descriptor.mediaType, bytes);
    }
    for (const tag of tags) repository.tags.set(tag, image.root.digest);
  }

  /** Adds rules. For each request the first one that is for it counts. */
  script(...rules: readonly Rule[]): void {
    this.#rules.push(...rules.map((rule) => new ActiveRule(rule)));
  }

  /** Forgets rules and requests. */
  clear(): void {
    this.#rules = [];
    this.requests.length = 0;
  }

  /** The requests as lines of method, path and status: `GET /v2/ 200`; `…` in place of the status while there is none. */
  log(): string[] {
    return this.requests.map(({ method, url, status }) => `${method} ${url} ${status ?? '…'}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#stop.abort();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = incoming;
    const record: RecordedRequest = { method, url, headers, received: 0, sent: 0 };
    this.requests.push(record);
    this.#noteCertificate(incoming);
    const rule = this.#rules.find((active) => active.takes(`${method} ${url}`))?.rule;
    const wire = new Wire(incoming, outgoing, record, rule);
    try {
      await this.#answer(wire);
    } catch (error) {
      if (!(error instanceof Broken)) incoming.socket.destroy(error as Error);
    }
  }

  #noteCertificate({ socket }: IncomingMessage): void {
    if (!('getPeerCertificate' in socket)) return;
    const { subject } = (socket as { getPeerCertificate(): { subject?: { CN?: string } } }).getPeerCertificate();
    if (subject?.CN !== undefined) this.clientCertificates.push(subject.CN);
  }

  async #answer(wire: Wire): Promise<void> {
    const { delay, answer, raw, reset = false } = wire.rule ?? {};
    if (delay !== undefined) await sleep(delay, undefined, { signal: this.#stop.signal });
    if (reset) wire.reset();
    if (raw !== undefined) return wire.raw(raw);
    if (answer !== undefined) {
      await wire.bytes();
      const body = Buffer.from(answer.body ?? '');
      return await wire.send({ ...answer, body: [body], length: body.byteLength }, {});
    }
    await wire.send(await this.#reply(wire), this.quirks.headers ?? {});
  }

  async #reply(wire: Wire): Promise<Reply> {
    if (wire.path === '/token') return await this.#issue(wire);
    const prefix = `${this.#options.prefix ?? ''}/v2/`;
    if (!wire.path.startsWith(prefix)) return failure(404, 'NOT_FOUND', 'not a registry');
    const place = placeOf(wire.path.slice(prefix.length));
    const challenge = this.#gatekeeper?.check(wire.headers, scopesOf(wire, place, this.quirks));
    if (challenge !== undefined) {
      const refused = failure(401, 'UNAUTHORIZED', 'authentication required');
      return { ...refused, headers: { ...refused.headers, 'www-authenticate': challenge } };
    }
    return await this.#route(wire, place);
  }

  async #issue(wire: Wire): Promise<Reply> {
    const body = (await wire.bytes()).toString();
    const { method, query, headers } = wire;
    const issued = this.#gatekeeper?.issue({ method, query, headers, body });
    return issued === undefined ? failure(404, 'NOT_FOUND') : json(issued.status, issued.body);
  }

  async #route(wire: Wire, { name, kind, rest }: Place): Promise<Reply> {
    const { quirks } = this;
    const existing = this.#repositories.get(name);
    if (kind === 'base') return json(200, {}, { 'docker-distribution-api-version': 'registry/2.0' });
    if (kind === 'catalog') return this.#list(wire, [...this.#repositories.keys()], 'repositories', {});
    if (kind === 'tags') {
      if (existing === undefined) return failure(404, 'NAME_UNKNOWN');
      return this.#list(wire, [...existing.tags.keys()], 'tags', { name, ...quirks.tagListExtras });
    }
    if (kind === 'referrers') return this.#referrers(wire, existing, rest);
    const isWrite = wire.method !== 'GET' && wire.method !== 'HEAD';
    if (isWrite && quirks.readOnly === true) return failure(405, 'UNSUPPORTED', 'The operation is unsupported.');
    if (isWrite && quirks.fixedRepositories === true && existing === undefined) {
      return failure(404, 'NAME_UNKNOWN', `The repository with name '${name}' does not exist`);
    }
    if (kind === 'manifests') return await this.#manifest(wire, name, rest);
    if (kind === 'blobs') return isWrite ? failure(405, 'UNSUPPORTED') : serveBlob(wire, existing, rest, quirks);
    if (kind !== 'uploads') return failure(404, 'NOT_FOUND');
    return rest === '' ? await startUpload(wire, this.#site(name)) : await continueUpload(wire, this.#site(name), rest);
  }

  async #manifest(wire: Wire, name: string, version: string): Promise<Reply> {
    if (wire.method === 'PUT') return await putManifest(wire, this.repository(name), name, version, this.quirks);
    const existing = this.#repositories.get(name);
    if (wire.method === 'DELETE') return deleteManifest(existing, version, this.quirks);
    return serveManifest(wire, existing, version, this.quirks);
  }

  #referrers(wire: Wire, repository: RepositoryContents | undefined, digest: string): Reply {
    const found = serveReferrers(wire, repository, digest, this.quirks);
    if ('status' in found) return found;
    const page = serveList(wire, found.manifests, 'manifests', indexOf, this.quirks, this.origin);
    const type = { 'content-type': 'application/vnd.oci.image.index.v1+json' };
    const applied = found.filtered ? { 'oci-filters-applied': 'artifactType' } : {};
    return { ...page, headers: { ...page.headers, ...type, ...applied } };
  }

  #list(wire: Wire, names: readonly string[], key: string, extras: Readonly<Record<string, unknown>>): Reply {
    return serveList(wire, names, key, (page) => ({ ...extras, [key]: page }), this.quirks, this.origin);
  }

  #site(name: string): UploadSite {
    return {
      quirks: this.quirks,
      repository: this.repository(name),
      name,
      origin: `${this.origin}${this.#options.prefix ?? ''}`,
      keep: this.#options.discard !== true,
      other: (other) => this.#repositories.get(other),
    };
  }
}

interface Place {
  readonly kind: 'base' | 'catalog' | 'tags' | 'referrers' | 'manifests' | 'blobs' | 'uploads' | 'unknown';
  readonly name: string;
  readonly rest: string;
}

function placeOf(path: string): Place {
  if (path === '') return { kind: 'base', name: '', rest: '' };
  if (path === '_catalog') return { kind: 'catalog', name: '', rest: '' };
  const match =
    /^(.+)\/(?:(tags)\/list|(referrers|manifests)\/([^/]+)|(blobs)\/(?!uploads\/)([^/]+)|blobs\/(uploads)\/([^/]*))$/.exec(
      path,
    );
  if (match === null) return { kind: 'unknown', name: '', rest: '' };
  const kind = (match[2] ?? match[3] ?? match[5] ?? match[7]) as Place['kind'];
  return { kind, name: match[1] ?? '', rest: decodeURIComponent(match[4] ?? match[6] ?? match[8] ?? '') };
}

function scopesOf(wire: Wire, { kind, name }: Place, { cancelAction = 'push' }: Quirks): string[] {
  if (kind === 'base') return [];
  if (kind === 'catalog') return ['registry:catalog:*'];
  const action =
    { GET: 'pull', HEAD: 'pull', DELETE: kind === 'uploads' ? cancelAction : 'delete' }[wire.method] ?? 'pull,push';
  const from = wire.query.get('mount') === null ? null : wire.query.get('from');
  return [`repository:${name}:${action}`, ...(from === null ? [] : [`repository:${from}:pull`])];
}

/** An answer that rules can use: an error of the distribution protocol. */
export function registryFailure(status: number, code: string, message?: string): { status: number; body: string } {
  return { status, body: JSON.stringify({ errors: [{ code, message: message ?? code.toLowerCase() }] }) };
}

export type { Access } from './registry/access.ts';
export type { RepositoryContents } from './registry/contents.ts';
export type { Quirks } from './registry/quirks.ts';
export type { Rule, ScriptedAnswer } from './registry/rules.ts';
export type { RecordedRequest } from './registry/wire.ts';
