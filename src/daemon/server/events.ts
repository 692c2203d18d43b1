import { packEvent } from '../event-types.ts';
import { Events } from '../gen/events_pb.ts';
import { type Routes, routesOf } from '../grpc/service.ts';
import { toTimestamp } from '../messages.ts';
import type { Tenants } from './tenant.ts';

/** `containerd.services.events.v1.Events` over a store: what happens in all namespaces, from now on. */
export function eventsService({ store }: Tenants): Routes {
  return routesOf(Events, {
    async *subscribe({ filters }, { signal }) {
      // Any namespace tells of all.
      const { events } = store.services('default');
      for await (const { timestamp, namespace, topic, event } of events.subscribe(filters, { signal }))
        yield { timestamp: toTimestamp(timestamp), namespace, topic, event: packEvent(topic, event) };
    },
  });
}
