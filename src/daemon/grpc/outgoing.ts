import type { Http2Stream } from 'node:http2';
import { roomIn } from '../../content/room.ts';

/**
 * Writes what belongs together to a stream and waits until there is room for more, or the stream is over: why, is known where it
 * is read.
 */
export async function write(stream: Http2Stream, pieces: readonly Uint8Array[]): Promise<void> {
  if (stream.closed || stream.destroyed || stream.writableEnded) return;
  stream.cork();
  let room = true;
  for (const piece of pieces) room = stream.write(piece);
  stream.uncork();
  if (!room) await roomIn(stream);
}
