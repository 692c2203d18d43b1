import type { ProgressEvent } from '../../client/copy.ts';
import type { Output } from '../output.ts';

const interval = 100;

/**
 * For programs: every event as a JSON line on stderr, `{"v":1,"t":"blob","op":"pull","digest":…,"state":…,"offset":…,"total":…}`.
 * Of a blob on its way at most ten lines a second.
 */
export class JsonProgress implements Disposable {
  readonly #verb: string;
  readonly #output: Output;
  readonly #told = new Map<string, { readonly state: string; readonly at: number }>();

  constructor(verb: string, output: Output) {
    this.#verb = verb;
    this.#output = output;
  }

  report(event: ProgressEvent): void {
    const head = { v: 1, t: event.type, op: this.#verb };
    if (event.type === 'resolved') {
      const { mediaType, digest, size } = event.target;
      this.#output.sayJson({ ...head, name: event.name, mediaType, digest, size });
    } else if (event.type === 'done') {
      this.#output.sayJson({ ...head, reference: event.reference, ...event.summary });
    } else {
      const { mediaType, digest, size } = event.target;
      const now = performance.now();
      const last = this.#told.get(digest);
      if (last?.state === event.state && now - last.at < interval) return;
      this.#told.set(digest, { state: event.state, at: now });
      this.#output.sayJson({
        ...head,
        digest,
        mediaType,
        state: event.state,
        offset: event.offset,
        total: size,
        resumed: event.resumed,
      });
    }
  }

  [Symbol.dispose](): void {}
}
