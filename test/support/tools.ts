import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Why a test that needs these programs cannot run here; false when it can. In CI a missing program is an error, so that no
 * test is lost in silence.
 */
export function unlessInstalled(...names: readonly string[]): string | false {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return false;
  const message = `not installed: ${missing.join(', ')}`;
  if (process.env['CI'] !== undefined) throw new Error(message);
  return message;
}

/** Why a test that needs the data of other projects cannot run here; false when it can. */
export function unlessFixtures(): string | false {
  if (existsSync(sharedFixtures)) return false;
  if (process.env['CI'] !== undefined) throw new Error(`no fixtures at ${sharedFixtures}`);
  return 'the fixtures of other projects are not here';
}

/** Where the data of other projects is, when it is there. */
export const sharedFixtures: string = join(import.meta.dirname, '..', '..', '..', 'shared', 'fixtures');

function isInstalled(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
