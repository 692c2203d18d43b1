import type { AbortableOptions, Labels } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { type Filter, fieldsOf, parseFilters } from '../filters/filter.ts';
import type { EventSource, StoreEvent } from '../services/events.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Database, Rows, Transaction } from './database.ts';

/** Events that are kept for who reads slowly; the older ones are dropped. */
export const eventsKept = 10_000;

const pageSize = 500;
const pollMilliseconds = 50;

interface EventRow {
  readonly sequence: bigint;
  readonly timestamp: bigint;
  readonly namespace: string;
  readonly topic: string;
  readonly fields: string;
}

/** Records a change as part of the transaction that makes it. */
export function publish(
  transaction: Transaction,
  namespace: string,
  topic: string,
  fields: Readonly<Record<string, string | Labels>>,
): void {
  transaction.run(
    'INSERT INTO event (timestamp, namespace, topic, fields) VALUES (?, ?, ?, ?)',
    Timestamp.now().nanoseconds,
    namespace,
    topic,
    JSON.stringify(fields),
  );
  pruneEvents(transaction);
}

/** Drops what is too old to be kept. */
export function pruneEvents(transaction: Transaction): void {
  transaction.run('DELETE FROM event WHERE sequence <= (SELECT max(sequence) FROM event) - ?', eventsKept);
}

/** The changes of a directory, made by whatever process. */
export class Events implements EventSource {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  subscribe(filters: readonly string[] = [], { signal }: AbortableOptions = {}): AsyncIterable<StoreEvent> {
    const filter = parseFilters(filters);
    signal?.throwIfAborted();
    return this.#follow(lastSequence(this.#database), filter, signal);
  }

  async *#follow(start: bigint, filter: Filter, signal: AbortSignal | undefined): AsyncGenerator<StoreEvent> {
    for (let position = start; ; ) {
      signal?.throwIfAborted();
      const rows = this.#database.all<EventRow>(
        'SELECT * FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?',
        position,
        pageSize,
      );
      // The sequence has no holes but the one that dropping makes.
      const lost = (rows[0]?.sequence ?? position + 1n) - position - 1n;
      if (lost > 0n) throw fellBehind(lost);
      for (const row of rows) {
        position = row.sequence;
        const event = eventOf(row);
        if (filter(fieldsOf({ namespace: event.namespace, topic: event.topic, event: event.event }))) yield event;
      }
      if (rows.length < pageSize) await this.#database.changed(pollMilliseconds, signal);
    }
  }
}

function lastSequence(rows: Rows): bigint {
  return rows.get<{ last: bigint }>("SELECT seq AS last FROM sqlite_sequence WHERE name = 'event'")?.last ?? 0n;
}

function fellBehind(lost: bigint): DrayError {
  return new DrayError('out-of-range', `the subscriber fell behind: ${lost} events are lost`, {
    side: 'store',
    hint: 'subscribe again and look at the present state',
  });
}

function eventOf({ timestamp, namespace, topic, fields }: EventRow): StoreEvent {
  return { timestamp: new Timestamp(timestamp), namespace, topic, event: JSON.parse(fields) as StoreEvent['event'] };
}
