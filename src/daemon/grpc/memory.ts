/** Where messages are put together. */
export interface MessageMemory {
  /** A place of at least this many bytes. */
  take(length: number): Buffer;
}

/** A fresh place for each message. */
export const freshMemory: MessageMemory = { take: (length) => Buffer.allocUnsafe(length) };

// Large messages have 1 MiB; what has come of the next one is behind them.
const placeSize = 1024 * 1024 + 128 * 1024;

/** One message is with the caller, one may be held back by whoever verifies, one waits to be asked for, one is on its way. */
const places = 6;

/** Few places in turn: for a call whose messages are done with by the time that the caller asks for the next but one. */
export function rotatingMemory(): MessageMemory {
  const taken: Buffer[] = [];
  return {
    take(length) {
      // A small one is cheap, and there may be many at once.
      if (length > placeSize || length < placeSize / 8) return Buffer.allocUnsafe(length);
      const place = taken.length < places ? Buffer.allocUnsafe(placeSize) : taken.shift();
      if (place === undefined) return Buffer.allocUnsafe(length);
      taken.push(place);
      return place.subarray(0, length);
    },
  };
}
