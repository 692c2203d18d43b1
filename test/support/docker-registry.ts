import { writeFile } from 'node:fs/promises';
import { type Running, start } from './processes.ts';
import type { TemporaryDirectory } from './temporary.ts';

/** Debian's docker-registry, on a free port of loopback. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly process: Running;
}

/** How a registry is started. */
export interface DockerRegistryOptions {
  /** Further lines of its configuration: whole sections, unindented. */
  readonly config?: string | undefined;
  /** Lines of its `http` section, indented by two. */
  readonly http?: string | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** Starts a registry that keeps its data in `directory`. */
export async function dockerRegistry(
  directory: TemporaryDirectory,
  { config = '', http = '', environment = {} }: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
  const file = directory.join(`registry-${Math.random().toString(36).slice(2)}.yml`);
  const text = `version: 0.1
log:
  level: debug
storage:
  filesystem:
    rootdirectory: ${directory.join(`registry-data-${Math.random().toString(36).slice(2)}`)}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:0
  secret: test
${http}
${config}
`;
  await writeFile(file, text);
  const process_ = start('docker-registry', ['serve', file], {
    env: { PATH: process.env['PATH'], HOME: directory.path, ...environment },
  });
  const [, port = ''] = await process_.printed(/listening on 127\.0\.0\.1:(\d+)/);
  return { host: `127.0.0.1:${port}`, process: process_, [Symbol.asyncDispose]: () => process_.kill() };
}
