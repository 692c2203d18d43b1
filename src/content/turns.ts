/** Lets things with the same key happen one after another, and all others at once. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs when all that came before under the key has ended, well or not. */
  async take<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = before.then(run, run);
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}
