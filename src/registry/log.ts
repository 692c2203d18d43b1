/** One request, as it ended. Holds no secret: no header, no credential, no body. */
export interface RequestRecord {
  readonly id: string;
  /** When it came, in milliseconds since 1970. */
  readonly time: number;
  readonly method: string;
  /** Path and query as they came, at most 1000 characters of them. */
  readonly path: string;
  /** What the path means: `manifest`, `blob`, `upload`, …, `unknown`. */
  readonly route: string;
  /** Status of the answer; 499 when the client went away before there was one. */
  readonly status: number;
  /** Bytes of the body that came and of the one that went. */
  readonly received: number;
  readonly sent: number;
  readonly milliseconds: number;
  /** Who it was; `-` for nobody. */
  readonly user: string;
  /** Address of the client; empty on a unix socket. */
  readonly remote: string;
  /** What went wrong, when something did. */
  readonly error?: string | undefined;
}

/** What went wrong, and why: whoever runs the registry has nothing but the log to find it by. */
export function failureText(error: unknown): string {
  let text = String((error as Error | undefined)?.message ?? error);
  for (let cause = causeOf(error); cause !== undefined; cause = causeOf(cause)) {
    if (cause instanceof Error && !text.includes(cause.message)) text += `: ${cause.message}`;
  }
  return text;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

/** A record as one line of text: `2026-01-31T12:00:00.000Z GET /v2/ 200 2B 0.4ms id=… user=- remote=127.0.0.1`. */
export function formatRequest(record: RequestRecord): string {
  const { id, time, method, path, status, received, sent, milliseconds, user, remote, error } = record;
  const bytes = received > 0 ? `${received}B>${sent}B` : `${sent}B`;
  const line = `${new Date(time).toISOString()} ${method} ${path} ${status} ${bytes} ${milliseconds.toFixed(1)}ms id=${id} user=${user} remote=${remote || '-'}`;
  return printable(error === undefined ? line : `${line} error=${JSON.stringify(error)}`);
}

// What comes from a client must not write lines of its own, or move the cursor of whoever reads.
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, (character) =>
    encodeURIComponent(character.isWellFormed() ? character : '?'),
  );
}
