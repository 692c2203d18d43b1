import { writeFile } from 'node:fs/promises';
import { type Running, start, succeed } from './processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from './temporary.ts';
import { unlessInstalled } from './tools.ts';

/** Why a test that needs a containerd of its own cannot run here; false when it can. */
export function unlessContainerd(): string | false {
  if (process.getuid?.() !== 0) return 'containerd has to be started by root';
  return unlessInstalled('containerd', 'ctr');
}

/** A containerd of a test's own; stopped, and all of it gone, when it is disposed. */
export interface Containerd extends AsyncDisposable {
  readonly address: string;
  /** Runs `ctr` in a namespace; returns what it printed. */
  ctr(...args: readonly string[]): Promise<string>;
}

/** Starts a containerd that touches nothing outside of a temporary directory. */
export async function startContainerd(namespace = 'default'): Promise<Containerd> {
  const directory = await temporaryDirectory();
  const address = directory.join('containerd.sock');
  await writeFile(directory.join('config.toml'), configOf(directory, address));
  const running = start('containerd', ['--config', directory.join('config.toml')]);
  const stop = async (): Promise<void> => {
    await stopped(running);
    await directory[Symbol.asyncDispose]();
  };
  try {
    await running.printed(/containerd successfully booted/);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address,
    ctr: (...args) => succeed('ctr', ['--address', address, '--namespace', namespace, ...args]),
    [Symbol.asyncDispose]: stop,
  };
}

async function stopped(running: Running): Promise<void> {
  await running.kill('SIGTERM');
}

function configOf(directory: TemporaryDirectory, address: string): string {
  return `
version = 2
root = "${directory.join('root')}"
state = "${directory.join('state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
address = "${address}"
[ttrpc]
address = "${directory.join('ttrpc.sock')}"
`;
}
