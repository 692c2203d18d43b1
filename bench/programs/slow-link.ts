// A process of its own: `node slow-link.ts PORT MILLISECONDS BYTES` carries connections to a port of loopback as a network
// with that round-trip time and that many bytes a second for each connection would, and prints where it listens.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** One direction of a connection. */
interface Link {
  /** Milliseconds from one end to the other. */
  readonly latency: number;
  /** Bytes a second. */
  readonly rate: number;
  /** Milliseconds before the first byte may leave. */
  readonly opening: number;
}

/** A chunk under way, and when it arrives. */
interface Flight {
  readonly chunk: Buffer;
  readonly due: number;
}

// More only gather when the other end does not take them.
const mostFlights = 64;

/** Carries what one end sends to the other. What is under way is bounded: nothing is taken that could not leave soon. */
async function carry(from: Socket, to: Socket, { latency, rate, opening }: Link): Promise<void> {
  const flights: Flight[] = [];
  let landed = Promise.resolve();
  let isLanding = false;
  let free = performance.now() + opening;
  const land = async (): Promise<void> => {
    isLanding = true;
    for (let flight = flights.shift(); flight !== undefined; flight = flights.shift()) {
      const left = flight.due - performance.now();
      if (left > 1) await wait(left);
      // What cannot arrive any more is lost, as on a network; the other end is told when all is over.
      if (to.writable && !to.write(flight.chunk)) await drained(to);
    }
    isLanding = false;
  };
  for await (const chunk of from as AsyncIterable<Buffer>) {
    free = Math.max(free, performance.now()) + (chunk.byteLength / rate) * 1000;
    flights.push({ chunk, due: free + latency });
    if (!isLanding) landed = land();
    // Timers are coarse: what leaves in a moment is let go at once.
    const left = free - performance.now();
    if (left > 5) await wait(left);
    if (flights.length > mostFlights) await landed;
  }
  await landed;
  to.end();
}

function drained(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
}

async function join(client: Socket, port: number, roundTrip: number, rate: number): Promise<void> {
  const server = connect(port, '127.0.0.1');
  // Whatever goes wrong with one end ends the carrying, below.
  for (const socket of [client, server]) socket.setNoDelay(true).on('error', () => {});
  const latency = roundTrip / 2;
  try {
    await once(server, 'connect');
    // Nothing can be asked before the handshake of TCP is over.
    const there = carry(client, server, { latency, rate, opening: roundTrip });
    await Promise.all([there, carry(server, client, { latency, rate, opening: 0 })]);
  } catch {
    // One end has gone; so does the other.
  } finally {
    client.destroy();
    server.destroy();
  }
}

const [port = 0, roundTrip = 0, rate = 0] = process.argv.slice(2).map(Number);
const listener = createServer({ allowHalfOpen: true }, (client) => void join(client, port, roundTrip, rate));
listener.listen(0, '127.0.0.1', () => console.log(`at 127.0.0.1:${(listener.address() as AddressInfo).port}`));
