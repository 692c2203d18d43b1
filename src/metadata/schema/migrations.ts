import { collection } from './collection.ts';
import { content } from './content.ts';
import { events } from './events.ts';
import { images } from './images.ts';
import { leases } from './leases.ts';

/** One step of the database's schema. Once released it never changes; what comes later is a step of its own. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** Every step in order: the schema's version is how many have been taken. A new one goes to the end. */
export const migrations: readonly Migration[] = [content, images, leases, events, collection];
