import { join } from 'node:path';
import { start } from '../../test/support/processes.ts';
import type { Case } from '../rounds.ts';
import { caseOf, type Field, placeAt } from './transfers.ts';

const proxy = join(import.meta.dirname, '..', 'programs', 'slow-link.ts');
const roundTrip = 50;
const rate = 100e6 / 8;

/** A pull over a link with 50 ms of round-trip time and 100 Mbit/s for each connection. */
export async function slowPullCase(field: Field, resources: AsyncDisposableStack): Promise<Case> {
  const [, port = ''] = field.source.host.split(':');
  const link = resources.use(start(process.execPath, [proxy, port, String(roundTrip), String(rate)]));
  const [, host = ''] = await link.printed(/at (\S+)/);
  const from = placeAt({ host }, field.image);
  return caseOf('slow-pull', field, (tool) => {
    const trial = tool.pull?.(from);
    // The link is what takes the time: a flush of what came over it makes no other run.
    return trial === undefined ? undefined : { ...trial, output: undefined };
  });
}
