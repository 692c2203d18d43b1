import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import { connect, createServer as createServerOfSockets, type Socket } from 'node:net';
import { listening } from './loopback.ts';

/** A proxy on loopback that knows names nobody else does: what is asked of `name` goes to where the test says. */
export interface TestProxy extends AsyncDisposable {
  readonly url: URL;
  /** What was asked for: `CONNECT host:port`, `GET http://host/path`. */
  readonly requests: readonly string[];
  /** The `Proxy-Authorization` of each. */
  readonly authorizations: readonly (string | undefined)[];
}

/** Starts a proxy; `places` gives `127.0.0.1:port` for `name:port`, or for `name`. */
export async function testProxy(places: Readonly<Record<string, string>>): Promise<TestProxy> {
  const requests: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const placeOf = (host: string): string[] =>
    (places[host] ?? places[host.replace(/:\d+$/, '')] ?? '127.0.0.1:1').split(':');
  const server = createServer((incoming, outgoing) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    authorizations.push(incoming.headers['proxy-authorization']);
    const url = new URL(incoming.url ?? '');
    const [host, port] = placeOf(url.host);
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const path = `${url.pathname}${url.search}`;
    const onward = forward({ host, port, path, method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on('connect', (incoming, socket: Socket, head) => {
    requests.push(`CONNECT ${incoming.url}`);
    authorizations.push(incoming.headers['proxy-authorization']);
    const [host, port] = placeOf(incoming.url ?? '');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    for (const one of [socket, onward]) one.on('error', () => one.destroy());
    socket.on('close', () => onward.destroy());
  });
  const { host, ...listener } = await listening(server);
  return { url: new URL(`http://${host}`), requests, authorizations, ...listener };
}

/** A SOCKS5 proxy (RFC 1928) on loopback for one user, which leads to one place whatever it is asked for. */
export async function testSocksProxy(place: string, user: string): Promise<TestProxy> {
  const requests: string[] = [];
  const authorizations: string[] = [];
  const server = createServerOfSockets((socket) => {
    socket.on('error', () => socket.destroy());
    serve(socket).catch(() => socket.destroy());
  });
  const serve = async (socket: Socket): Promise<void> => {
    const next = async (): Promise<Buffer> => (await once(socket, 'data'))[0] as Buffer;
    const greeting = await next();
    if (!greeting.subarray(2).includes(2)) return void socket.end(Buffer.from([5, 255]));
    socket.write(Buffer.from([5, 2]));
    const credentials = await next();
    const end = 2 + (credentials[1] ?? 0);
    const given = `${credentials.subarray(2, end)}:${credentials.subarray(end + 1)}`;
    authorizations.push(given);
    if (given !== user) return void socket.end(Buffer.from([1, 1]));
    socket.write(Buffer.from([1, 0]));
    const request = await next();
    requests.push(`${request.subarray(5, -2)}:${request.readUInt16BE(request.byteLength - 2)}`);
    const [host, port] = place.split(':');
    const onward = connect(Number(port), host, () => {
      socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  };
  const { host, ...listener } = await listening(server);
  return { url: new URL(`socks5://${host}`), requests, authorizations, ...listener };
}
