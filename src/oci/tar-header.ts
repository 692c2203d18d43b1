import { badArchive, shown } from './archive-error.ts';

/**
 * One header block of a tar file (POSIX.1-2001 pax interchange format, ustar; the old GNU and version 7 forms are read as
 * well). Only the fields that matter in an image archive are looked at.
 */
export interface TarHeader {
  readonly name: string;
  /** One character; a NUL is given as `0`. */
  readonly typeflag: string;
  /** Bytes of data behind the header, as the header has them. */
  readonly size: number;
  readonly linkName: string;
  /** Whether the type is the NUL of version 7, under which a name that ends with a slash is a directory. */
  readonly oldStyle: boolean;
}

export const blockSize = 512;

const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeflag: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
  starPrefix: [345, 131],
  gnuAccessTime: [345, 12],
  gnuChangeTime: [357, 12],
  starTrailer: [508, 4],
} as const;

/**
 * Reads a header block; undefined for a block of zeros, which marks the end.
 * @throws DrayError `invalid-argument`, reason `bad-archive`.
 */
export function decodeHeader(block: Uint8Array): TarHeader | undefined {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const sum = checksumOf(bytes);
  if (sum.unsigned === 0) return undefined;
  const stated = octalOf(bytes, field.checksum);
  if (stated !== sum.stated && stated !== sum.signed) {
    throw badArchive('a tar header has a wrong checksum', { hint: 'is it a tar file at all, and is it complete?' });
  }
  const flag = bytes[field.typeflag[0]] ?? 0;
  const name = textOf(bytes, field.name);
  const prefix = prefixOf(bytes, name);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    typeflag: flag === 0 ? '0' : String.fromCharCode(flag),
    size: sizeOf(bytes, name),
    linkName: textOf(bytes, field.linkName),
    oldStyle: flag === 0,
  };
}

// The old GNU form has two times there, and Go once wrote a prefix into it, which its reader still takes for one.
function prefixOf(bytes: Buffer, name: string): string {
  const magic = textOf(bytes, field.magic);
  if (magic === 'ustar') {
    const isStar = bytes.toString('latin1', ...range(field.starTrailer)) === 'tar\0';
    return textOf(bytes, isStar ? field.starPrefix : field.prefix);
  }
  const times = magic === 'ustar  ' ? [field.gnuAccessTime, field.gnuChangeTime] : [];
  if (times.every((time) => isNumber(bytes, time))) return '';
  throw badArchive(`entry ${shown(name)} has a name where the old GNU form of tar has times`, {
    hint: 'some readers would prefix it and some not: make the archive again with --format=posix or --format=ustar',
  });
}

// Historic writers summed signed bytes.
function checksumOf(bytes: Buffer): { unsigned: number; stated: number; signed: number } {
  let unsigned = 0;
  let high = 0;
  for (let at = 0; at < blockSize; at += 1) {
    const byte = bytes[at] ?? 0;
    unsigned += byte;
    if (byte > 127 && (at < 148 || at >= 156)) high += 1;
  }
  let own = 0;
  for (let at = 148; at < 156; at += 1) own += bytes[at] ?? 0;
  const stated = unsigned - own + 8 * 32;
  return { unsigned, stated, signed: stated - 256 * high };
}

type Field = readonly [offset: number, length: number];

function textOf(bytes: Buffer, [offset, length]: Field): string {
  const end = bytes.indexOf(0, offset);
  return bytes.toString('utf8', offset, end === -1 || end > offset + length ? offset + length : end);
}

function range([offset, length]: Field): [start: number, end: number] {
  return [offset, offset + length];
}

// Digits behind a NUL count for some readers and not for others.
function octalOf(bytes: Buffer, at: Field): number | undefined {
  const match = /^ *([0-7]+) *(?:\0.*)?$|^[ \0]*$/s.exec(bytes.toString('latin1', ...range(at)));
  return match === null ? undefined : Number.parseInt(match[1] ?? '0', 8);
}

function isNumber(bytes: Buffer, at: Field): boolean {
  return ((bytes[at[0]] ?? 0) & 0x80) !== 0 || octalOf(bytes, at) !== undefined;
}

function sizeOf(bytes: Buffer, name: string): number {
  const first = bytes[field.size[0]] ?? 0;
  const size = first & 0x80 ? binaryOf(bytes.subarray(...range(field.size))) : octalOf(bytes, field.size);
  return checkSize(size, name);
}

// GNU's base 256 for what eleven octal digits cannot hold; a set second bit means a negative number.
function binaryOf(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== 0x80) return undefined;
  const value = bytes.subarray(1).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

/** A size that can be counted with. @throws DrayError `invalid-argument`, reason `bad-archive`, for anything else. */
export function checkSize(size: number | undefined, name: string): number {
  if (size !== undefined && Number.isSafeInteger(size) && size >= 0) return size;
  throw badArchive(`entry ${shown(name)} has an impossible size`);
}

/** What a header is made from. */
export interface NewHeader {
  readonly name: string;
  readonly typeflag: '0' | '5' | 'x';
  readonly size: number;
  readonly mode: number;
}

const largestOctal = 0o77777777777;

/**
 * The blocks that announce an entry: byte for byte what Go's `archive/tar` writes for owner 0 and time 0, which is what
 * containerd exports. A name over 100 bytes or a size from 8 GiB on is put into a pax header in front.
 */
export function encodeHeader(header: NewHeader): Buffer {
  const records: string[] = [];
  const name = Buffer.from(header.name);
  if (name.byteLength > field.name[1]) records.push(paxRecord('path', header.name));
  if (header.size > largestOctal) records.push(paxRecord('size', String(header.size)));
  const size = header.size > largestOctal ? 0 : header.size;
  const block = encodeBlock({ ...header, size }, true);
  return records.length === 0 ? block : Buffer.concat([extendedHeader(header.name, records.join('')), block]);
}

function extendedHeader(name: string, text: string): Buffer {
  const slash = name.lastIndexOf('/');
  const data = Buffer.from(text);
  const path = `${name.slice(0, slash + 1)}PaxHeaders.0/${name.slice(slash + 1)}`;
  const block = encodeBlock({ name: path, typeflag: 'x', size: data.byteLength, mode: 0 }, false);
  return Buffer.concat([block, data, Buffer.alloc(paddingOf(data.byteLength))]);
}

function encodeBlock({ name, typeflag, size, mode }: NewHeader, devices: boolean): Buffer {
  const block = Buffer.alloc(blockSize);
  Buffer.from(name).copy(block, 0, 0, field.name[1]);
  writeOctal(block, field.mode, mode);
  writeOctal(block, field.uid, 0);
  writeOctal(block, field.gid, 0);
  writeOctal(block, field.size, size);
  writeOctal(block, field.mtime, 0);
  block.write(typeflag, field.typeflag[0], 'latin1');
  block.write('ustar\x0000', field.magic[0], 'latin1');
  if (devices) {
    writeOctal(block, field.devmajor, 0);
    writeOctal(block, field.devminor, 0);
  }
  block.write(`${checksumOf(block).stated.toString(8).padStart(6, '0')}\0 `, field.checksum[0], 'latin1');
  return block;
}

function writeOctal(block: Buffer, [offset, length]: Field, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
}

// The length counts its own digits.
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** Zero bytes that fill up the last block of `size` bytes. */
export function paddingOf(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}
