import { DrayError } from '../errors.ts';

/**
 * Turns the first interruption into an aborted signal; the second ends the process at once, unless it comes so soon after that it
 * is the same one: a terminal, `timeout` and programs between send it to the process and to its group.
 */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** 129, 130 or 143 after a signal. */
  exitCode(): number | undefined;
}

/** What comes within this time after a signal, in milliseconds, nobody has sent because it was not heeded. */
const sameSignal = 300;

// A terminal that is closed hangs up.
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export function signals(): Interruption {
  const controller = new AbortController();
  let code: number | undefined;
  let first = 0;
  const listeners = Object.entries(codes).map(([name, exitCode]) => {
    const listener = (): void => {
      if (code !== undefined && performance.now() - first < sameSignal) return;
      if (code !== undefined) process.exit(exitCode);
      first = performance.now();
      code = exitCode;
      controller.abort(new DrayError('canceled', `stopped by ${name}`));
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  return {
    signal: controller.signal,
    exitCode: () => code,
    [Symbol.dispose]() {
      for (const remove of listeners) remove();
    },
  };
}
