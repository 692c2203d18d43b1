/** Byte ranges as HTTP (RFC 9110 section 14) and the distribution specification write them. */

/** A `Content-Range` of a download. `end` is inclusive, `total` is absent for `*`. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly total?: number | undefined;
}

/** The header that asks for bytes from `start` on, up to and including `end` when it is said. */
export function rangeHeader(start: number, end?: number): string {
  return `bytes=${start}-${end ?? ''}`;
}

/** A `Content-Range` of a 206; undefined when it is malformed or contradicts itself. */
export function parseContentRange(text: string): ContentRange | undefined {
  const match = /^\s*bytes\s+(\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)\s*$/i.exec(text);
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]);
  const total = match[3] === '*' ? undefined : Number(match[3]);
  if (![start, end, total ?? 0].every(Number.isSafeInteger)) return undefined;
  if (end < start || (total !== undefined && end >= total)) return undefined;
  return { start, end, total };
}

/** The `Content-Range` of a chunk of an upload, which has neither unit nor total. `end` is exclusive here. */
export function chunkRange(start: number, end: number): string {
  return `${start}-${end - 1}`;
}

/**
 * The last byte that an upload session says it has, from its `Range` header: `0-1023`, some write `bytes=0-1023`. Undefined
 * when it is malformed. An empty session says `0-0`, as one with a single byte does.
 */
export function parseUploadRange(text: string): number | undefined {
  const match = /^\s*(?:bytes[= ])?0-(\d{1,16})\s*$/i.exec(text);
  const last = match === null ? undefined : Number(match[1]);
  return last !== undefined && Number.isSafeInteger(last) ? last : undefined;
}
