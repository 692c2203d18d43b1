import { DrayError } from '../errors.ts';

/**
 * Lets one call at a time into something that would do wrong with two: of writes that do not wait for each other, each would
 * go to where the other one goes, and a blob would come out that does not have its digest.
 */
export class OneCall {
  #isBusy = false;

  /** @throws DrayError `failed-precondition` while another call runs; what `call` throws. */
  async run<T>(what: string, call: () => Promise<T>): Promise<T> {
    if (this.#isBusy) {
      throw new DrayError('failed-precondition', `cannot ${what}: another call of its writer is under way`, {
        hint: 'await each call before the next',
      });
    }
    this.#isBusy = true;
    try {
      return await call();
    } finally {
      this.#isBusy = false;
    }
  }
}
