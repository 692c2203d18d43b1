import { homedir, userInfo } from 'node:os';

/** Variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The home directory of the user: what `HOME` says, or the system where that is not set or empty, or `/` for a user whom the system
 * does not know, as containers have them.
 */
export function homeDirectory(): string {
  try {
    // Of an empty one a store, and credentials, would be in whatever directory is the current one.
    return homedir() || userInfo().homedir;
  } catch {
    return '/';
  }
}
