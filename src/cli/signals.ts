import { DrayError } from '../errors.ts';

/** Turns the first interruption into an aborted signal; the second ends the process at once. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** 130 or 143 after a signal. */
  exitCode(): number | undefined;
}

const codes = { SIGINT: 130, SIGTERM: 143 } as const;

export function signals(): Interruption {
  const controller = new AbortController();
  let code: number | undefined;
  const listeners = Object.entries(codes).map(([name, exitCode]) => {
    const listener = (): void => {
      if (code !== undefined) process.exit(exitCode);
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
