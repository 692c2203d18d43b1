import type { AbortableOptions, Labels } from '../content/store.ts';
import type { Timestamp } from '../spec/timestamp.ts';

/** Something that changed in a store. */
export interface StoreEvent {
  readonly timestamp: Timestamp;
  readonly namespace: string;
  /** `/images/create`, `/content/delete`, …: what kind of object, and what happened to it. */
  readonly topic: string;
  /** The fields of the event, as containerd names them: `name`, `labels`, `digest`, … */
  readonly event: Readonly<Record<string, string | Labels>>;
}

/** Tells what changes. */
export interface EventSource {
  /**
   * What happens from now on in every namespace, in whatever process, until the caller stops reading or aborts. Filter fields:
   * `topic`, `namespace`, `event.FIELD`, `event.labels.KEY`; a topic in a filter needs quotes, `topic=="/images/create"`.
   * @throws DrayError `invalid-argument` for a malformed filter; while reading, `out-of-range` when the caller fell so far
   * behind that events were dropped.
   */
  subscribe(filters?: readonly string[], options?: AbortableOptions): AsyncIterable<StoreEvent>;
}
