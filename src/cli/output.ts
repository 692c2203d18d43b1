import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { codeOf, withContext } from '../errors.ts';
import { type Column, tableOf } from './table.ts';
import { visibleLines } from './visible.ts';

/** A stream to a person or a program, with what is known of it when it is a terminal. */
export interface Terminal extends Writable {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** How results are to be written. */
export interface OutputMode {
  readonly json?: boolean | undefined;
  readonly ndjson?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly debug?: boolean | undefined;
}

/** What a write to a pipe says that nobody reads any more; the second on Windows. */
const readerLeft: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EOF']);

/** The two streams of the command: results on stdout and nothing else there, words for people on stderr. */
export class Output {
  readonly stderr: Terminal;
  readonly #stdout: Terminal;
  readonly #environment: Readonly<NodeJS.ProcessEnv>;
  /** Called before each line on stderr. */
  beforeSaying: (() => void) | undefined;
  #mode: OutputMode = {};
  #gone = false;
  #failure: Error | undefined;

  constructor(stdout: Terminal, stderr: Terminal, environment: Readonly<NodeJS.ProcessEnv>) {
    this.#stdout = stdout;
    this.stderr = stderr;
    this.#environment = environment;
    // A reader that has seen enough (`| head`) is no error.
    stdout.on('error', (error) => {
      this.#gone = true;
      if (!readerLeft.has(codeOf(error))) this.#failure ??= error;
    });
    // That nobody hears what is said is no reason to stop.
    stderr.on('error', () => {});
  }

  configure(mode: OutputMode): void {
    this.#mode = mode;
  }

  get json(): boolean {
    return this.#mode.json === true || this.#mode.ndjson === true;
  }

  get ndjson(): boolean {
    return this.#mode.ndjson === true;
  }

  get quiet(): boolean {
    return this.#mode.quiet === true;
  }

  get debug(): boolean {
    return this.#mode.debug === true;
  }

  /** Whether a person sees what is written to stdout. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** The columns of a terminal at stderr on which a line can be drawn over; undefined where it stays as it was written. */
  get drawingWidth(): number | undefined {
    if (this.stderr.isTTY !== true || this.#environment['TERM'] === 'dumb') return undefined;
    // A terminal that nobody gave a size, in a container for example, says 0.
    return this.stderr.columns || 80;
  }

  /** Whether stderr may be coloured. Colour alone carries no meaning anywhere. */
  get colour(): boolean {
    const { NO_COLOR: no } = this.#environment;
    return this.drawingWidth !== undefined && (no === undefined || no === '');
  }

  /** Whether nothing that is written to stdout arrives any more, so that whoever goes on writing may stop. */
  get gone(): boolean {
    return this.#gone;
  }

  /**
   * Resolves when all that was written to stdout is out.
   * @throws DrayError as the system error of a write that failed; `resource-exhausted`, reason `disk-full`, for one.
   */
  async finish(): Promise<void> {
    await this.writeThrough(new Uint8Array());
    if (this.#failure !== undefined) throw withContext(this.#failure, { operation: 'write to stdout', side: 'store' });
  }

  /** Writes to stdout as fast as it is read: bytes as they are, and text so that it moves no cursor of a terminal. */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.#gone) return;
    const isText = typeof chunk === 'string' && this.isTerminal;
    // It ends with an error as well, which is told at the end.
    if (!this.#stdout.write(isText ? visibleLines(chunk) : chunk)) await once(this.#stdout, 'drain').catch(() => {});
  }

  /** Writes to stdout; resolves when the chunk is not looked at any more. */
  async writeThrough(chunk: Uint8Array): Promise<void> {
    if (this.#gone) return;
    // That nobody reads any more is told by the stream itself.
    await new Promise<void>((resolve) => this.#stdout.write(chunk, () => resolve()));
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** The one result of a command: a document with `--json`, text otherwise. */
  async result(value: unknown, text: string): Promise<void> {
    await this.line(this.json ? JSON.stringify(value, undefined, this.ndjson ? undefined : 2) : text);
  }

  /** A line for a person, or several. Whoever draws on stderr takes its drawing away before. */
  say(text: string): void {
    this.beforeSaying?.();
    this.stderr.write(`${visibleLines(text)}\n`);
  }

  /** A line for a person who did not ask for quiet or JSON. */
  note(text: string): void {
    if (!this.quiet && !this.json) this.say(text);
  }

  /** A JSON object on stderr. */
  sayJson(value: unknown): void {
    this.say(JSON.stringify(value));
  }

  /**
   * A list: a table with a head, with `--quiet` the first column alone, with `--json` an array, with `--ndjson` a line each. The
   * items are written as they come, except that a table waits for a thousand, or all, to know its widths.
   */
  async list<T>(items: AsyncIterable<T>, columns: readonly Column<T>[], toJson: (item: T) => unknown): Promise<void> {
    if (this.ndjson) {
      for await (const item of items) await this.line(JSON.stringify(toJson(item)));
    } else if (this.json) {
      let separator = '[';
      for await (const item of items) {
        await this.write(`${separator}\n  ${JSON.stringify(toJson(item))}`);
        separator = ',';
      }
      await this.line(separator === '[' ? '[]' : '\n]');
    } else if (this.quiet) {
      for await (const item of items) await this.line(columns[0]?.value(item) ?? '');
    } else {
      for await (const line of tableOf(items, columns)) await this.line(line);
    }
  }

  /** A list of names: a line each as they come, with `--json` an array. No more are asked for than somebody reads. */
  async names(items: AsyncIterable<string>): Promise<void> {
    const wanted = this.whileRead(items);
    if (this.json) await this.list(wanted, [], (name) => name);
    else for await (const name of wanted) await this.line(name);
  }

  /** What is to be written, as long as somebody reads what was. */
  async *whileRead<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const item of items) {
      if (this.#gone) return;
      yield item;
    }
  }
}
