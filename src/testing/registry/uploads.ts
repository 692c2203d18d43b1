import { randomUUID } from 'node:crypto';
import { type Algorithm, type Digest, isDigest } from '../../spec/digest.ts';
import { type RepositoryContents, Session } from './contents.ts';
import type { Quirks } from './quirks.ts';
import { Broken, empty, failure, type Reply, type Wire } from './wire.ts';

/** What uploads need to know of the registry around them. */
export interface UploadSite {
  readonly quirks: Quirks;
  readonly repository: RepositoryContents;
  readonly name: string;
  /** `http://host`, or `https://host`. */
  readonly origin: string;
  /** Whether the bytes of uploads are kept. */
  readonly keep: boolean;
  readonly other: (name: string) => RepositoryContents | undefined;
}

/** POST: a new session, a mount, or all at once. */
export async function startUpload(wire: Wire, site: UploadSite): Promise<Reply> {
  const { quirks, repository } = site;
  const mount = wire.query.get('mount');
  const from = wire.query.get('from');
  if (mount !== null) {
    const mounted = mountBlob(site, mount, from);
    if (mounted !== undefined) return mounted;
  }
  const digest = wire.query.get('digest');
  const single = digest !== null && quirks.singlePost === true;
  const algorithm = (wire.query.get('digest-algorithm') ?? digest?.split(':')[0] ?? 'sha256') as Algorithm;
  const session = new Session(randomUUID(), [...new Set<Algorithm>(['sha256', algorithm])], site.keep);
  if (single) {
    for await (const chunk of wire.body()) session.append(chunk);
    return finish(site, session, digest);
  }
  await wire.bytes();
  repository.sessions.set(session.id, session);
  return accepted(site, session, 202, true);
}

function mountBlob(
  { quirks, repository, other, name }: UploadSite,
  digest: string,
  from: string | null,
): Reply | undefined {
  if (from === null)
    return quirks.anonymousMount === undefined ? undefined : failure(quirks.anonymousMount, 'UNSUPPORTED');
  if (typeof quirks.mounts === 'number') return failure(quirks.mounts, 'DENIED');
  const blob = other(from)?.blobs.get(digest);
  if (blob === undefined || quirks.mounts === 'session') return undefined;
  repository.blobs.set(digest, blob);
  return empty(201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest });
}

/** PATCH, PUT, GET and DELETE of a session. */
export async function continueUpload(wire: Wire, site: UploadSite, id: string): Promise<Reply> {
  const session = site.repository.sessions.get(id);
  if (session === undefined || isStale(wire, site, session)) return failure(404, 'BLOB_UPLOAD_UNKNOWN');
  if (wire.method === 'GET') {
    return site.quirks.uploadStatus === undefined
      ? accepted(site, session, 204)
      : failure(site.quirks.uploadStatus, 'UNSUPPORTED');
  }
  if (wire.method === 'DELETE') {
    site.repository.sessions.delete(id);
    return empty(204);
  }
  if (session.failed && site.quirks.oneTrySessions === true) return failure(416, 'BLOB_UPLOAD_INVALID');
  try {
    return wire.method === 'PATCH' ? await patch(wire, site, session) : await put(wire, site, session);
  } catch (error) {
    session.failed = true;
    if (error instanceof Broken && site.quirks.losesBrokenSessions === true) site.repository.sessions.delete(id);
    throw error;
  }
}

async function patch(wire: Wire, site: UploadSite, session: Session): Promise<Reply> {
  const { quirks } = site;
  const range = wire.headers['content-range'];
  session.patches += 1;
  const refusal = refusePatch(quirks, session, range);
  if (refusal !== undefined) return await afterBody(wire, refusal);
  const tooLong = await refuseLength(wire, quirks);
  if (tooLong !== undefined) return tooLong;
  const length = Number(wire.headers['content-length'] ?? 0);
  if (range !== undefined && quirks.chunkLimit !== undefined && length > quirks.chunkLimit) {
    return await afterBody(wire, failure(416, 'REQUESTED_RANGE_NOT_SATISFIABLE', 'request body is too large'));
  }
  if (session.isShort) return await afterBody(wire, failure(416, 'BLOB_UPLOAD_INVALID', 'a part is too small'));
  session.isShort = length < (quirks.chunkMinimum ?? 0);
  await take(wire, session, quirks);
  if (session.patches === 1) session.firstEnd = session.size;
  return accepted(site, session, quirks.patchStatus ?? 202);
}

