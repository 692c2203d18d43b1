import type { ContentStore } from '../content/store.ts';
import type { EventSource } from './events.ts';
import type { ImageStore } from './image-store.ts';
import type { LeaseManager } from './lease-manager.ts';
import type { NamespaceStore } from './namespace-store.ts';

/**
 * What one namespace of a store offers. Two things implement it, a directory (`metadata/`) and a containerd daemon
 * (`daemon/`); a client takes either and cannot tell which it has.
 */
export interface Services extends AsyncDisposable {
  /** The namespace that content, images, leases and events are seen in. */
  readonly namespace: string;
  readonly content: ContentStore;
  readonly images: ImageStore;
  readonly leases: LeaseManager;
  readonly events: EventSource;
  /** All namespaces of the store. */
  readonly namespaces: NamespaceStore;
}
