import { badArchive, shown, truncated } from './archive-error.ts';
import type { ByteSource } from './byte-source.ts';
import { blockSize, checkSize, decodeHeader, paddingOf, type TarHeader } from './tar-header.ts';

/** What an entry of an archive is. `other` is a device or a pipe, which means nothing in an image archive. */
export type EntryKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';

/** One entry of a tar file. */
export interface TarEntry {
  /** As written, decoded as UTF-8. */
  readonly name: string;
  readonly kind: EntryKind;
  /** Bytes of data; 0 for everything that is not a file. */
  readonly size: number;
  readonly linkName: string;
  /** Where the data begins in the tar file. */
  readonly offset: number;
  /**
   * The data, to be read once and before the next entry is asked for; what is not read is skipped. A piece is good until the
   * next one is asked for.
   */
  body(): AsyncIterable<Uint8Array>;
}

/** The most bytes a pax header or a GNU long name may have. */
const extendedHeaderLimit: number = 1024 * 1024;

/**
 * The entries of a tar file, one after another, up to the two blocks of zeros that end it. It differs from a general reader
 * where an image archive has no use for generality: sparse files, volumes and unknown types are refused, since two programs
 * would not agree on what follows them. Links, directories and devices have no data, whatever size they state.
 * @throws DrayError `invalid-argument`, reason `bad-archive`; `data-loss`, reason `bad-archive`, when it ends without its
 * end mark.
 */
export async function* readTar(source: ByteSource): AsyncGenerator<TarEntry> {
  let pending: Extension = {};
  for (let flags = ''; ; ) {
    const header = decodeHeader(await takeBlock(source));
    if (header === undefined) {
      if (decodeHeader(await takeBlock(source)) !== undefined) throw badArchive('a lone block of zeros within it');
      if (Object.keys(pending).length > 0) throw badArchive('an extended header without an entry at its end');
      return;
    }
    const extension = await readExtension(source, header);
    if (extension !== undefined) {
      pending = joined(pending, extension);
      flags = follow(flags, header.typeflag);
      continue;
    }
    const entry = entryOf(source, header, pending);
    pending = {};
    flags = '';
    const end = source.position + entry.size + paddingOf(entry.size);
    yield entry;
    await source.skip(end - source.position);
  }
}

async function takeBlock(source: ByteSource): Promise<Uint8Array> {
  const block = await source.take(blockSize);
  if (block.byteLength === 0) throw truncated('its entries, before the mark of its end');
  if (block.byteLength < blockSize) throw truncated('a header');
  return block;
}

/** What a header in front of an entry says about it. */
interface Extension {
  readonly path?: string;
  readonly linkPath?: string;
  readonly size?: number;
}

/** The most extended headers in front of one entry. */
const extensionLimit = 16;

// Some readers forget what an earlier one of the same kind said, or one in front of a global one, and some do not.
function follow(flags: string, next: string): string {
  if (next === 'g' ? /[^g]/.test(flags) : flags.includes(next))
    throw badArchive('extended headers for one entry in an order in which not all of them count');
  if (flags.length >= extensionLimit) throw badArchive(`more than ${extensionLimit} extended headers in a row`);
  return flags + next;
}

// Of two names for one entry, some readers take the first and some the last.
function joined(first: Extension, second: Extension): Extension {
  const key = Object.keys(second).find((one) => one in first);
  if (key !== undefined) throw badArchive('two extended headers for one entry that contradict each other');
  return { ...first, ...second };
}

async function readExtension(source: ByteSource, header: TarHeader): Promise<Extension | undefined> {
  switch (header.typeflag) {
    case 'x':
      return paxExtension(await takeText(source, header));
    case 'g':
      refuseGlobal(parsePax(await takeText(source, header)));
      return {};
    case 'L':
      return { path: someName(untilNul(await takeText(source, header))) };
    case 'K':
      return { linkPath: someName(untilNul(await takeText(source, header))) };
    default:
      return undefined;
  }
}

