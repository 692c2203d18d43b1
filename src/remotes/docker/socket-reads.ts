import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { Inlet, type Slabs } from './slabs.ts';

/**
 * Connects as undici does, but the sockets read into slabs. What `read()` gives is good until the next `read()`, unless
 * somebody holds it.
 */
export function slabConnector(options: buildConnector.BuildOptions, slabs: Slabs): buildConnector.connector {
  return (target, callback) => {
    const reads = new SocketReads(slabs);
    const onread = { buffer: () => reads.room(), callback: (count: number) => reads.arrived(count) };
    const connect = buildConnector({ ...options, onread });
    connect(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (!socket) {
        reads.close();
        callback(error ?? new Error('no connection'), null);
        return;
      }
      reads.attach(socket);
      callback(null, socket);
    });
  };
}

/** The reading side of one socket: what has come and was not read yet, in place of the stream's own buffer. */
class SocketReads {
  readonly #slabs: Slabs;
  readonly #inlet: Inlet;
  readonly #waiting: Uint8Array[] = [];
  #given: Uint8Array | undefined;
  #socket: Socket | undefined;

  constructor(slabs: Slabs) {
    this.#slabs = slabs;
    this.#inlet = new Inlet(slabs);
  }

  room(): Uint8Array {
    return this.#inlet.room();
  }

  /** False when nobody took the bytes: then the socket stops reading until somebody does. */
  arrived(count: number): boolean {
    const bytes = this.#inlet.arrived(count);
    this.#slabs.hold(bytes);
    this.#waiting.push(bytes);
    this.#socket?.emit('readable');
    return this.#waiting.length === 0;
  }

  attach(socket: Socket): void {
    this.#socket = socket;
    const read = socket.read.bind(socket);
    // The stream's own read starts the socket again where it was stopped, and knows of the end.
    socket.read = (size?: number): unknown => (size === 0 ? read(0) : (this.#take() ?? read(size)));
    socket.unshift = (bytes: Uint8Array): void => {
      this.#slabs.hold(bytes);
      this.#waiting.unshift(bytes);
    };
    socket.once('close', () => this.close());
    if (this.#waiting.length > 0) process.nextTick(() => socket.emit('readable'));
  }

  #take(): Uint8Array | undefined {
    this.#forget();
    this.#given = this.#waiting.shift();
    return this.#given;
  }

  #forget(): void {
    if (this.#given !== undefined) this.#slabs.release(this.#given);
    this.#given = undefined;
  }

  close(): void {
    this.#forget();
    for (const bytes of this.#waiting.splice(0)) this.#slabs.release(bytes);
    this.#inlet.close();
  }
}
