import { DrayError } from '../errors.ts';
import { closedWriter } from './outcomes.ts';

/**
 * The calls of one writer: none after its end, and one at a time. Of writes that do not wait for each other, each would go to
 * where the other one goes, and a blob would come out that does not have its digest.
 */
export class WriterCalls {
  readonly #ref: string;
  #isBusy = false;
  #isClosed = false;

  constructor(ref: string) {
    this.#ref = ref;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Lets a call in that is not let in beside another one.
   * @throws DrayError `failed-precondition` while another call runs and after {@link close}; what `call` throws.
   */
  async run<T>(verb: string, call: () => Promise<T>): Promise<T> {
    if (this.#isBusy) {
      throw new DrayError(
        'failed-precondition',
        `cannot ${verb} ingest ${this.#ref}: another call of its writer is under way`,
        {
          hint: 'await each call before the next',
        },
      );
    }
    this.checkOpen(verb);
    this.#isBusy = true;
    try {
      return await call();
    } finally {
      this.#isBusy = false;
    }
  }

  /** For a call that may run beside another one. @throws DrayError `failed-precondition` after {@link close}. */
  checkOpen(verb: string): void {
    if (this.#isClosed) throw closedWriter(verb, this.#ref);
  }

  /** Lets no call in any more. Returns whether it was this call that did it. */
  close(): boolean {
    const wasOpen = !this.#isClosed;
    this.#isClosed = true;
    return wasOpen;
  }
}
