import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { it } from 'node:test';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import { type CredentialSource, passwordCredentials } from '../../src/remotes/docker/credentials.ts';
import type { RegistryClient } from '../../src/remotes/docker/registry-client.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { listening } from '../support/loopback.ts';
import { openerOf, quickClient } from '../support/registry-client.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const image = randomImage({ seed: 'wanderings', layers: [1000] });
const blob = randomBlob(80_000, 'wanderings');
const count = 3;

/** What a server says to a request; `to` is the server that it names, the asker itself among them. */
type Saying =
  | { readonly say: 'found' | 'absent' | 'created' | 'basic' }
  | { readonly say: 'session' | 'page'; readonly to: number }
  | { readonly say: 'redirect'; readonly to: number; readonly status: number }
  | { readonly say: 'bearer'; readonly to: number; readonly scope: string };

const to = fc.nat(count - 1);
const saying: fc.Arbitrary<Saying> = fc.oneof(
  fc.record({ say: fc.constantFrom('found', 'found', 'absent', 'created', 'basic') }),
  fc.record({ say: fc.constantFrom('session', 'page'), to }),
  fc.record({ say: fc.constant('redirect' as const), to, status: fc.constantFrom(301, 302, 303, 307, 308) }),
  fc.record({
    say: fc.constant('bearer' as const),
    to,
    scope: fc.constantFrom('', ',scope="repository:team/app:pull"'),
  }),
);

type Act = (client: RegistryClient, name: string) => Promise<unknown>;

const acts: Readonly<Record<string, Act>> = {
  resolve: (client, name) => client.resolve(name),
  fetch: async (client, name) => await Array.fromAsync(await (await client.fetcher(name)).fetch(blob.descriptor)),
  push: async (client, name) => await (await client.pusher(name)).push(blob.descriptor, openerOf(blob.bytes)),
  tags: (client, name) => Array.fromAsync(client.tags(name.replace(/:1$/, ''))),
  referrers: (client, name) => Array.fromAsync(client.referrers(`${name}@${image.root.digest}`)),
  mount: (client, name) => client.mount(name, blob.descriptor.digest, 'team/base'),
  stat: (client, name) => client.stat(name, blob.descriptor.digest),
  delete: (client, name) => client.delete(name),
};

/** Servers that name each other in all they say, and tell what they were shown that is not theirs. */
class Servers implements AsyncDisposable {
  readonly hosts: string[] = [];
  readonly strange: string[] = [];
  sayings: readonly (readonly Saying[])[] = [];
  readonly #turns: number[] = [];
  readonly #servers = new AsyncDisposableStack();

  async start(): Promise<this> {
    for (let index = 0; index < count; index += 1) {
      const server = createServer((request, response) => this.#answer(index, request, response));
      this.hosts.push(this.#servers.use(await listening(server)).host);
    }
    return this;
  }

  say(sayings: readonly (readonly Saying[])[]): void {
    this.sayings = sayings;
    this.#turns.fill(0, 0, count);
    this.strange.length = 0;
  }

  #answer(index: number, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const { url = '', method = '' } = request;
    const host = this.hosts[index] ?? '';
    // Who named it as the token server is in its URL, and gets the token for what it was shown.
    const namedBy = url.startsWith('/token') ? new URL(url, 'http://x').searchParams.get('named-by') : undefined;
    this.#check(request, host, namedBy ?? host);
    if (namedBy !== undefined) return void response.end(JSON.stringify({ token: `${namedBy}|token` }));
    const turn = this.#turns[index] ?? 0;
    this.#turns[index] = turn + 1;
    const mine = this.sayings[index] ?? [];
    const said = mine[turn % mine.length] ?? { say: 'absent' };
    const elsewhere = 'to' in said ? `http://${this.hosts[said.to]}` : '';
    switch (said.say) {
      case 'redirect':
        return void response.writeHead(said.status, { location: `${elsewhere}${url}` }).end();
      case 'bearer': {
        const challenge = `Bearer realm="${elsewhere}/token?named-by=${host}",service="x"${said.scope}`;
        return void response.writeHead(401, { 'www-authenticate': challenge }).end();
      }
      case 'basic':
        return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      case 'session':
        return void response.writeHead(202, { location: `${elsewhere}/v2/team/app/blobs/uploads/${turn}?x=y` }).end();
      case 'created':
        return void response.writeHead(201, { 'docker-content-digest': image.root.digest }).end();
      case 'page':
        return void response
          .writeHead(200, turn > 20 ? {} : { link: `<${elsewhere}/v2/team/app/tags/list?last=${turn}>; rel="next"` })
          .end(JSON.stringify({ name: 'team/app', tags: [`t${turn}`] }));
      case 'absent':
        return void response.writeHead(404).end();
      case 'found': {
        const { descriptor, bytes } = url.includes('/manifests/') ? manifest : blob;
        response.writeHead(200, { 'content-type': descriptor.mediaType, 'content-length': bytes.byteLength });
        response.end(method === 'HEAD' ? undefined : bytes);
      }
    }
  }

  #check({ headers, url }: IncomingMessage, host: string, owner: string): void {
    const [scheme, value = ''] = headers.authorization?.split(' ') ?? [];
    const whose = (scheme === 'Basic' ? Buffer.from(value, 'base64').toString() : value).split('|')[0];
    if (scheme === 'Basic' && whose !== owner) this.strange.push(`password of ${whose} at ${host}${url}`);
    if (scheme === 'Bearer' && whose !== host) this.strange.push(`token of ${whose} at ${host}${url}`);
    const key = headers['x-api-key'];
    if (key !== undefined && key !== host) this.strange.push(`header of ${key} at ${host}${url}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers.disposeAsync();
  }
}

const manifest = image.blobs.find(({ descriptor }) => descriptor.digest === image.root.digest) ?? blob;

it('whatever servers say, and wherever they lead, each sees what is meant for it and nothing else', async () => {
  await using servers = await new Servers().start();
  await using directory = await temporaryDirectory();
  const [own = '', mirror = ''] = servers.hosts;
  await mkdir(directory.join('registry.test'));
  const keyOf = (host: string): string => `[host."http://${host}".header]\nX-Api-Key = "${host}"\n`;
  await writeFile(
    directory.join('registry.test', 'hosts.toml'),
    `server = "http://${own}"\n[header]\nX-Api-Key = "${own}"\n[host."http://${mirror}"]\n${keyOf(mirror)}`,
  );
  const credentials: CredentialSource = { get: async (registry) => passwordCredentials(`${registry}|`, 'canary') };
  const names = [...servers.hosts, 'registry.test'].map((host) => `${host}/team/app:1`);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(saying, { minLength: 1, maxLength: 8 }), { minLength: count, maxLength: count }),
      fc.array(fc.tuple(fc.constantFrom(...Object.keys(acts)), fc.constantFrom(...names)), {
        minLength: 1,
        maxLength: 4,
      }),
      async (sayings, todo) => {
        servers.say(sayings);
        const retry = { attempts: 2, pause: 0, longestPause: 0 };
        await using client = quickClient({ hostsDirectory: directory.path, credentials, retry });
        for (const [act, name] of todo) {
          await acts[act]?.(client, name).catch((error: unknown) => {
            assert.ok(error instanceof DrayError, String(error));
            assert.doesNotMatch(JSON.stringify(error), /canary|\|token/);
          });
        }
        assert.deepEqual(servers.strange, []);
      },
    ),
    { numRuns: 300 },
  );
});
