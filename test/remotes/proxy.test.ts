import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { is } from '../../src/errors.ts';
import { environmentProxies } from '../../src/remotes/docker/proxy.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { testAuthority } from '../support/certificates.ts';
import { listening } from '../support/loopback.ts';
import { testProxy, testSocksProxy } from '../support/proxy.ts';
import { quickClient } from '../support/registry-client.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const both = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'http://secure:2' };

function proxyFor(url: string, environment: Record<string, string> = both): string | undefined {
  return environmentProxies(environment)(new URL(url))?.host;
}

describe('proxies of the environment', () => {
  it('are chosen by the scheme of what is asked for', () => {
    assert.equal(proxyFor('http://r.io/'), 'plain:1');
    assert.equal(proxyFor('https://r.io/'), 'secure:2');
    assert.equal(proxyFor('https://r.io/', { HTTP_PROXY: 'http://plain:1' }), undefined);
    assert.equal(proxyFor('https://r.io/', { https_proxy: 'lower:3' }), 'lower:3');
    assert.equal(proxyFor('http://r.io/', {}), undefined);
  });

  it('are never for this machine', () => {
    for (const host of ['localhost', 'localhost:5000', '127.0.0.1', '127.9.9.9:1', '[::1]', 'a.localhost']) {
      assert.equal(proxyFor(`http://${host}/`), undefined, host);
    }
  });

  it('for http do not count within CGI, where a header could set them', () => {
    assert.equal(proxyFor('http://r.io/', { ...both, REQUEST_METHOD: 'GET' }), undefined);
    assert.equal(proxyFor('https://r.io/', { ...both, REQUEST_METHOD: 'GET' }), 'secure:2');
  });

  it('are passed by for what NO_PROXY names, as Go reads it', () => {
    const cases: readonly (readonly [string, string, boolean])[] = [
      ['*', 'https://r.io/', true],
      ['r.io', 'https://r.io/', true],
      ['r.io', 'https://sub.r.io/', true],
      ['r.io', 'https://xr.io/', false],
      ['.r.io', 'https://sub.r.io/', true],
      ['.r.io', 'https://r.io/', false],
      ['*.r.io', 'https://sub.r.io/', true],
      ['*.r.io', 'https://r.io/', false],
      ['R.IO', 'https://r.io/', true],
      ['r.io:5000', 'https://r.io:5000/', true],
      ['r.io:5000', 'https://r.io/', false],
      ['r.io:443', 'https://r.io/', true],
      ['r.io:80', 'http://r.io/', true],
      ['10.0.0.0/8', 'https://10.1.2.3/', true],
      ['10.0.0.0/8', 'https://11.1.2.3/', false],
      ['10.1.2.3', 'https://10.1.2.3:5000/', true],
      ['10.1.2.3:5000', 'https://10.1.2.3:5000/', true],
      ['10.1.2.3:5000', 'https://10.1.2.3/', false],
      ['2001:db8::/32', 'https://[2001:db8::5]/', true],
      ['2001:db8::5', 'https://[2001:db8::5]/', true],
      ['[2001:db8::5]:5000', 'https://[2001:db8::5]:5000/', true],
      [' a.io , r.io ,', 'https://r.io/', true],
      ['10.0.0.0/99, x/8', 'https://10.0.0.1/', false],
      ['', 'https://r.io/', false],
    ];
    for (const [exceptions, url, passes] of cases) {
      assert.equal(proxyFor(url, { ...both, NO_PROXY: exceptions }) === undefined, passes, `${exceptions} for ${url}`);
    }
  });
});

describe('a proxy that is none', () => {
  it('is told without what it says, and nothing is sent directly', () => {
    for (const text of [
      '::::',
      'user:canary@::bad',
      'http://user:canary%@proxy:1',
      'http://canary%ff@proxy',
      'ftp://proxy',
    ]) {
      const environment = { HTTPS_PROXY: text, NO_PROXY: 'free.io' };
      assert.throws(
        () => proxyFor('https://r.io/', environment),
        (error) => is(error, 'invalid-argument') && /HTTPS_PROXY/.test(error.message) && !/canary/.test(inspect(error)),
        text,
      );
      assert.equal(proxyFor('https://free.io/', environment), undefined);
      assert.equal(proxyFor('http://r.io/', environment), undefined);
    }
  });
});