function refusePatch(quirks: Quirks, session: Session, range: string | undefined): Reply | undefined {
  if (range !== undefined && quirks.rangedPatch !== undefined) return failure(quirks.rangedPatch, 'UNSUPPORTED');
  if (session.patches > 1 && quirks.secondPatch !== undefined) {
    return failure(quirks.secondPatch, 'BLOB_UPLOAD_INVALID', 'stream uploads after first write are not allowed');
  }
  if (range === undefined) return undefined;
  const match = /^(\d+)-(\d+)$/.exec(range);
  if (match === null) return failure(quirks.strictContentRange === true ? 400 : 416, 'RANGE_INVALID');
  if (Number(match[1]) === session.size) return undefined;
  return { ...failure(416, 'RANGE_INVALID'), headers: { range: `0-${Math.max(0, session.size - 1)}` } };
}

async function put(wire: Wire, site: UploadSite, session: Session): Promise<Reply> {
  const { quirks } = site;
  const length = Number(wire.headers['content-length'] ?? 0);
  if (length > 0 && session.size === 0 && quirks.wholePut !== undefined) {
    return await afterBody(wire, failure(quirks.wholePut, 'UNSUPPORTED'));
  }
  const tooLong = await refuseLength(wire, quirks);
  if (tooLong !== undefined) return tooLong;
  if (length === 0 && session.size > 0 && quirks.emptyClose !== undefined) return failure(quirks.emptyClose, 'UNKNOWN');
  await take(wire, session, quirks);
  if (session.size === 0 && quirks.emptyBlob !== undefined) return failure(quirks.emptyBlob, 'BLOB_UPLOAD_INVALID');
  return finish(site, session, wire.query.get('digest') ?? '');
}

async function take(wire: Wire, session: Session, { keepsHalfOfChunks = false }: Quirks): Promise<void> {
  const length = Number(wire.headers['content-length'] ?? 0);
  const isLater = session.patches > 1 && wire.method === 'PATCH' && length > 64 * 1024;
  let left = keepsHalfOfChunks && isLater ? length / 2 : Number.POSITIVE_INFINITY;
  for await (const chunk of wire.body()) {
    if (left > 0) session.append(chunk.subarray(0, Math.floor(left)));
    left -= chunk.byteLength;
  }
}

function finish(site: UploadSite, session: Session, digest: string): Reply {
  const { repository, name, quirks } = site;
  repository.sessions.delete(session.id);
  if (!isDigest(digest) || !session.has(digest))
    return failure(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  repository.blobs.set(digest as Digest, session.blob());
  return empty(quirks.closeStatus ?? 201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest });
}

async function refuseLength(wire: Wire, { bodyLimit, earlyLimit }: Quirks): Promise<Reply | undefined> {
  const length = Number(wire.headers['content-length'] ?? 0);
  if (earlyLimit !== undefined && length > earlyLimit) {
    wire.refuse(413);
    throw new Broken();
  }
  if (bodyLimit === undefined || length <= bodyLimit) return undefined;
  return await afterBody(wire, { status: 413, body: [Buffer.from('<html>413 Request Entity Too Large</html>')] });
}

async function afterBody(wire: Wire, reply: Reply): Promise<Reply> {
  for await (const _ of wire.body());
  return reply;
}

function isStale(wire: Wire, { quirks }: UploadSite, session: Session): boolean {
  return quirks.location === 'moving' && wire.query.get('version') !== String(session.version);
}

function accepted(site: UploadSite, session: Session, status: number, isNew: boolean = false): Reply {
  session.version += 1;
  const { chunkMinimumHeader, chunkMaximumHeader } = site.quirks;
  const range = isNew ? '0-0' : rangeOf(site.quirks, session, status);
  return {
    ...empty(status),
    headers: {
      location: locationOf(site, session),
      'docker-upload-uuid': session.id,
      ...(range === undefined ? {} : { range }),
      ...(chunkMinimumHeader === undefined ? {} : { 'oci-chunk-min-length': `${chunkMinimumHeader}` }),
      ...(chunkMaximumHeader === undefined ? {} : { 'oci-chunk-max-length': `${chunkMaximumHeader}` }),
    },
  };
}

function rangeOf({ uploadRange }: Quirks, session: Session, status: number): string | undefined {
  if (uploadRange === 'absent') return undefined;
  if (uploadRange === 'stale' && status !== 204) return `0-${Math.max(0, session.firstEnd - 1)}`;
  return `0-${Math.max(0, session.size - (uploadRange === 'too-long' ? 0 : 1))}`;
}

function locationOf({ quirks, name, origin }: UploadSite, session: Session): string {
  const path = `/v2/${name}/blobs/uploads/${session.id}?version=${session.version}&_state=a%2Fb%3D%3D~'x`;
  const { location } = quirks;
  if (location === 'relative') return path;
  if (location === 'schemeless') return `${new URL(origin).host}${path}`;
  if (location === 'http') return `${origin.replace(/^https/, 'http')}${path}`;
  return `${typeof location === 'object' ? location.origin : origin}${path}`;
}
