import type { ProgressEvent } from '../../client/copy.ts';
import type { Output } from '../output.ts';
import { resolvedLine, summaryLine, Tally } from './tally.ts';

const heartbeat = 15_000;

/** For pipes and logs: a line for each change of an image, and one now and then while it takes its time. */
export class PlainProgress implements Disposable {
  readonly #verb: string;
  readonly #output: Output;
  readonly #tally = new Tally();
  #started = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(verb: string, output: Output) {
    this.#verb = verb;
    this.#output = output;
  }

  report(event: ProgressEvent): void {
    const now = performance.now();
    this.#tally.take(event, now);
    if (event.type === 'resolved') {
      this.#started = now;
      this.#output.say(resolvedLine(event.name, event.target));
      this.#timer ??= setInterval(() => this.#output.say(this.#tally.line(performance.now())), heartbeat).unref();
    } else if (event.type === 'done') {
      this.#output.say(summaryLine(this.#verb, event.summary, now - this.#started));
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