describe('a client behind a proxy', () => {
  const image = randomImage({ seed: 'proxy', layers: [10] });

  it('asks it for http by the whole URL, with the name and password of its URL', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using proxy = await testProxy({ 'registry.example.com': registry.host });
    const url = new URL(proxy.url);
    url.username = 'us%20er';
    url.password = 'p%40ss';
    await using client = quickClient({ plainHttp: true, proxy: environmentProxies({ HTTP_PROXY: url.href }) });
    const { target } = await client.resolve('registry.example.com/team/app:1');
    assert.deepEqual(target, image.root);
    assert.deepEqual(proxy.requests, ['HEAD http://registry.example.com/v2/team/app/manifests/1']);
    assert.equal(proxy.authorizations[0], `Basic ${Buffer.from('us er:p@ss').toString('base64')}`);
    assert.equal(registry.requests[0]?.headers['proxy-authorization'], undefined);
  });

  it('goes through one of SOCKS, with the name and password of its URL', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using proxy = await testSocksProxy(registry.host, 'us er:p@ss');
    for (const scheme of ['socks5', 'socks5h']) {
      const HTTP_PROXY = `${scheme}://us%20er:p%40ss@${proxy.url.host}`;
      await using client = quickClient({ plainHttp: true, proxy: environmentProxies({ HTTP_PROXY }) });
      assert.deepEqual((await client.resolve('registry.example.com/team/app:1')).target, image.root);
      assert.equal(proxy.requests.at(-1), 'registry.example.com:80');
    }
    for (const user of ['', 'us%20er:wrong@']) {
      const HTTP_PROXY = `socks5://${user}${proxy.url.host}`;
      await using client = quickClient({ plainHttp: true, proxy: environmentProxies({ HTTP_PROXY }) });
      await assert.rejects(
        client.resolve('registry.example.com/team/app:1'),
        (error) => is(error, 'unavailable') && error.context.attempts === 1 && /proxy/.test(error.context.hint ?? ''),
      );
    }
  });

  it('goes through it for https, and verifies the registry behind it', {
    skip: unlessInstalled('openssl'),
  }, async () => {
    await using directory = await temporaryDirectory();
    const authority = await testAuthority(directory);
    const tls = await authority.issue('registry.example.com', 'registry.example.com');
    await using registry = await ScriptedRegistry.start({ tls });
    registry.add('team/app', image, '1');
    await using proxy = await testProxy({ 'registry.example.com:443': registry.host });
    const find = environmentProxies({ HTTPS_PROXY: proxy.url.href });
    await using stranger = quickClient({ proxy: find });
    await fails(stranger.resolve('registry.example.com/team/app:1'), 'unavailable', /--insecure/);
    await using client = quickClient({ proxy: find, insecure: true });
    assert.deepEqual((await client.resolve('registry.example.com/team/app:1')).target, image.root);
    assert.equal(proxy.requests.at(-1), 'CONNECT registry.example.com:443');
  });

  const silent = { timeouts: { connect: 50 }, retry: { attempts: 1 } };
  const refusals = [
    ['refuses', (socket: Duplex) => socket.end('HTTP/1.1 407 No\r\n\r\n'), /407/, /HTTPS_PROXY/, {}],
    ['does not answer', () => {}, /Timeout/, /proxy/, silent],
  ] as const;
  for (const [what, answer, message, hint, options] of refusals) {
    it(`is told to look at the proxy at once when that ${what}`, async () => {
      await using proxy = await listening(createServer().on('connect', (_, socket) => answer(socket)));
      const find = environmentProxies({ HTTPS_PROXY: proxy.host });
      await using client = quickClient({ proxy: find, ...options });
      const { context } = await fails(client.ping('registry.example.com'), 'unavailable', message, hint);
      assert.equal(context.attempts, 1);
    });
  }
});
