import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { AbortableOptions } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import type { Timestamp } from '../../spec/timestamp.ts';
import type { Call, Method } from '../grpc/call.ts';
import type { CallOptions, Channel } from '../grpc/channel.ts';

/** How one call of a session differs from the others. */
export interface SessionCallOptions extends AbortableOptions {
  /** The lease that holds what the call makes. */
  readonly lease?: string | undefined;
  /** The answer takes as long as there are bytes to be read again, flushed or removed. */
  readonly slow?: boolean | undefined;
  /** There may never be anything to answer. */
  readonly patient?: boolean | undefined;
  /** Answers may be good only until the next but one is asked for. */
  readonly transient?: boolean | undefined;
}

/** How much longer than the others a slow call may take. */
const slowFactor = 10;

/** Calls to a daemon within one namespace. */
export class Session {
  readonly namespace: string;
  readonly channel: Channel;
  /** Ingests that this process has open there, each with its namespace, and since when. */
  readonly open: Map<string, Timestamp>;
  readonly #timeout: number;

  /** `timeout`: milliseconds to wait for an answer. */
  constructor(channel: Channel, namespace: string, timeout: number, open: Map<string, Timestamp> = new Map()) {
    this.channel = channel;
    this.namespace = namespace;
    this.open = open;
    this.#timeout = timeout;
  }

  /** The same daemon, another namespace. */
  in(namespace: string): Session {
    return new Session(this.channel, namespace, this.#timeout, this.open);
  }

  /** One message there, one back. */
  async call<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageInitShape<I>,
    options?: SessionCallOptions,
  ): Promise<MessageShape<O>> {
    return await this.channel.unary(method, message, this.#options(options));
  }

  /** One message there, any number back. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageInitShape<I>,
    options?: SessionCallOptions,
  ): AsyncGenerator<MessageShape<O>> {
    return this.channel.serverStream(method, message, this.#options(options));
  }

  /** A call that the caller leads. */
  begin<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    options?: SessionCallOptions,
  ): Promise<Call<I, O>> {
    return this.channel.open(method, this.#options(options));
  }

  #options({ lease, slow = false, patient = false, transient, signal }: SessionCallOptions = {}): CallOptions {
    return {
      signal,
      transient,
      timeout: patient ? undefined : this.#timeout * (slow ? slowFactor : 1),
      metadata: {
        'containerd-namespace': this.namespace,
        ...(lease === undefined ? {} : { 'containerd-lease': asField(lease) }),
      },
    };
  }
}

// What a field of headers cannot carry gets lost on its way without a word, and nothing would be held.
function asField(lease: string): string {
  if (/^[!-~](?:[ -~]*[!-~])?$/.test(lease)) return lease;
  throw new DrayError('invalid-argument', `a call cannot name lease ${JSON.stringify(lease)}`, {
    hint: 'make one with an id of printable ASCII',
  });
}
