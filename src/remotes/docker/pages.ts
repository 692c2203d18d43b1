import * as z from 'zod/mini';
import { DrayError } from '../../errors.ts';
import { receive } from './exchange.ts';
import { guardUrl } from './guard.ts';
import type { HostRequest } from './host-request.ts';
import type { HostState } from './host-state.ts';
import type { WireResponse } from './transport.ts';

/** Lists that come page by page, the next one named in a `Link` header (RFC 8288). */

/** The most bytes of one page. */
const pageLimit = 16 * 1024 * 1024;

/** The most pages of one list. */
const pagesLimit = 10_000;

/** What to ask for. */
export type PageRequest = Omit<HostRequest, 'method' | 'expect' | 'withinOrigin'>;

/** One page, and the answer it came in. */
export interface Page {
  readonly document: unknown;
  readonly response: WireResponse;
}

/**
 * The JSON documents of all pages. A next page is only looked for at the same server.
 * @throws DrayError what the server answers; `invalid-argument`, reason `bad-document`, for what is no JSON, a page twice or
 * more than 10 000 of them; `permission-denied`, reason `policy`, for a page elsewhere.
 */
export async function* pages(host: HostState, request: PageRequest): AsyncGenerator<unknown> {
  yield* pagesFrom(host, request, await getPage(host, request));
}

/** As {@link pages}, going on from a first page. */
export async function* pagesFrom(host: HostState, request: PageRequest, first: Page): AsyncGenerator<unknown> {
  const seen = new Set<string>([request.url.href]);
  let page = first;
  for (let count = 1; ; count += 1) {
    yield page.document;
    const url = nextPage(host, page.response);
    if (url === undefined) return;
    if (seen.has(url.href)) throw endless(host, 'it names a page a second time');
    if (count >= pagesLimit) throw endless(host, `it has more than ${pagesLimit} pages`);
    seen.add(url.href);
    page = await getPage(host, { ...request, url });
  }
}

function getPage(host: HostState, request: PageRequest): Promise<Page> {
  return receive(host, pageRequest(request), (response) => readPage(host, response));
}

/** What asks for a page. */
export function pageRequest(request: PageRequest): HostRequest {
  return { ...request, method: 'GET', expect: [200], withinOrigin: true };
}

/** Reads a page. @throws DrayError `invalid-argument`, reason `bad-document`, for what is no JSON or too much. */
export async function readPage(host: HostState, response: WireResponse): Promise<Page> {
  return { document: parsePage(host, await response.body.bytes(pageLimit)), response };
}

/** The URL of a `rel=next` link; undefined without one. @throws DrayError when it is at another server. */
function nextPage(host: HostState, { headers, url: base }: WireResponse): URL | undefined {
  const target = nextLink(headers.all('link'));
  if (target === undefined) return undefined;
  const url = guardUrl(target, base, 'public', 'next page');
  if (url.origin === host.root.origin) return url;
  throw new DrayError('permission-denied', `${host.registry} has the next page of a list at ${url.host}`, {
    reason: 'policy',
    registry: host.registry,
    hint: 'the registry is misconfigured: a list ends where it began',
  });
}

/** The target of the first link with the relation `next`. */
export function nextLink(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    for (const [, target, parameters = ''] of line
      .slice(0, 32 * 1024)
      .matchAll(/<([^<>]*)>((?:\s*;[^,;"]*(?:"[^"]*")?)*)/g)) {
      if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\s*(?:;|$))/i.test(parameters)) return target;
    }
  }
  return undefined;
}

function parsePage(host: HostState, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw new DrayError('invalid-argument', `${host.registry} sent a list that is no JSON`, {
      reason: 'bad-document',
      registry: host.registry,
      hint: 'something else than a registry may answer there',
    });
  }
}

function endless(host: HostState, problem: string): DrayError {
  return new DrayError('invalid-argument', `${host.registry} sent a list without end: ${problem}`, {
    reason: 'bad-document',
    registry: host.registry,
    hint: 'the registry is at fault: tell those who run it',
  });
}

/** The list of names under a key; some registries write null for an empty one. */
export function namesIn(host: HostState, page: unknown, key: string): readonly string[] {
  const schema = z.object({ [key]: z.nullish(z.array(z.string())) });
  const parsed = schema.safeParse(page);
  if (parsed.success) return parsed.data[key] ?? [];
  throw new DrayError('invalid-argument', `${host.registry} sent a list without "${key}"`, {
    reason: 'bad-document',
    registry: host.registry,
    hint: 'something else than a registry may answer there',
  });
}
