import type { ProgressEvent } from '../../client/copy.ts';
import type { TransferEvent } from '../../images/transfer.ts';
import { shortDigest } from '../../spec/digest.ts';
import { isConfig, isIndex, isLayer, isManifest } from '../../spec/media-types.ts';
import type { Output } from '../output.ts';
import { formatSize } from '../units.ts';
import { resolvedLine, summaryLine, Tally } from './tally.ts';

const frame = 100;
const barWidth = 20;

/** For a terminal: the transfers on their way, redrawn ten times a second, and a line of numbers below. */
export class TerminalProgress implements Disposable {
  readonly #verb: string;
  readonly #output: Output;
  readonly #tally = new Tally();
  #started = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #drawn = 0;

  constructor(verb: string, output: Output) {
    this.#verb = verb;
    this.#output = output;
    output.beforeSaying = () => this.#erase();
  }

  report(event: ProgressEvent): void {
    const now = performance.now();
    this.#tally.take(event, now);
    if (event.type === 'resolved') {
      this.#started = now;
      this.#above(resolvedLine(event.name, event.target));
      this.#timer ??= setInterval(() => this.#draw(), frame).unref();
    } else if (event.type === 'done') {
      this.#stop();
      this.#above(summaryLine(this.#verb, event.summary, now - this.#started));
    }
  }

  #above(text: string): void {
    this.#output.say(fit(text, this.#width));
  }

  #draw(): void {
    const rows = Math.max(1, (this.#output.stderr.rows ?? 24) - 4);
    const active = this.#tally.active;
    const lines = active.slice(0, rows).map((row) => this.#row(row));
    lines.push(`  ${this.#tally.line(performance.now())}`);
    const text = lines.map((line) => `${fit(line, this.#width)}\n`).join('');
    this.#output.stderr.write(this.#erasure() + text);
    this.#drawn = lines.length;
  }

  #row({ target, offset, resumed }: TransferEvent): string {
    const bar = `${'░'.repeat(cells(resumed, target.size))}${'█'.repeat(cells(offset, target.size) - cells(resumed, target.size))}`;
    const painted = this.#output.colour ? `\u001b[32m${bar}\u001b[0m` : bar;
    const numbers = `${formatSize(offset)}/${target.size === 0 && offset > 0 ? '?' : formatSize(target.size)}`;
    const before = resumed > 0 ? `   resumed ${formatSize(resumed)}` : '';
    return `  ${kindOf(target.mediaType).padEnd(8)} ${shortDigest(target.digest)}  ${painted}${'·'.repeat(barWidth - bar.length)}  ${numbers.padStart(19)}${before}`;
  }

  get #width(): number {
    return Math.max(20, (this.#output.drawingWidth ?? 80) - 1);
  }

  #erase(): void {
    this.#output.stderr.write(this.#erasure());
    this.#drawn = 0;
  }

  #erasure(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\u001b[0J`;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#output.beforeSaying = undefined;
  }
}

function cells(bytes: number, size: number): number {
  return size === 0 ? 0 : Math.min(barWidth, Math.floor((bytes / size) * barWidth));
}

function kindOf(mediaType: string): string {
  if (isLayer(mediaType)) return 'layer';
  if (isConfig(mediaType)) return 'config';
  if (isManifest(mediaType)) return 'manifest';
  return isIndex(mediaType) ? 'index' : 'blob';
}

// Cuts what a person sees, not the colours around it.
function fit(text: string, width: number): string {
  let seen = 0;
  let result = '';
  for (const part of text.split(/(\u001b\[\d*m)/)) {
    if (part.startsWith('\u001b[')) result += part;
    else {
      const shown = [...part].slice(0, width - seen).join('');
      seen += [...shown].length;
      result += shown;
    }
  }
  return result;
}
