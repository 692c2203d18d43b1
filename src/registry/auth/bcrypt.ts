import { timingSafeEqual } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';

/**
 * Checks passwords against bcrypt hashes (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999), which is what
 * `htpasswd -B` writes and what Node has no function for. Costs a fraction of a second of one core, given up in small pieces.
 */
export class Bcrypt {
  readonly #initial: Blowfish = blowfishOfPi();

  /** Whether `password` is the one of `hash`. @throws RangeError for a malformed hash. */
  async matches(password: string, hash: string): Promise<boolean> {
    const { cost, salt, digest } = parseHash(hash);
    const key = new Uint8Array([...Buffer.from(password, 'utf8'), 0]).subarray(0, maximumKey);
    const cipher = { p: this.#initial.p.slice(), s: this.#initial.s.slice() };
    expand(cipher, key, salt);
    const zeros = new Uint8Array(saltLength);
    for (let round = 0; round < 2 ** cost; round += 1) {
      expand(cipher, key, zeros);
      expand(cipher, salt, zeros);
      if (round % roundsPerTurn === roundsPerTurn - 1) await turn();
    }
    return timingSafeEqual(encryptText(cipher).subarray(0, digest.byteLength), digest);
  }
}

const maximumKey = 72;
const saltLength = 16;
const roundsPerTurn = 16;
const digestLength = 23;
const alphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** The highest cost that is computed: above it, one attempt to log in would keep a core busy for seconds. */
export const maximumCost = 14;

/** Whether a text is a bcrypt hash that {@link Bcrypt} can check. */
export function isBcrypt(hash: string): boolean {
  const match = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash);
  return match !== null && Number(match[1]) >= 4 && Number(match[1]) <= maximumCost;
}

function parseHash(hash: string): { cost: number; salt: Uint8Array; digest: Uint8Array } {
  if (!isBcrypt(hash)) throw new RangeError('not a bcrypt hash, or one of too high a cost');
  const [, , cost = '', encoded = ''] = hash.split('$');
  return {
    cost: Number(cost),
    salt: decode(encoded.slice(0, 22)).subarray(0, saltLength),
    digest: decode(encoded.slice(22)).subarray(0, digestLength),
  };
}

// Base64 with an alphabet of its own and without padding.
function decode(text: string): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const character of text) {
    bits = ((bits << 6) | alphabet.indexOf(character)) & 0xffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push((bits >> count) & 0xff);
    }
  }
  return new Uint8Array(bytes);
}

interface Blowfish {
  readonly p: Int32Array;
  /** The four boxes, one after another. */
  readonly s: Int32Array;
}

const boxes = 1024;
const subkeys = 18;

// The tables of Blowfish begin as the digits of pi behind the point, 32 bits a word. Machin's formula gives them.
function blowfishOfPi(): Blowfish {
  const words = subkeys + boxes;
  const guard = 64n;
  const scale = 1n << (BigInt(words * 32) + guard);
  const pi = 16n * arctangentOfInverse(5n, scale) - 4n * arctangentOfInverse(239n, scale);
  const digits = ((pi - 3n * scale) >> guard).toString(16).padStart(words * 8, '0');
  const all = Int32Array.from({ length: words }, (_, index) =>
    Number.parseInt(digits.slice(index * 8, index * 8 + 8), 16),
  );
  return { p: all.slice(0, subkeys), s: all.slice(subkeys) };
}

function arctangentOfInverse(x: bigint, scale: bigint): bigint {
  let power = scale / x;
  let sum = power;
  for (let divisor = 3n, sign = -1n; power !== 0n; divisor += 2n, sign = -sign) {
    power /= x * x;
    sum += (sign * power) / divisor;
  }
  return sum;
}

/** Mixes a key and a salt into the tables. */
function expand({ p, s }: Blowfish, key: Uint8Array, salt: Uint8Array): void {
  for (let index = 0, at = 0; index < subkeys; index += 1) {
    let word = 0;
    for (let byte = 0; byte < 4; byte += 1) {
      word = (word << 8) | (key[at] ?? 0);
      at = (at + 1) % key.byteLength;
    }
    p[index] = (p[index] ?? 0) ^ word;
  }
  const salts = Int32Array.from({ length: 4 }, (_, index) => Buffer.from(salt).readInt32BE(index * 4));
  const block = new Int32Array(2);
  let at = 0;
  for (const table of [p, s]) {
    for (let index = 0; index < table.length; index += 2) {
      block[0] = (block[0] ?? 0) ^ (salts[at] ?? 0);
      block[1] = (block[1] ?? 0) ^ (salts[at + 1] ?? 0);
      at = 2 - at;
      encrypt(p, s, block);
      table[index] = block[0];
      table[index + 1] = block[1];
    }
  }
}

/** One block of Blowfish, in place. */
function encrypt(p: Int32Array, s: Int32Array, block: Int32Array): void {
  let left = (block[0] ?? 0) ^ (p[0] ?? 0);
  let right = block[1] ?? 0;
  for (let round = 1; round <= 16; round += 2) {
    right ^= mix(s, left) ^ (p[round] ?? 0);
    left ^= mix(s, right) ^ (p[round + 1] ?? 0);
  }
  block[0] = right ^ (p[17] ?? 0);
  block[1] = left;
}

function mix(s: Int32Array, x: number): number {
  const high = (s[x >>> 24] ?? 0) + (s[256 + ((x >>> 16) & 0xff)] ?? 0);
  return ((high ^ (s[512 + ((x >>> 8) & 0xff)] ?? 0)) + (s[768 + (x & 0xff)] ?? 0)) | 0;
}

const text = 'OrpheanBeholderScryDoubt';

function encryptText({ p, s }: Blowfish): Uint8Array {
  const bytes = Buffer.from(text, 'latin1');
  const block = new Int32Array(2);
  for (let at = 0; at < bytes.byteLength; at += 8) {
    block[0] = bytes.readInt32BE(at);
    block[1] = bytes.readInt32BE(at + 4);
    for (let round = 0; round < 64; round += 1) encrypt(p, s, block);
    bytes.writeInt32BE(block[0], at);
    bytes.writeInt32BE(block[1], at + 4);
  }
  return bytes;
}
