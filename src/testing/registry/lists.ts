import type { Quirks } from './quirks.ts';
import { failure, json, type Reply, type Wire } from './wire.ts';

/** A page of a list, with the link to the next one. `last` is where this one begins, by the place in the list. */
export function serveList<T>(
  wire: Wire,
  all: readonly T[],
  key: string,
  document: (page: readonly T[]) => Record<string, unknown>,
  quirks: Quirks,
  origin: string,
): Reply {
  const asked = Number(wire.query.get('n') ?? 1000);
  if (quirks.largestPage !== undefined && asked > quirks.largestPage) {
    return failure(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested');
  }
  const size = Math.min(asked, quirks.pageSize ?? Number.POSITIVE_INFINITY);
  const start = Number(wire.query.get('at') ?? 0);
  const page = all.slice(start, start + size);
  const isMore = start + size < all.length || quirks.link === 'loop' || quirks.link === 'endless';
  const body = document(page);
  const isEmpty = page.length === 0 && quirks.nullLists === true;
  const headers = isMore ? { link: linkOf(wire, start + size, quirks, origin) } : {};
  return json(200, isEmpty ? { ...body, [key]: null } : body, headers);
}

function linkOf(wire: Wire, at: number, { link }: Quirks, origin: string): string {
  const query = new URLSearchParams(wire.query);
  if (link !== 'loop') query.set('at', String(link === 'endless' ? at + Math.random() : at));
  const path = `${wire.path}?${query}`;
  if (link === 'absolute') return `<${origin}${path}>; rel="next"`;
  if (link === 'unquoted') return `<${path}>;rel=next`;
  if (link === 'several') return `</first>; rel="first", <${path}>; title="a, b"; rel="last next"`;
  if (typeof link === 'object') return `<${link.origin}${path}>; rel="next"`;
  return `<${path}>; rel="next"`;
}
