import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { start, succeed } from './processes.ts';
import { temporaryDirectory } from './temporary.ts';
import { unlessInstalled } from './tools.ts';

/** Why a test that needs a Docker daemon of its own cannot run here; false when it can. */
export function unlessDockerd(): string | false {
  if (process.getuid?.() !== 0) return 'dockerd has to be started by root';
  if (!['cgroup.controllers', 'devices'].some((name) => existsSync(join('/sys/fs/cgroup', name))))
    return 'dockerd needs control groups';
  return unlessInstalled('dockerd', 'docker');
}

/** A Docker daemon of a test's own, without networks; stopped, and all of it gone, when it is disposed. */
export interface Dockerd extends AsyncDisposable {
  /** Where its clients keep their passwords. */
  readonly config: string;
  /** Runs `docker`; returns what it printed. */
  docker(args: readonly string[], input?: string): Promise<string>;
}

/** Starts a Docker daemon in a temporary directory; older ones also keep a key in `/etc/docker`. */
export async function startDockerd(): Promise<Dockerd> {
  await using undo = new AsyncDisposableStack();
  const directory = undo.use(await temporaryDirectory());
  const [host, config] = [`unix://${directory.join('docker.sock')}`, directory.join('config')];
  await mkdir(config);
  const networks = ['--bridge=none', '--iptables=false', '--ip-masq=false', '--ip-forward=false'];
  const places = ['--data-root', directory.join('data'), '--exec-root', directory.join('exec')];
  const pid = ['--pidfile', directory.join('pid')];
  const running = start('dockerd', ['--host', host, ...places, ...pid, ...networks, '--storage-driver', 'vfs']);
  undo.defer(() => running.kill('SIGTERM'));
  await running.printed(/API listen on/);
  const env = { PATH: process.env['PATH'], HOME: directory.path, DOCKER_HOST: host, DOCKER_CONFIG: config };
  const parts = undo.move();
  return {
    config,
    docker: async (args, input = '') => (await succeed('docker', args, { env, input })).trim(),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
