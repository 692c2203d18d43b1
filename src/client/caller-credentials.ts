import type { Answer, Authenticate } from '../daemon/server/transfer/image-transfers.ts';
import { DrayError } from '../errors.ts';
import { type CredentialSource, type Credentials, passwordCredentials } from '../remotes/docker/credentials.ts';
import { Secret } from '../remotes/docker/secret.ts';

/** Credentials that a client of a served store is asked for; none without a way to ask. */
export function callerCredentials(authenticate: Authenticate | undefined): CredentialSource {
  return {
    async get(registry, _repository, signal) {
      const answer = await authenticate?.(registry === 'docker.io' ? dockerHub : registry, { signal });
      return answer && credentialsOf(answer);
    },
  };
}

/** Containerd's clients know Docker Hub by its host. */
const dockerHub = 'registry-1.docker.io';

const source = 'the client';

function credentialsOf(answer: Answer): Credentials {
  switch (answer.is) {
    case 'password':
      return passwordCredentials(answer.username, answer.password, source);
    case 'identity-token':
      return { identityToken: new Secret(answer.token), source };
    case 'header':
      return ofHeader(answer.value);
  }
}

function ofHeader(value: string): Credentials {
  const [, scheme = '', rest = ''] = /^(\S+) +(\S+)$/.exec(value) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { registryToken: new Secret(rest), source };
  const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(rest, 'base64').toString()) ?? [];
  if (scheme.toLowerCase() === 'basic' && username !== undefined && password !== undefined)
    return passwordCredentials(username, password, source);
  throw new DrayError('not-implemented', 'the client answered with an authorization that is neither Basic nor Bearer');
}
