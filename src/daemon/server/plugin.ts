import { DrayError, ifFound } from '../../errors.ts';
import type { Services } from '../../services/services.ts';
import type { ServedStore } from './tenant.ts';

/** Marks a namespace that belongs to a containerd which keeps its content in it. */
const dedicatedLabel = 'dray.content-plugin';

/**
 * Makes sure that a namespace is one that a containerd may have for itself: new, empty, or the daemon's from before.
 * @throws DrayError `failed-precondition` when it holds anything else.
 */
export async function dedicate(store: ServedStore, name: string): Promise<void> {
  const known = (await ifFound(store.namespaces.get(name)))?.labels;
  if (known?.[dedicatedLabel] === 'true') return;
  const held = await firstHeld(store.services(name));
  if (held !== undefined) {
    throw new DrayError('failed-precondition', `namespace ${name} holds ${held}, which containerd would delete`, {
      side: 'store',
      hint: 'give the daemon a namespace of its own: --namespace',
    });
  }
  const labels = { [dedicatedLabel]: 'true' };
  if (known === undefined) await store.namespaces.create({ name, labels });
  else await store.namespaces.update({ name, labels }, `labels.${dedicatedLabel}`);
}

async function firstHeld({ content, images, leases }: Services): Promise<string | undefined> {
  for await (const { name } of images.list()) return `image ${name}`;
  for await (const { digest } of content.walk()) return `blob ${digest}`;
  for await (const { ref } of content.statuses()) return `ingest ${ref}`;
  for await (const { id } of leases.list()) return `lease ${id}`;
  return undefined;
}
