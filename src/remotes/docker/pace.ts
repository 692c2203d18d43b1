import { rest } from '../../content/abort.ts';
import { Gate } from './gate.ts';

const metadataConcurrency = 16;
const startingConcurrency = 4;

/** How long a server that did not answer is passed over, in milliseconds. */
const avoidance = 60_000;

/** How much is asked of one server at once, and when: the same for all who ask it. */
export class Pace {
  /** Small requests, which never wait behind bodies: whoever has a place here waits for nobody else's. */
  readonly metadata: Gate = new Gate(metadataConcurrency, metadataConcurrency);
  /** Small bodies; who reads them may have to send something first. */
  readonly smallDownloads: Gate = new Gate(metadataConcurrency, metadataConcurrency);
  readonly downloads: Gate;
  readonly uploads: Gate;
  #resumeAt = 0;
  #avoidUntil = 0;

  /** At most `concurrency` bodies travel in each direction; few at first. */
  constructor(concurrency: number) {
    this.downloads = new Gate(startingConcurrency, concurrency);
    this.uploads = new Gate(startingConcurrency, concurrency);
  }

  /** The server asked for less: fewer things at once, and nothing for so many milliseconds. */
  slowDown(pause: number): void {
    for (const gate of [this.metadata, this.smallDownloads, this.downloads, this.uploads]) gate.shrink();
    this.#resumeAt = Math.max(this.#resumeAt, performance.now() + pause);
  }

  /** Waits while the server is to be left alone. */
  async ready(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const left = this.#resumeAt - performance.now();
      if (left <= 0) return;
      await rest(left, signal);
    }
  }

  /** The server did not answer: whoever has another one asks that. */
  avoid(): void {
    this.#avoidUntil = performance.now() + avoidance;
  }

  get isAvoided(): boolean {
    return performance.now() < this.#avoidUntil;
  }
}
