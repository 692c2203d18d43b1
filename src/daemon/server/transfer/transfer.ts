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
import { type Routes, routesOf, type ServerCall } from '../../grpc/service.ts';
import { namespaceOf, servicesFor, type Tenants } from '../tenant.ts';
import { authenticateOver } from './authenticate.ts';
import { receivedBytes, sendBytes } from './bytes.ts';
import type { ImageTransfers, RegistryImage } from './image-transfers.ts';
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
      await move(new Movement(images, servicesFor(tenants, call), { take, progress, call }), request);
      return {};
    },
  });
}

async function move(movement: Movement, { source, destination }: TransferRequest): Promise<void> {
  const [from, to] = [partyOf(source), partyOf(destination)];
  const moved = from && to && movement.between(from, to);
  if (moved === undefined) {
    const [one, other] = [source, destination].map((party) => (party && typeOfAny(party).slice(0, 100)) || 'nothing');
    throw new DrayError('not-implemented', `dray transfers nothing from ${one} to ${other}`);
  }
  await moved;
}

interface MovementOptions {
  /** Takes a stream that the request names. It is ended after the call. */
  readonly take: (id: string) => MessageStream;
  readonly progress: Progress;
  readonly call: ServerCall;
}

/** One call. */
class Movement {
  readonly #images: ImageTransfers;
  readonly #services: Services;
  readonly #take: MovementOptions['take'];
  readonly #progress: Progress;
  readonly #signal: AbortSignal;

  constructor(images: ImageTransfers, services: Services, { take, progress, call }: MovementOptions) {
    this.#images = images;
    this.#services = services;
    this.#take = take;
    this.#progress = progress;
    this.#signal = call.signal;
  }

  /** Moves what there is between two parties; undefined when there is no such way. */
  between(from: Party, to: Party): Promise<void> | undefined {
    if (from.is === 'store' && to.is === 'store') return this.#tag(from.message, to.message);
    if (from.is === 'import' && to.is === 'store') return this.#import(from.message, to.message);
    if (from.is === 'store' && to.is === 'export') return this.#export(from.message, to.message);
    if (from.is === 'registry' && to.is === 'store') return this.#pull(from.message, to.message);
    if (from.is === 'store' && to.is === 'registry') return this.#push(from.message, to.message);
    return undefined;
  }

  async #tag(from: ImageStore, to: ImageStore): Promise<void> {
    const options = { names: namesFor(to), labels: to.labels, signal: this.#signal };
    await this.#images.tag(this.#services, from.name, options);
  }

  async #import(from: ImageImportStream, to: ImageStore): Promise<void> {
    const signal = this.#signal;
    const stream = this.#take(from.stream);
    this.#progress.status('importing');
    const named = await this.#images.import(this.#services, receivedBytes(stream, { signal }), {
      ...namingOf(to),
      labels: to.labels,
      platforms: platformsOf(to.platforms),
      compress: from.forceCompress,
      signal,
    });
    for (const { name, target } of named) this.#progress.image('saved', name, target);
    this.#progress.status('imported');
  }

  async #export(from: ImageStore, to: ImageExportStream): Promise<void> {
    const signal = this.#signal;
    const stream = this.#take(to.stream);
    this.#progress.status('exporting');
    const own = to.platforms.length === 0 ? [formatPlatform(hostPlatform())] : platformsOf(to.platforms);
    const archive = this.#images.export(this.#services, namesOf(from), {
      platforms: to.allPlatforms ? 'all' : own,
      layoutOnly: to.skipCompatibilityManifest,
      distributableOnly: to.skipNonDistributable,
      signal,
    });
    await sendBytes(stream, archive, { signal });
    this.#progress.status('exported');
  }

  async #pull(from: OCIRegistry, to: ImageStore): Promise<void> {
    const names = namesFor(to);
    const [name = ''] = names;
    this.#progress.status(`looking up ${from.reference}`);
    const target = await this.#images.pull(this.#services, this.#registry(from), {
      names,
      labels: to.labels,
      platforms: platformsOf(to.platforms),
      allMetadata: to.allMetadata,
      signal: this.#signal,
      onResolved: (root) => {
        this.#progress.status(`pulling ${from.reference}`);
        this.#progress.image('pulling', name, root);
      },
      onEvent: (event) => this.#progress.object(name, 'downloading', event),
    });
    for (const one of names) this.#progress.image('saved', one, target);
    this.#progress.status(`pulled ${from.reference}`);
  }

  async #push(from: ImageStore, to: OCIRegistry): Promise<void> {
    const { name } = from;
    this.#progress.status(`pushing ${to.reference}`);
    await this.#images.push(this.#services, name, this.#registry(to), {
      platforms: platformsOf(from.platforms),
      signal: this.#signal,
      onResolved: (root) => this.#progress.image('pushing', name, root),
      onEvent: (event) => this.#progress.object(name, 'uploading', event),
    });
    this.#progress.status(`pushed ${to.reference}`);
  }

  #registry({ reference, resolver }: OCIRegistry): RegistryImage {
    const { authStream = '', hostDir = '', defaultScheme = '', headers = {}, httpDebug } = resolver ?? {};
    if (Object.keys(headers).length > 0) throw unsupported('sends no headers of its clients to registries');
    if ((httpDebug ?? HTTPDebug.DISABLED) !== HTTPDebug.DISABLED)
      throw unsupported('shows no requests to registries: leave --http-dump and --http-trace out');
    return {
      reference,
      plainHttp: defaultScheme === 'http',
      hostsDirectory: hostDir === '' ? undefined : hostDir,
      authenticate: authStream === '' ? undefined : authenticateOver(this.#take(authStream), reference),
    };
  }
}

/** What containerd makes of the references of a store that an archive goes to. */
function namingOf({ name, extraReferences }: ImageStore): {
  readonly indexName: string | undefined;
  readonly prefix: string | undefined;
  readonly foreign: boolean;
  readonly digests: 'all' | 'unnamed' | undefined;
} {
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
