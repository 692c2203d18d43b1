import { createHmac, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import pLimit from 'p-limit';
import type { AbortableOptions } from '../../content/store.ts';
import { DrayError, toDrayError, withContext } from '../../errors.ts';
import type { Authentication, Identity } from './authentication.ts';
import { Bcrypt, isBcrypt, maximumCost } from './bcrypt.ts';

/** Users and their bcrypt hashes. */
type Users = ReadonlyMap<string, string>;

const mostChecks = 2;
const rememberedLimit = 1000;

/**
 * Users with passwords, from a file as `htpasswd -B` writes it: each may do everything. The file is read again when it has
 * changed, so who is taken out of it is out at once.
 * @throws DrayError `not-found` when there is no such file; `invalid-argument`, with the line, for one that has anything but
 * bcrypt hashes.
 */
export async function htpasswd(path: string): Promise<Authentication> {
  const file = new PasswordFile(path);
  await file.users();
  return new Passwords(file);
}

class Passwords implements Authentication {
  readonly scoped = false;
  readonly #file: PasswordFile;
  readonly #bcrypt = new Bcrypt();
  // A check takes a while on purpose. Without a bound, wrong passwords would be a way to stop the registry.
  readonly #limit = pLimit(mostChecks);
  readonly #key = randomBytes(32);
  readonly #remembered = new Set<string>();

  constructor(file: PasswordFile) {
    this.#file = file;
  }

  async identify(authorization: string | undefined, { signal }: AbortableOptions = {}): Promise<Identity | undefined> {
    const credentials = parseBasic(authorization);
    if (credentials === undefined) return undefined;
    const { name, password } = credentials;
    const users = await this.#file.users();
    const hash = users.get(name);
    // Somebody who is not there takes as long as somebody who is, so that names cannot be found out.
    const [decoy] = users.values();
    const known = await this.#check(password, hash ?? decoy, signal);
    return known && hash !== undefined ? { name, allows: () => true } : undefined;
  }

  challenge(): string {
    return 'Basic realm="dray registry", charset="UTF-8"';
  }

  // A password that was right for a hash stays so: what is kept is a digest under a key of this process.
  async #check(password: string, hash: string | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    if (hash === undefined) return false;
    const proof = createHmac('sha256', this.#key).update(hash).update('\0').update(password).digest('base64');
    if (this.#remembered.has(proof)) return true;
    const right = await this.#limit(() => {
      // Or else a flood of wrong passwords would keep everybody waiting long after it is over.
      signal?.throwIfAborted();
      return this.#bcrypt.matches(password, hash);
    });
    if (!right) return false;
    if (this.#remembered.size >= rememberedLimit) this.#remembered.clear();
    this.#remembered.add(proof);
    return true;
  }
}

/** Name and password of a `Basic` header (RFC 7617). */
function parseBasic(authorization: string | undefined): { name: string; password: string } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The users of a file, as it is at the moment. */
class PasswordFile {
  readonly #path: string;
  #read: { readonly version: string; readonly users: Promise<Users> } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async users(): Promise<Users> {
    try {
      const { mtimeNs, ino, size } = await stat(this.#path, { bigint: true });
      const version = `${mtimeNs} ${ino} ${size}`;
      if (this.#read?.version !== version) this.#read = { version, users: readUsers(this.#path) };
      return await this.#read.users;
    } catch (error) {
      throw withContext(toDrayError(error), { operation: 'read the password file', path: this.#path });
    }
  }
}

async function readUsers(path: string): Promise<Users> {
  const users = new Map<string, string>();
  for (const [index, raw] of (await readFile(path, 'utf8')).split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [name = '', hash = ''] = line.split(':');
    if (name === '' || !isBcrypt(hash)) {
      throw new DrayError('invalid-argument', `line ${index + 1} of the password file is no bcrypt entry`, {
        path,
        hint: `make the entry with: htpasswd -B, at a cost of at most ${maximumCost}`,
      });
    }
    users.set(name, hash);
  }
  return users;
}
