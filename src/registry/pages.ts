import { refusal } from './codes.ts';
import type { Exchange } from './exchange.ts';

/** The part of a list that a request asks for (distribution-spec, Listing tags). */
export interface PageRequest {
  /** The most entries. */
  readonly count: number;
  /** The entry behind which the page begins. */
  readonly last: string | undefined;
}

/** The most entries of one page, whatever a client asks for. */
const largestPage = 10_000;

/** @throws DrayError `PAGINATION_NUMBER_INVALID`. */
export function pageRequest({ query }: Exchange): PageRequest {
  const text = query.get('n');
  if (text !== null && !/^\d{1,15}$/.test(text)) {
    throw refusal('PAGINATION_NUMBER_INVALID', `n is a number of entries, not ${JSON.stringify(text.slice(0, 64))}`);
  }
  return {
    count: Math.min(text === null ? largestPage : Number(text), largestPage),
    last: query.get('last') ?? undefined,
  };
}

/** Sets the `Link` header to the page that follows the entry `last` (RFC 8288). */
export function linkNext(exchange: Exchange, path: string, last: string, count?: number): void {
  const query = new URLSearchParams(exchange.query);
  if (count !== undefined) query.set('n', String(count));
  query.set('last', last);
  exchange.response.setHeader('Link', `<${path}?${query}>; rel="next"`);
}
