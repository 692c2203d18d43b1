import { collection } from './collection.ts';
import { content } from './content.ts';
import { events } from './events.ts';
import { images } from './images.ts';
import { leases } from './leases.ts';
import type { Migration } from './migration.ts';

/** Every step in order: the schema's version is how many have been taken. A new one goes to the end. */
export const migrations: readonly Migration[] = [content, images, leases, events, collection];
