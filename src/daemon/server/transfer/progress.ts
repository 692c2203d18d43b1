import type { MessageInitShape } from '@bufbuild/protobuf';
import { waitAtMost } from '../../../content/abort.ts';
import { refOf } from '../../../content/copy.ts';
import type { TransferEvent } from '../../../images/transfer.ts';
import type { Descriptor } from '../../../spec/descriptor.ts';
import { packAny } from '../../any.ts';
import { ProgressSchema } from '../../gen/transfer_types_pb.ts';
import { toDescriptor } from '../../messages.ts';
import type { MessageStream } from './message-stream.ts';

type Message = MessageInitShape<typeof ProgressSchema>;

/** Milliseconds between two rounds of messages. */
const interval = 100;

/** Milliseconds that a client gets at the end to take what is left. */
const lastWait = 1_000;

/**
 * Tells a client how a transfer goes, in rounds: of several messages about one thing in between it gets the last. A client
 * that does not read holds nothing up.
 */
export class Progress implements AsyncDisposable {
  readonly #stream: MessageStream | undefined;
  readonly #pending = new Map<string, Message>();
  #timer: NodeJS.Timeout | undefined;
  #told: Promise<void> = Promise.resolve();

  /** Without a stream nobody is told. */
  constructor(stream: MessageStream | undefined) {
    this.#stream = stream;
  }

  /** What happens as a whole. */
  status(event: string): void {
    this.#tell({ event });
  }

  /** What happened to an image. */
  image(event: string, name: string, target: Descriptor): void {
    this.#tell({ event, name, desc: toDescriptor(target) });
  }

  /** What happens to an object of an image; `active` says which way it moves. */
  object(image: string, active: 'downloading' | 'uploading', { target, state, offset }: TransferEvent): void {
    const event = { ...states, active }[state];
    if (event === undefined) return;
    this.#tell({
      event,
      name: refOf(target),
      parents: [image],
      progress: BigInt(state === 'active' || event === states.waiting ? offset : target.size),
      total: BigInt(target.size),
      desc: toDescriptor(target),
    });
  }

  #tell(message: Message): void {
    if (this.#stream === undefined) return;
    this.#pending.set(message.name ?? '', message);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sendPending();
    }, interval).unref();
  }

  #sendPending(): void {
    this.#told = this.#told.then(async () => {
      const messages = [...this.#pending.values()];
      this.#pending.clear();
      // That the client is gone is told by the call itself.
      for (const message of messages) await this.#stream?.send(packAny(ProgressSchema, message)).catch(() => {});
    });
  }

  /** Sends what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#pending.size > 0) this.#sendPending();
    await waitAtMost(lastWait, this.#told);
  }
}

const states: Readonly<Partial<Record<TransferEvent['state'], string>>> = {
  waiting: 'waiting',
  locked: 'waiting',
  pushed: 'complete',
  exists: 'already exists',
  mounted: 'already exists',
  skipped: 'already exists',
};
