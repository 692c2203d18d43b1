/** Work that goes on in the background, so much at once. The first failure is thrown at the next step. */
export class Tasks {
  readonly #atOnce: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Starts a task when there is room for it. @throws what an earlier task threw. */
  async start(run: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#atOnce) await Promise.race(this.#running);
    this.#check();
    const task = run()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Waits for the end of all tasks. @throws what a task threw. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