async function takeText(source: ByteSource, { size }: TarHeader): Promise<string> {
  if (size > extendedHeaderLimit) throw badArchive(`an extended header of ${size} bytes, over ${extendedHeaderLimit}`);
  const bytes = await source.take(size);
  if (bytes.byteLength < size) throw truncated('an extended header');
  // One byte a character: values may be binary, and lengths count bytes.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  await source.skip(paddingOf(size));
  return text;
}

function untilNul(text: string): string {
  return Buffer.from(text.replace(/\0.*$/s, ''), 'latin1').toString('utf8');
}

// Records are `LENGTH KEY=VALUE\n`; the length counts all of it.
function parsePax(text: string): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(' ', at);
    const digits = space === -1 ? '' : text.slice(at, space);
    const end = at + Number(digits);
    const equals = text.indexOf('=', space);
    if (!/^[1-9]\d{0,6}$/.test(digits) || end > text.length || text[end - 1] !== '\n' || equals < 0 || equals >= end) {
      throw badArchive('a malformed pax header');
    }
    records.set(text.slice(space + 1, equals), text.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function paxExtension(text: string): Extension {
  const records = parsePax(text);
  refuseSparse(records);
  const size = records.get('size');
  const path = textOf(records.get('path'));
  const linkPath = textOf(records.get('linkpath'));
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkPath === undefined ? {} : { linkPath }),
    ...(size === undefined ? {} : { size: checkSize(/^\d+$/.test(size) ? Number(size) : undefined, path ?? '') }),
  };
}

function textOf(value: string | undefined): string | undefined {
  if (value?.includes('\0')) throw badArchive('a name with a NUL in a pax header');
  return value === undefined ? undefined : someName(Buffer.from(value, 'latin1').toString('utf8'));
}

// For some readers it takes the name of the header away, for others that one counts.
function someName(name: string): string {
  if (name === '') throw badArchive('an empty name in an extended header');
  return name;
}

function refuseSparse(records: ReadonlyMap<string, string>): void {
  if ([...records.keys()].some((key) => key.startsWith('GNU.sparse.'))) throw sparse('a file');
}

// Some readers apply these to every entry that follows and some do not.
function refuseGlobal(records: ReadonlyMap<string, string>): void {
  refuseSparse(records);
  const key = ['path', 'linkpath', 'size'].find((one) => records.has(one));
  if (key !== undefined) throw badArchive(`a global pax header that sets ${key} for all entries`);
}

function sparse(what: string): ReturnType<typeof badArchive> {
  return badArchive(`${what} in it is stored as a sparse file`, { hint: 'make the archive again without --sparse' });
}

const kinds: Readonly<Record<string, EntryKind>> = {
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'other',
  '4': 'other',
  '5': 'directory',
  '6': 'other',
};

function entryOf(source: ByteSource, header: TarHeader, extension: Extension): TarEntry {
  const name = extension.path ?? header.name;
  const kind = kindOf(header, name);
  const stated = extension.size ?? header.size;
  if (kind === 'file' && name.endsWith('/')) throw badArchive(`file ${shown(name)} has the name of a directory`);
  if (kind === 'directory' && header.oldStyle && stated > 0) throw badArchive(`directory ${shown(name)} has data`);
  const size = kind === 'file' ? stated : 0;
  return {
    name,
    kind,
    size,
    linkName: extension.linkPath ?? header.linkName,
    offset: source.position,
    body: () => source.stream(size),
  };
}

function kindOf({ typeflag, oldStyle }: TarHeader, name: string): EntryKind {
  if (typeflag === 'S') throw sparse(`entry ${shown(name)}`);
  const kind = kinds[typeflag];
  if (kind === undefined) {
    throw badArchive(`entry ${shown(name)} is of the unknown type ${JSON.stringify(typeflag)}`, {
      hint: 'image archives hold files, directories and links; make it again with --format=posix or --format=ustar',
    });
  }
  return oldStyle && name.endsWith('/') ? 'directory' : kind;
}
