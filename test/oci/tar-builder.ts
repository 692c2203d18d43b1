/** Tar files made by hand, so that a test can say what is in them and what is wrong with them. */

/** One entry; what is not said is in order. */
export interface EntrySpec {
  readonly name: string;
  readonly data?: Uint8Array | string | undefined;
  /** `0` if not said, `5` for a name that ends with a slash. */
  readonly type?: string | undefined;
  readonly linkName?: string | undefined;
  /** What the header says instead of the length of the data. */
  readonly statedSize?: number | undefined;
  /** Written over the finished header, before its checksum is made. */
  readonly patch?: ((header: Buffer) => void) | undefined;
  /** Written over the header with its checksum. */
  readonly damage?: ((header: Buffer) => void) | undefined;
}

/** The bytes of a tar file. */
export function tarOf(entries: readonly EntrySpec[], { end = true }: { end?: boolean } = {}): Buffer {
  return Buffer.concat([...entries.map(entryBytes), ...(end ? [Buffer.alloc(1024)] : [])]);
}

/** The header, data and padding of one entry. */
export function entryBytes(spec: EntrySpec): Buffer {
  const data = Buffer.from(spec.data ?? '');
  const header = Buffer.alloc(512);
  header.write(spec.name, 0, 100, 'utf8');
  header.write('0000644\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  header.write(`${(spec.statedSize ?? data.byteLength).toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write(spec.type ?? (spec.name.endsWith('/') ? '5' : '0'), 156, 'latin1');
  header.write(spec.linkName ?? '', 157, 100, 'utf8');
  header.write('ustar\x0000', 257, 'latin1');
  spec.patch?.(header);
  sign(header);
  spec.damage?.(header);
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.byteLength % 512)) % 512)]);
}

function sign(header: Buffer): void {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** A pax header with these records; it says something of the entry behind it, or of all (`g`). */
export function pax(records: Readonly<Record<string, string | Buffer>>, type = 'x'): EntrySpec {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
    let length = rest.byteLength + 1;
    while (String(length).length + rest.byteLength !== length) length += 1;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return { name: 'PaxHeaders.0/x', type, data: Buffer.concat(lines) };
}

/** A GNU header with a long name (`L`) or a long link name (`K`). */
export function gnuLong(name: string, type: 'L' | 'K' = 'L'): EntrySpec {
  return { name: '././@LongLink', type, data: `${name}\0`, patch: toGnu };
}

/** Makes a header one of the old GNU form. */
export function toGnu(header: Buffer): void {
  header.write('ustar  \0', 257, 'latin1');
}

/** Makes a header one of version 7, which has no magic. */
export function toV7(header: Buffer): void {
  header.fill(0, 257);
}

/** Bytes in chunks of a size. */
export async function* inChunks(bytes: Uint8Array, size: number = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}
