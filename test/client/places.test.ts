import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isInRegistry, parsePlace } from '../../src/client/places.ts';
import { RegistryPlace } from '../../src/client/registry-place.ts';
import { is } from '../../src/errors.ts';
import { RegistryClient } from '../../src/remotes/docker/registry-client.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';

describe('a place', () => {
  const nameOf = async (text: string): Promise<string> => {
    await using resolver = new RegistryClient();
    const inRegistry = (reference: string): RegistryPlace => new RegistryPlace(resolver, reference);
    return parsePlace(text, { services: memoryServices(), inRegistry }).name;
  };

  it('is what its scheme says, and a reference in a registry without one', async () => {
    assert.equal(await nameOf('store:app:1'), 'app:1');
    assert.equal(await nameOf('oci:dir:1'), 'oci:dir:1');
    assert.equal(await nameOf('localhost:5000/app:1'), 'localhost:5000/app:1');
  });

  it('is an image when that has the name of what others take for a scheme', async () => {
    assert.equal(await nameOf('docker:27'), 'docker.io/library/docker:27');
    assert.equal(await nameOf('registry:3'), 'docker.io/library/registry:3');
  });

  it('is told from one that is in no registry', () => {
    for (const text of ['app', 'docker:27', 'localhost:5000/app']) assert.equal(isInRegistry(text), true, text);
    for (const text of ['store:app', 'oci:dir', 'oci-archive:file', 'docker-archive:file:app', 'dir:dir'])
      assert.equal(isInRegistry(text), false, text);
  });

  it('has a name, and is no URL', async () => {
    for (const text of ['', 'store:', 'oci:', 'dir:', 'docker://localhost/app'])
      await assert.rejects(nameOf(text), (error) => is(error, 'invalid-argument'), text);
  });
});
