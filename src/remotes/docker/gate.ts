/** How many things go on at once: it grows while all goes well and is halved when the other side asks for less. */
export class Gate {
  readonly #most: number;
  #limit: number;
  #active = 0;
  #successes = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(start: number, most: number) {
    this.#most = Math.max(1, most);
    this.#limit = Math.min(Math.max(1, start), this.#most);
  }

  /** How many may go on at this moment. */
  get limit(): number {
    return this.#limit;
  }

  /** Waits for a place, first come, first served. The caller leaves it by calling what it gets, once. */
  async enter(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#active >= this.#limit) await this.#turn(signal);
    else this.#active += 1;
    return this.#leave();
  }

  /** A place, if there is one at once. */
  tryEnter(): (() => void) | undefined {
    if (this.#active >= this.#limit || this.#waiting.length > 0) return undefined;
    this.#active += 1;
    return this.#leave();
  }

  /** Something went well. */
  grow(): void {
    this.#successes += 1;
    if (this.#successes < this.#limit || this.#limit >= this.#most) return;
    this.#successes = 0;
    this.#limit += 1;
    this.#admit();
  }

  /** The other side asked for less. */
  shrink(): void {
    this.#successes = 0;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
  }

  // A place is handed over, so that nobody slips in between.
  #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const admit = (): void => {
      signal?.removeEventListener('abort', abort);
      resolve();
    };
    const abort = (): void => {
      const place = this.#waiting.indexOf(admit);
      if (place !== -1) this.#waiting.splice(place, 1);
      reject(signal?.reason);
    };
    this.#waiting.push(admit);
    signal?.addEventListener('abort', abort, { once: true });
    return promise;
  }

  #leave(): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#active -= 1;
      this.#admit();
    };
  }

  #admit(): void {
    while (this.#active < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#active += 1;
      next();
    }
  }
}
