import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { describe as describeBytes } from '../../../src/spec/descriptor.ts';
import type { Digest } from '../../../src/spec/digest.ts';
import { mediaTypes } from '../../../src/spec/media-types.ts';
import { referrersTag } from '../../../src/spec/referrers.ts';
import { dray, drayDone } from '../../support/command.ts';
import { dockerRegistry } from '../../support/docker-registry.ts';
import { succeed } from '../../support/processes.ts';
import { about, emptyConfig } from '../../support/referrers.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { unlessInstalled } from '../../support/tools.ts';

const hello = join(import.meta.dirname, '..', '..', 'fixtures', 'hello');
const signature = 'application/vnd.example.signature';

/** The lines of `--debug` about requests, as method, what was asked for and status. */
function requestsIn(stderr: string): string[] {
  return [...stderr.matchAll(/^debug: ([A-Z]+ \S+ \d+)/gm)].map(([, request = '']) => request);
}

describe('the command with docker-registry behind a password', {
  skip: unlessInstalled('docker-registry', 'skopeo'),
}, () => {
  it('logs in, pushes what skopeo reads, asks once about what is there, and carries referrers along', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('htpasswd');
    await writeFile(file, 'ci-bot:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n');
    const config = `auth:\n  htpasswd:\n    realm: test\n    path: ${file}\n`;
    await using registry = await dockerRegistry(directory, { config });
    const environment = {
      DRAY_ROOT: directory.join('store'),
      DOCKER_CONFIG: directory.join('docker'),
      HOME: directory.path,
    };
    const login = ['login', registry.host, '-u', 'ci-bot', '--password-stdin'];
    assert.equal((await dray(login, { environment, input: 'wrong' })).code, 4);
    await drayDone(login, { environment, input: 'secret' });

    const name = `${registry.host}/team/app:1`;
    const reference = await drayDone(['copy', `oci:${hello}:1.0`, name], { environment });
    const digest = (reference.split('@')[1] ?? '') as Digest;
    const skopeo = ['--insecure-policy', 'inspect', '--raw', '--tls-verify=false', '--creds', 'ci-bot:secret'];
    const raw = await succeed('skopeo', [...skopeo, `docker://${name}`]);
    const root = describeBytes(mediaTypes.ociIndex, Buffer.from(raw));
    assert.equal(root.digest, digest);
    const again = await dray(['copy', `oci:${hello}:1.0`, name, '--debug', '--progress', 'none'], { environment });
    assert.deepEqual(
      requestsIn(again.stderr).map((request) => request.replace(/ .*manifests/, ' manifests')),
      ['HEAD manifests/1 401', 'HEAD manifests/1 200'],
    );

    const { descriptor, bytes } = about(root, 'signature', signature);
    const blobs = directory.join('layout', 'blobs', 'sha256');
    await succeed('cp', ['-r', hello, directory.join('layout')]);
    await mkdir(blobs, { recursive: true });
    for (const one of [{ descriptor, bytes }, emptyConfig])
      await writeFile(join(blobs, one.descriptor.digest.slice(7)), one.bytes);
    const index = JSON.parse(await readFile(join(hello, 'index.json'), 'utf8'));
    await writeFile(
      directory.join('layout', 'index.json'),
      JSON.stringify({ ...index, manifests: [...index.manifests, descriptor] }),
    );
    await drayDone(['copy', `oci:${directory.join('layout')}:1.0`, name, '--referrers'], { environment });
    const list = ['referrers', name, '--artifact-type', signature, '-q'];
    assert.equal(await drayDone(list, { environment }), descriptor.digest);
    // Debian's docker-registry has no list of its own: what others read is the tag.
    const kept = await succeed('skopeo', [...skopeo, `docker://${registry.host}/team/app:${referrersTag(digest)}`]);
    assert.equal(JSON.parse(kept).manifests[0].digest, descriptor.digest);

    assert.equal(await drayDone(['catalog', registry.host], { environment }), 'team/app');
    assert.deepEqual((await drayDone(['tags', `${registry.host}/team/app`], { environment })).split('\n').sort(), [
      '1',
      referrersTag(digest),
    ]);
    await drayDone(['logout', registry.host], { environment });
    assert.equal((await dray(['digest', name], { environment })).code, 4);
  });
});
