import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { because, is } from '../../src/errors.ts';
import { mayPointTo, type Reach, reachOfAddress } from '../../src/remotes/docker/addresses.ts';
import { guardedLookup, guardUrl } from '../../src/remotes/docker/guard.ts';

const registry = new URL('https://registry.example.com/v2/app/blobs/uploads/');

function refused(text: string, reach: Reach = 'public', base: URL = registry): void {
  assert.throws(
    () => guardUrl(text, base, reach, 'redirect'),
    (error) => is(error, 'permission-denied') && because(error, 'policy'),
    text,
  );
}

function allowed(text: string, reach: Reach = 'public', base: URL = registry): string {
  return guardUrl(text, base, reach, 'upload location').href;
}

describe('the guard of URLs that servers name', () => {
  it('takes relative, absolute and schemeless ones of the same server', () => {
    assert.equal(allowed('/v2/app/x?y=1'), 'https://registry.example.com/v2/app/x?y=1');
    assert.equal(allowed('123?_state=a%2Fb'), 'https://registry.example.com/v2/app/blobs/uploads/123?_state=a%2Fb');
    assert.equal(allowed('registry.example.com/v2/app/x'), 'https://registry.example.com/v2/app/x');
    assert.equal(allowed('https://registry.example.com/a'), 'https://registry.example.com/a');
  });

  it('takes https on other public servers', () => {
    assert.equal(allowed('https://cdn.example.net/x?sig=1'), 'https://cdn.example.net/x?sig=1');
    assert.equal(allowed('//cdn.example.net/x'), 'https://cdn.example.net/x');
  });

  it('reads http at the name of a server that speaks https as that server', () => {
    assert.equal(allowed('http://registry.example.com/v2/x'), 'https://registry.example.com/v2/x');
    const other = new URL('https://registry.example.com:5443/v2/');
    assert.equal(
      allowed('http://registry.example.com:5443/v2/x', 'public', other),
      'https://registry.example.com:5443/v2/x',
    );
    assert.equal(
      allowed('http://registry.example.com/v2/x', 'public', other),
      'https://registry.example.com:5443/v2/x',
    );
  });

  it('refuses http, other schemes and user information', () => {
    refused('http://cdn.example.net/x');
    refused('http://registry.example.com:8080/x');
    refused('ftp://cdn.example.net/x');
    refused('file:///etc/passwd');
    refused('https://user@cdn.example.net/x');
    refused('https://user:secret@registry.example.com/x');
  });

  it('does not repeat the secrets of what it refuses', () => {
    assert.throws(
      () => guardUrl('http://a:canary1@cdn.example.net/x?token=canary2', registry, 'public', 'redirect'),
      (error) => error instanceof Error && !/canary/.test(error.message),
    );
  });

  it('refuses addresses nearer than the server, however they are written', () => {
    for (const host of [
      'localhost',
      'a.localhost',
      'localhost.',
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '10.0.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.64.0.1',
      '[fd12::1]',
      '169.254.169.254',
      '[fe80::1]',
      '[fd00:ec2::254]',
      '0.0.0.0',
      '[::]',
      '224.0.0.1',
      '255.255.255.255',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
    ]) {
      refused(`https://${host}/x`);
    }
  });

  it('lets a private registry name private servers, and a loopback one all but link-local ones', () => {
    allowed('https://10.0.0.2/x', 'private');
    refused('https://127.0.0.1/x', 'private');
    refused('https://169.254.169.254/x', 'private');
    allowed('https://127.0.0.1/x', 'loopback');
    allowed('http://127.0.0.1:81/x', 'loopback', new URL('http://127.0.0.1:80/'));
    refused('http://169.254.169.254/x', 'loopback', new URL('http://127.0.0.1:80/'));
    refused('http://0.0.0.0/x', 'loopback', new URL('http://127.0.0.1:80/'));
  });

  it('says of what is no URL that it is none', () => {
    for (const text of ['https://', 'https://[', 'http://a b/', `/${'x'.repeat(40_000)}`]) {
      assert.throws(
        () => guardUrl(text, registry, 'public', 'next page'),
        (error) => because(error, 'bad-document'),
        text,
      );
    }
  });
});

describe('where addresses are', () => {
  it('tells loopback, private, public and reserved ones apart', () => {
    assert.equal(reachOfAddress('127.8.9.10'), 'loopback');
    assert.equal(reachOfAddress('192.168.0.1'), 'private');
    assert.equal(reachOfAddress('8.8.8.8'), 'public');
    assert.equal(reachOfAddress('2001:db8::1'), 'public');
    assert.equal(reachOfAddress('169.254.0.1'), 'forbidden');
    assert.equal(reachOfAddress('::ffff:10.0.0.1'), 'private');
  });

  it('nobody points to reserved ones, and everybody to public ones', () => {
    for (const from of ['loopback', 'private', 'public'] as const) {
      assert.equal(mayPointTo(from, 'forbidden'), false);
      assert.equal(mayPointTo(from, 'public'), true);
      assert.equal(mayPointTo(from, from), true);
    }
    assert.equal(mayPointTo('public', 'private'), false);
    assert.equal(mayPointTo('private', 'loopback'), false);
  });

  it('gives sockets no address nearer than allowed, whatever a name says', async () => {
    const ask = (reach: Reach): Promise<unknown> =>
      new Promise((resolve) =>
        guardedLookup(reach)('localhost', { all: true }, (error, found) => resolve(error ?? found)),
      );
    assert.ok((await ask('public')) instanceof Error);
    assert.ok(Array.isArray(await ask('loopback')));
  });
});
