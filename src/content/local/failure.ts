import { codeOf, withContext } from '../../errors.ts';

/**
 * An error met on the disk, as a caller should see it: system errors get their kind and say what was being done, all
 * others (dray's own, a signal's reason) pass unchanged.
 */
export function storeFailure(error: unknown, operation: string): unknown {
  return codeOf(error) === undefined ? error : withContext(error, { side: 'store', operation });
}
