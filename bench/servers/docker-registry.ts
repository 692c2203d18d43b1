import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { start } from '../../test/support/processes.ts';

/** What a registry has answered since it was started. */
export interface Traffic {
  readonly requests: number;
  /** Bytes of requests, as far as their length was announced. */
  readonly received: number;
  /** Bytes of answers. */
  readonly sent: number;
}

/** Debian's docker-registry as a neutral server, which counts what it answers. */
export interface CountingRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly pid: number;
  traffic(): Promise<Traffic>;
  /** Removes a repository, or all of them with everything that they hold. */
  clear(repository?: string): Promise<void>;
}

/** Starts a registry that keeps its data in `directory`. It holds nothing in memory, so its files may be removed under it. */
export async function countingRegistry(directory: string): Promise<CountingRegistry> {
  await mkdir(directory, { recursive: true });
  const [port, metrics] = [await freePort(), await freePort()];
  const file = `${directory}/config.yml`;
  await writeFile(file, configOf(`${directory}/data`, port, metrics));
  const running = start('docker-registry', ['serve', file], {
    env: { PATH: process.env['PATH'], HOME: directory, OTEL_TRACES_EXPORTER: 'none' },
  });
  try {
    for (const one of [port, metrics]) await listening(one, () => running.child.exitCode !== null, running.output);
  } catch (error) {
    await running.kill();
    throw error;
  }
  return {
    host: `127.0.0.1:${port}`,
    pid: running.child.pid ?? 0,
    traffic: () => readTraffic(metrics),
    async clear(repository) {
      const path = repository === undefined ? '' : `/registry/v2/repositories/${repository}`;
      await rm(`${directory}/data/docker${path}`, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => running.kill(),
  };
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function listening(port: number, ended: () => boolean, output: () => string): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (ended()) throw new Error(`docker-registry ended:\n${output()}`, { cause: error });
      await wait(20);
    } finally {
      socket.destroy();
    }
  }
}

const configOf = (data: string, port: number, metrics: number): string => `version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: ${data}
    maxthreads: 100
  delete:
    enabled: true
http:
  addr: 127.0.0.1:${port}
  secret: bench
  debug:
    addr: 127.0.0.1:${metrics}
    prometheus:
      enabled: true
      path: /metrics
`;

async function readTraffic(port: number): Promise<Traffic> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await answer.text();
  const sum = (name: string): number => {
    const lines = text.matchAll(new RegExp(`^registry_http_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'));
    return [...lines].reduce((total, [, value]) => total + Number(value), 0);
  };
  return {
    requests: sum('requests_total'),
    received: sum('request_size_bytes_sum'),
    sent: sum('response_size_bytes_sum'),
  };
}
