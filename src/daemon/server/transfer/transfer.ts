import { DrayError } from '../../../errors.ts';
import type { Services } from '../../../services/services.ts';
import { formatPlatform, hostPlatform } from '../../../spec/platform.ts';
import { typeOfAny } from '../../any.ts';
import { Transfer, type TransferRequest } from '../../gen/transfer_pb.ts';
import {
  HTTPDebug,
  type ImageExportStream,
  type ImageImportStream,
  type ImageStore,
  type OCIRegistry,
} from '../../gen/transfer_types_pb.ts';
import { type Routes, routesOf } from '../../grpc/service.ts';
import { namespaceOf, servicesFor, type Tenants } from '../tenant.ts';
import { authenticateOver } from './authenticate.ts';
import { receivedBytes, sendBytes } from './bytes.ts';
import type { ImageTransfers, ImportOptions, RegistryImage } from './image-transfers.ts';
import type { MessageStream } from './message-stream.ts';
import { namesFor, namesOf, type Party, partyOf, platformsOf } from './parties.ts';
import { Progress } from './progress.ts';
import type { Streams } from './streams.ts';

/** What the service needs. */
export interface TransferServiceOptions {
  readonly tenants: Tenants;
  readonly streams: Streams;
  readonly images: ImageTransfers;
}

/** `containerd.services.transfer.v1.Transfer`: moves images as its clients describe. */
export function transferService({ tenants, streams, images }: TransferServiceOptions): Routes {
  return routesOf(Transfer, {
    async transfer(request, call) {
      const namespace = namespaceOf(tenants, call);
      await using parts = new AsyncDisposableStack();
      const take = (id: string): MessageStream => parts.adopt(streams.take(namespace, id), (stream) => stream.end());
      const told = request.options?.progressStream ?? '';
      const progress = parts.use(new Progress(told === '' ? undefined : take(told)));
      const { signal } = call;
      const movement = { images, services: servicesFor(tenants, call), take, progress, signal };
      await move(movement, request);
      return {};
    },
  });
}

/** One call. */
interface Movement {
  readonly images: ImageTransfers;
  readonly services: Services;
  /** Takes a stream that the request names. It is ended after the call. */
  readonly take: (id: string) => MessageStream;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

async function move(movement: Movement, { source, destination }: TransferRequest): Promise<void> {
  const [from, to] = [partyOf(source), partyOf(destination)];
  const moved = from && to && between(movement, from, to);
  if (moved === undefined) {
    const [one, other] = [source, destination].map((party) => (party && typeOfAny(party).slice(0, 100)) || 'nothing');
    throw new DrayError('not-implemented', `dray transfers nothing from ${one} to ${other}`);
  }
  await moved;
}

// Undefined when there is no such way.
function between(movement: Movement, from: Party, to: Party): Promise<void> | undefined {
  if (from.is === 'store' && to.is === 'store') return tag(movement, from.message, to.message);
  if (from.is === 'import' && to.is === 'store') return importArchive(movement, from.message, to.message);
  if (from.is === 'store' && to.is === 'export') return exportArchive(movement, from.message, to.message);
  if (from.is === 'registry' && to.is === 'store') return pull(movement, from.message, to.message);
  if (from.is === 'store' && to.is === 'registry') return push(movement, from.message, to.message);
  return undefined;
}

async function tag({ images, services, signal }: Movement, from: ImageStore, to: ImageStore): Promise<void> {
  await images.tag(services, from.name, { names: namesFor(to), labels: to.labels, signal });
}

async function importArchive(
  { images, services, take, progress, signal }: Movement,
  from: ImageImportStream,
  to: ImageStore,
): Promise<void> {
  const stream = take(from.stream);
  progress.status('importing');
  const named = await images.import(services, receivedBytes(stream, { signal }), {
    ...namingOf(to),
    labels: to.labels,
    platforms: platformsOf(to.platforms),
    compress: from.forceCompress,
    signal,
  });
  for (const { name, target } of named) progress.image('saved', name, target);
  progress.status('imported');
}

async function exportArchive(
  { images, services, take, progress, signal }: Movement,
  from: ImageStore,
  to: ImageExportStream,
): Promise<void> {
  const stream = take(to.stream);
  progress.status('exporting');
  const own = to.platforms.length === 0 ? [formatPlatform(hostPlatform())] : platformsOf(to.platforms);
  const archive = images.export(services, namesOf(from), {
    platforms: to.allPlatforms ? 'all' : own,
    layoutOnly: to.skipCompatibilityManifest,
    distributableOnly: to.skipNonDistributable,
    signal,
  });
  await sendBytes(stream, archive, { signal });
  progress.status('exported');
}

async function pull(movement: Movement, from: OCIRegistry, to: ImageStore): Promise<void> {
  const { images, services, progress, signal } = movement;
  const names = namesFor(to);
  const [name = ''] = names;
  progress.status(`looking up ${from.reference}`);
  const target = await images.pull(services, registryImage(movement, from), {
    names,
    labels: to.labels,
    platforms: platformsOf(to.platforms),
    allMetadata: to.allMetadata,
    signal,
    onResolved: (root) => {
      progress.status(`pulling ${from.reference}`);
      progress.image('pulling', name, root);
    },
    onEvent: (event) => progress.object(name, 'downloading', event),
  });
  for (const one of names) progress.image('saved', one, target);
  progress.status(`pulled ${from.reference}`);
}

async function push(movement: Movement, { name, platforms }: ImageStore, to: OCIRegistry): Promise<void> {
  const { images, services, progress, signal } = movement;
  progress.status(`pushing ${to.reference}`);
  await images.push(services, name, registryImage(movement, to), {
    platforms: platformsOf(platforms),
    signal,
    onResolved: (root) => progress.image('pushing', name, root),
    onEvent: (event) => progress.object(name, 'uploading', event),
  });
  progress.status(`pushed ${to.reference}`);
}

function registryImage({ take }: Movement, { reference, resolver }: OCIRegistry): RegistryImage {
  const { authStream = '', hostDir = '', defaultScheme = '', headers = {}, httpDebug } = resolver ?? {};
  if (Object.keys(headers).length > 0) throw unsupported('sends no headers of its clients to registries');
  if ((httpDebug ?? HTTPDebug.DISABLED) !== HTTPDebug.DISABLED)
    throw unsupported('shows no requests to registries: leave --http-dump and --http-trace out');
  return {
    reference,
    plainHttp: defaultScheme === 'http',
    hostsDirectory: hostDir === '' ? undefined : hostDir,
    authenticate: authStream === '' ? undefined : authenticateOver(take(authStream), reference),
  };
}

/** What containerd makes of the references of a store that an archive goes to. */
function namingOf({
  name,
  extraReferences,
}: ImageStore): Pick<ImportOptions, 'indexName' | 'prefix' | 'foreign' | 'digests'> {
  const [prefix, ...more] = extraReferences;
  if (more.length > 0 || prefix?.isPrefix === false)
    throw unsupported('names the images of an archive by one repository, which ends without a tag');
  const digests = prefix?.skipNamedDigest === true ? 'unnamed' : 'all';
  return {
    indexName: name === '' ? undefined : name,
    prefix: prefix?.name,
    foreign: prefix?.allowOverwrite === true,
    digests: prefix?.addDigest === true ? digests : undefined,
  };
}

function unsupported(what: string): DrayError {
  return new DrayError('not-implemented', `dray ${what}`);
}
