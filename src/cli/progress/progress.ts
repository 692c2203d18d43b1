import type { ProgressEvent } from '../../client/copy.ts';
import { DrayError } from '../../errors.ts';
import type { Output } from '../output.ts';
import { JsonProgress } from './json.ts';
import { PlainProgress } from './plain.ts';
import { TerminalProgress } from './terminal.ts';

/** Shows how a movement of images goes. */
export interface Progress extends Disposable {
  report(event: ProgressEvent): void;
}

/**
 * The view for a mode: `auto` is live on a terminal, unless that is a dumb one, and lines elsewhere.
 * @throws DrayError `invalid-argument` when a live view is asked for without a terminal.
 */
export function openProgress(verb: string, mode: string, output: Output): Progress {
  const live = output.drawingWidth !== undefined;
  if (mode === 'tty' && !live)
    throw new DrayError('invalid-argument', '--progress tty needs a terminal on stderr', {
      hint: 'use --progress plain',
    });
  switch (mode === 'auto' ? (live && !output.json ? 'tty' : output.json ? 'none' : 'plain') : mode) {
    case 'tty':
      return new TerminalProgress(verb, output);
    case 'plain':
      return new PlainProgress(verb, output);
    case 'json':
      return new JsonProgress(verb, output);
    default:
      return { report() {}, [Symbol.dispose]() {} };
  }
}
