import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  coversScopes,
  isReadOnly,
  mergeScopes,
  repositoryScope,
  splitScopes,
} from '../../src/remotes/docker/scopes.ts';

describe('scopes', () => {
  it('writes the scope of a repository', () => {
    assert.equal(repositoryScope('library/redis', 'pull', 'push'), 'repository:library/redis:pull,push');
  });

  it('splits a list', () => {
    assert.deepEqual(splitScopes(' repository:a:pull  repository:b:pull,push '), [
      'repository:a:pull',
      'repository:b:pull,push',
    ]);
    assert.deepEqual(splitScopes(undefined), []);
  });

  it('joins the actions of one resource, the first set first', () => {
    assert.deepEqual(mergeScopes(['repository:b:push'], ['repository:a:pull', 'repository:b:pull']), [
      'repository:b:push,pull',
      'repository:a:pull',
    ]);
    assert.deepEqual(mergeScopes(['registry:catalog:*'], ['registry:catalog:read']), ['registry:catalog:*']);
  });

  it('takes a name with a port for one name', () => {
    assert.deepEqual(mergeScopes(['repository:host:5000/a:pull'], ['repository:host:5000/a:push']), [
      'repository:host:5000/a:pull,push',
    ]);
  });

  it('knows which rights hold others', () => {
    assert.equal(coversScopes(['repository:a:pull,push'], ['repository:a:pull']), true);
    assert.equal(coversScopes(['repository:a:pull'], ['repository:a:pull,push']), false);
    assert.equal(coversScopes(['repository:a:*'], ['repository:a:delete']), true);
    assert.equal(coversScopes(['repository:a:pull'], ['repository:b:pull']), false);
    assert.equal(coversScopes(['repository:a:pull'], []), true);
  });

  it('knows reading', () => {
    assert.equal(isReadOnly(['repository:a:pull', 'repository:b:pull']), true);
    assert.equal(isReadOnly(['repository:a:pull,push']), false);
    assert.equal(isReadOnly([]), true);
  });
});
