import type { ProgressEvent } from '../../client/copy.ts';
import type { TransferEvent, TransferSummary } from '../../images/transfer.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { shortDigest } from '../../spec/digest.ts';
import { isIndex, isSchema1 } from '../../spec/media-types.ts';
import { formatDuration, formatSize } from '../units.ts';

const speedWindow = 5000;

const unfinished: ReadonlySet<TransferEvent['state']> = new Set(['waiting', 'locked', 'active', 'failed']);

/** Adds up what the events of a movement say; the views draw from it. Times are milliseconds of a steady clock. */
export class Tally {
  readonly #rows = new Map<string, TransferEvent>();
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];
  #moved = 0;
  name = '';
  root: Descriptor | undefined;

  take(event: ProgressEvent, now: number): void {
    if (event.type === 'resolved') {
      this.#rows.clear();
      this.name = event.name;
      this.root = event.target;
    } else if (event.type === 'blob') {
      const before = this.#rows.get(event.target.digest);
      if (event.state === 'active' && before?.state === 'active') this.#move(event.offset - before.offset, now);
      this.#rows.set(event.target.digest, event);
    }
  }

  #move(bytes: number, now: number): void {
    if (bytes <= 0) return;
    this.#moved += bytes;
    this.#samples.push({ at: now, bytes: this.#moved });
    while ((this.#samples[0]?.at ?? now) < now - speedWindow) this.#samples.shift();
  }

  /** Objects on their way, most left to do first. */
  get active(): TransferEvent[] {
    return [...this.#rows.values()]
      .filter((row) => row.state === 'active')
      .sort((a, b) => b.target.size - b.offset - (a.target.size - a.offset));
  }

  /** Everything in one line of numbers. */
  get totals(): {
    objects: number;
    done: number;
    offset: number;
    size: number;
    existing: number;
    existingSize: number;
    locked: number;
  } {
    const totals = { objects: 0, done: 0, offset: 0, size: 0, existing: 0, existingSize: 0, locked: 0 };
    for (const { target, state, offset } of this.#rows.values()) {
      if (state === 'skipped') continue;
      const done = !unfinished.has(state);
      totals.objects += 1;
      // Some are known by their digests alone until they are here.
      totals.size += Math.max(target.size, offset);
      totals.done += Number(done);
      totals.locked += Number(state === 'locked');
      totals.offset += done ? target.size : offset;
      if (state === 'exists' || state === 'mounted') {
        totals.existing += 1;
        totals.existingSize += target.size;
      }
    }
    return totals;
  }

  /** Bytes a second over the last few seconds, of this process alone. */
  speed(now: number): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || now - first.at < 250) return 0;
    return ((last.bytes - first.bytes) * 1000) / (now - first.at);
  }

  /** `3/7 blobs   26.4/71.3 MiB   2 exist (30.1 MiB saved)   23.4 MiB/s   eta 2s` */
  line(now: number): string {
    const { objects, done, offset, size, existing, existingSize, locked } = this.totals;
    const speed = this.speed(now);
    const parts = [`${done}/${objects} blobs`, `${formatSize(offset)} of ${formatSize(size)}`];
    if (existing > 0) parts.push(`${existing} exist (${formatSize(existingSize)} saved)`);
    if (locked > 0) parts.push(`${locked} awaited from another writer`);
    if (speed > 0) parts.push(`${formatSize(speed)}/s`);
    if (speed > 0 && size > offset) parts.push(`eta ${formatDuration(((size - offset) / speed) * 1000)}`);
    return parts.join('   ');
  }
}

/** `app:1  index sha256:9bc34afe08ca` */
export function resolvedLine(name: string, { mediaType, digest }: Descriptor): string {
  const kind = isSchema1(mediaType) ? 'schema 1 manifest' : isIndex(mediaType) ? 'index' : 'manifest';
  return `${name}  ${kind} ${shortDigest(digest)}`;
}

/** `pulled in 3.4s: 41.2 MiB fetched, 30.1 MiB reused` */
export function summaryLine(verb: string, summary: TransferSummary, milliseconds: number): string {
  const [past, moved] = pastTense[verb] ?? [verb, 'moved'];
  const saved = summary.bytesSaved > 0 ? `, ${formatSize(summary.bytesSaved)} reused` : '';
  return `${past} in ${formatDuration(milliseconds)}: ${formatSize(summary.bytesMoved)} ${moved}${saved}`;
}

const pastTense: Readonly<Record<string, readonly [string, string]>> = {
  pull: ['pulled', 'fetched'],
  push: ['pushed', 'sent'],
  copy: ['copied', 'moved'],
  import: ['imported', 'read'],
  export: ['exported', 'written'],
};
