import type { AbortableOptions } from '../../content/store.ts';
import type { EventSource, StoreEvent } from '../../services/events.ts';
import { unpackEvent } from '../event-types.ts';
import { Events, type SubscribeRequestSchema } from '../gen/events_pb.ts';
import type { EnvelopeSchema } from '../gen/types_pb.ts';
import type { Call } from '../grpc/call.ts';
import { fromTimestamp } from '../messages.ts';
import type { Session } from './session.ts';

type Subscription = Call<typeof SubscribeRequestSchema, typeof EnvelopeSchema>;

/** What a daemon tells. */
export class DaemonEvents implements EventSource {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  subscribe(filters: readonly string[] = [], { signal }: AbortableOptions = {}): AsyncIterable<StoreEvent> {
    signal?.throwIfAborted();
    const call = this.#begin([...filters], signal);
    // Told to who reads.
    call.catch(() => {});
    return follow(call);
  }

  async #begin(filters: string[], signal: AbortSignal | undefined): Promise<Subscription> {
    const call = await this.#session.begin(Events.method.subscribe, { signal, patient: true });
    await call.send({ filters });
    call.finish();
    return call;
  }
}

async function* follow(begun: Promise<Subscription>): AsyncGenerator<StoreEvent> {
  const call = await begun;
  try {
    for (let told = await call.next(); told !== undefined; told = await call.next()) {
      const { timestamp, namespace, topic, event } = told;
      yield { timestamp: fromTimestamp(timestamp), namespace, topic, event: unpackEvent(topic, event) };
    }
  } finally {
    await call.cancel();
  }
}
