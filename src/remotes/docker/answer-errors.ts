import * as z from 'zod/mini';
import { DrayError, type ErrorContext, type ErrorKind, type ErrorReason } from '../../errors.ts';
import { transformed, tryJson } from '../../spec/schemas.ts';
import type { WireResponse } from './transport.ts';

/** What failed answers mean. */

/** The most of an error's body that is read, in bytes. */
const bodyLimit = 64 * 1024;

/** The most of a message of a registry that is passed on, in characters. */
const messageLimit = 500;

/** One error as a registry reports it (distribution-spec, Error Codes). */
interface RegistryErrorDetail {
  readonly code: string;
  readonly message?: string | undefined;
  readonly detail?: unknown;
}

/** The body of a failed answer. Registries send JSON; proxies in between send anything. */
interface ErrorBody {
  readonly errors: readonly RegistryErrorDetail[];
  /** What there is for a person, on one line. */
  readonly text: string;
}

const detailSchema = z.object({
  code: z.transform((value: unknown) => String(value ?? 'UNKNOWN')),
  message: z.optional(z.transform((value: unknown) => (typeof value === 'string' ? value : undefined))),
  detail: z.optional(z.unknown()),
});
const bodySchema = z.union([
  transformed(z.object({ errors: z.array(detailSchema).check(z.minLength(1)) }), ({ errors }) => errors),
  // Token servers: OAuth2 (RFC 6749 section 5.2), and Docker Hub's own.
  transformed(
    z.object({ error: z.string(), error_description: z.optional(z.string()) }),
    ({ error, error_description }) => [{ code: error, message: error_description, detail: undefined }],
  ),
  transformed(z.object({ details: z.string() }), ({ details }) => [
    { code: 'UNKNOWN', message: details, detail: undefined },
  ]),
]);

/** Reads the body of a failed answer, whatever it is; a body that breaks off is an empty one. */
async function readErrorBody(response: WireResponse): Promise<ErrorBody> {
  const text = await readSome(response);
  const parsed = bodySchema.safeParse(tryJson(text));
  if (parsed.success) {
    const errors = parsed.data.slice(0, 16).map((error) => ({ ...error, code: oneLine(error.code).slice(0, 64) }));
    return { errors, text: errors.map(describeDetail).join('; ') };
  }
  const isPage = /^\s*</.test(text);
  return { errors: [], text: isPage ? '' : oneLine(text) };
}

async function readSome(response: WireResponse): Promise<string> {
  try {
    return (await response.body.beginning(bodyLimit)).toString();
  } catch {
    // The status says what matters; half a message is no message.
    return '';
  }
}

function describeDetail({ code, message, detail }: RegistryErrorDetail): string {
  const said = [message, reasonIn(detail, message, code)]
    .filter((part) => part !== undefined && part !== '')
    .map((part) => oneLine(part ?? ''));
  return said.length === 0 ? code : `${code} (${said.join(': ')})`;
}

// Where a registry knows no code for what went wrong, the detail alone says what it was, in whatever form.
function reasonIn(detail: unknown, message: string | undefined, code: string): string | undefined {
  if (typeof detail === 'string') return detail === message ? undefined : detail;
  return code === 'UNKNOWN' && typeof detail === 'object' && detail !== null ? JSON.stringify(detail) : undefined;
}

/** On one line and not too long: nothing a registry says may move the cursor of a terminal or fill it. */
export function oneLine(text: string): string {
  const clean = text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
  return clean.length > messageLimit ? `${clean.slice(0, messageLimit)}…` : clean;
}

interface Meaning {
  readonly kind: ErrorKind;
  readonly reason?: ErrorReason;
  readonly hint?: string;
}

const meanings: Readonly<Record<number, Meaning>> = {
  400: { kind: 'invalid-argument', hint: 'the registry, or a proxy before it, does not understand the request' },
  401: { kind: 'unauthenticated', hint: 'log in with `dray login`, or check the credentials' },
  403: { kind: 'permission-denied', hint: 'the credentials may lack permission for this repository' },
  404: { kind: 'not-found', hint: 'check the name; some registries also say so to whoever may not see it' },
  405: { kind: 'not-implemented', hint: 'the registry does not do this, or is read-only' },
  408: { kind: 'unavailable', hint: 'try again later' },
  409: { kind: 'failed-precondition', reason: 'policy', hint: 'the tag may be immutable there' },
  410: { kind: 'not-found', hint: 'it was there, and was removed' },
  412: { kind: 'failed-precondition', reason: 'policy', hint: 'a policy of the registry forbids it' },
  413: { kind: 'resource-exhausted', hint: 'the registry, or a proxy before it, does not take that much at once' },
  414: { kind: 'invalid-argument', hint: 'use a shorter name' },
  416: { kind: 'out-of-range', hint: 'the registry has fewer bytes than it should' },
  429: { kind: 'resource-exhausted', reason: 'rate-limited', hint: 'wait, or log in for a higher limit' },
  451: { kind: 'permission-denied', reason: 'policy', hint: 'the registry may not give it to anybody here' },
  501: { kind: 'not-implemented', hint: 'the registry does not do this' },
  507: { kind: 'resource-exhausted', hint: 'the registry has no space left' },
};

const refusal: Meaning = { kind: 'failed-precondition', hint: 'the registry does not want this' };
const nonsense: Meaning = {
  kind: 'unavailable',
  hint: 'try again later; something else than a registry may answer there',
};

/** Of several codes the one that stands first here counts. */
const meaningsOfCodes: Readonly<Record<string, Meaning>> = {
  MANIFEST_BLOB_UNKNOWN: {
    kind: 'failed-precondition',
    reason: 'content-missing',
    hint: 'what a manifest refers to has to be in the repository first; if that is cleaned up at this moment, run it again',
  },
  DIGEST_INVALID: { kind: 'failed-precondition', reason: 'digest-mismatch', hint: 'the registry got other bytes' },
  SIZE_INVALID: { kind: 'failed-precondition', reason: 'size-mismatch', hint: 'the registry got other bytes' },
  TOOMANYREQUESTS: { kind: 'resource-exhausted', reason: 'rate-limited', hint: 'wait, or log in for a higher limit' },
  NAME_UNKNOWN: {
    kind: 'not-found',
    hint: 'check the name; some registries want a repository made before anything is pushed to it',
  },
  UNSUPPORTED: { kind: 'not-implemented', hint: 'the registry does not do this, or is read-only' },
};

/** The error for an answer nobody wanted. The body is read for what it says. */
export async function errorFrom(response: WireResponse, context: ErrorContext): Promise<DrayError> {
  const { status } = response;
  const body = await readErrorBody(response);
  const codes = body.errors.map(({ code }) => code);
  const known = Object.keys(meaningsOfCodes).find((code) => codes.includes(code));
  const byCode = status < 500 && known !== undefined ? meaningsOfCodes[known] : undefined;
  const meaning = byCode ?? meanings[status] ?? (status >= 400 && status < 500 ? refusal : nonsense);
  const said = body.text === '' ? '' : ` ${body.text}`;
  const message = `${context.registry ?? 'the registry'} answered ${status}${said}`;
  return new DrayError(meaning.kind, message, {
    reason: meaning.reason,
    hint: meaning.hint,
    ...context,
    status,
    codes: codes.length === 0 ? undefined : codes,
  });
}

/** Whether an answer of this status is worth asking for again. */
export function isTransientStatus(status: number): boolean {
  return [408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524].includes(status);
}
