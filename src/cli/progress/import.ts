import type { ImportEvent } from '../../client/archives.ts';
import type { Output } from '../output.ts';
import { formatDuration, formatSize } from '../units.ts';
import { visible } from '../visible.ts';

const frame = 100;

/** Shows how an archive is read: on a terminal a line of totals, with `json` a line for each entry, at the end a summary. */
export interface ImportProgress extends Disposable {
  report(event: ImportEvent): void;
  done(): void;
}

export function importProgress(mode: string, output: Output): ImportProgress {
  const started = performance.now();
  const tally = { entries: 0, stored: 0, existing: 0 };
  const live =
    (mode === 'auto' || mode === 'tty') && output.drawingWidth !== undefined && !output.json && !output.quiet;
  const shown = mode !== 'none' && !output.json && !output.quiet;
  let current: ImportEvent | undefined;
  const draw = (): void => {
    const part =
      current === undefined
        ? ''
        : `   ${visible(current.entry.slice(0, 40))} ${formatSize(current.offset)}/${formatSize(current.size)}`;
    output.stderr.write(
      `\r\u001b[K${tally.entries} entries   ${formatSize(tally.stored)} stored${part}`.slice(
        0,
        (output.drawingWidth ?? 80) + 3,
      ),
    );
  };
  const timer = live ? setInterval(draw, frame).unref() : undefined;
  const erase = (): void => void (live && output.stderr.write('\r\u001b[K'));
  return {
    report(event) {
      if (mode === 'json') output.sayJson({ v: 1, t: 'entry', op: 'import', ...event });
      current = event.state === 'active' ? event : undefined;
      if (event.state === 'active') return;
      tally.entries += 1;
      if (event.state === 'stored') tally.stored += event.size;
      else tally.existing += event.size;
    },
    done() {
      erase();
      const saved = tally.existing > 0 ? `, ${formatSize(tally.existing)} reused` : '';
      if (shown && mode !== 'json')
        output.say(
          `imported in ${formatDuration(performance.now() - started)}: ${formatSize(tally.stored)} stored${saved}`,
        );
    },
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
