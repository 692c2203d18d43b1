import { DrayError } from '../../errors.ts';
import type { Digest } from '../../spec/digest.ts';
import { UploadSession, type UploadTarget } from './upload-session.ts';

/**
 * Asks a registry to take a blob from another of its repositories. It may open a session instead, which can be used to send
 * the blob. Undefined when it refuses, which is no error: a source that cannot be read, or a token that is not given for two
 * repositories, keeps nobody from sending.
 * @throws the signal's reason.
 */
export async function mountBlob(
  target: UploadTarget,
  digest: Digest,
  from: string,
): Promise<'mounted' | UploadSession | undefined> {
  const query = `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(target.host.repositoryName(from))}`;
  const scopes = [target.host.scope(target.path, 'pull', 'push'), target.host.scope(from, 'pull')];
  try {
    const { response, session } = await UploadSession.start(target, query, { scopes });
    await response.body.discard();
    return response.status === 201 ? 'mounted' : session;
  } catch (error) {
    target.signal?.throwIfAborted();
    if (error instanceof DrayError) return undefined;
    throw error;
  }
}
