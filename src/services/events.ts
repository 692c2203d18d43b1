import type { AbortableOptions, Labels } from '../content/store.ts';
import type { Timestamp } from '../spec/timestamp.ts';

/** Something that changed in a store. */
export interface StoreEvent {
  readonly timestamp: Timestamp;
  readonly namespace: string;
  /** `/images/create`, `/content/delete`, … (containerd.md 4.7). */
  readonly topic: string;
  /** The fields of the event, as containerd names them: `name`, `labels`, `digest`, … */
  readonly event: Readonly<Record<string, string | Labels>>;
}

/** Tells what changes. */
export interface EventSource {
  /**
   * What happens from now on in every namespace, in whatever process, until the caller stops reading or aborts. Filter fields:
   * `topic`, `namespace`, `event.FIELD`.
   */
  subscribe(filters?: readonly string[], options?: AbortableOptions): AsyncIterable<StoreEvent>;
}
