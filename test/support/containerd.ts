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
  /** Its process id. */
  readonly pid: number;
  /** Runs `ctr` in a namespace; returns what it printed. */
  ctr(...args: readonly string[]): Promise<string>;
  /** Ends it without warning. */
  kill(): Promise<void>;
  /** Starts it again over what it left. */
  restart(): Promise<void>;
  /** What it has logged. */
  log(): string;
}

/** How a containerd of a test differs from one that nobody configured. */
export interface ContainerdOptions {
  /** What `ctr` works in. */
  readonly namespace?: string;
  /** Whether a namespace may use bytes that another one brought. */
  readonly sharing?: 'shared' | 'isolated';
  /** Collects only when it is asked to. */
  readonly quiet?: boolean;
  /** The socket of a content plugin, which takes the place of its own store. */
  readonly contentPlugin?: string;
}

/** Starts a containerd that touches nothing outside of a temporary directory. */
export async function startContainerd(options: ContainerdOptions = {}): Promise<Containerd> {
  const { namespace = 'default' } = options;
  const directory = await temporaryDirectory();
  const address = directory.join('containerd.sock');
  await writeFile(directory.join('config.toml'), configOf(directory, address, options));
  let running: Running | undefined;
  const boot = async (): Promise<void> => {
    // What is collected is told to who debugs alone, and by 2.x to who traces.
    running = start('containerd', ['--log-level', 'trace', '--config', directory.join('config.toml')]);
    await running.printed(/containerd successfully booted/);
  };
  const stop = async (): Promise<void> => {
    await running?.kill('SIGTERM');
    await directory[Symbol.asyncDispose]();
  };
  try {
    await boot();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address,
    get pid() {
      return running?.child.pid ?? 0;
    },
    ctr: (...args) => succeed('ctr', ['--address', address, '--namespace', namespace, ...args]),
    kill: async () => await running?.kill('SIGKILL'),
    restart: boot,
    log: () => running?.output() ?? '',
    [Symbol.asyncDispose]: stop,
  };
}

function configOf(
  directory: TemporaryDirectory,
  address: string,
  { sharing = 'shared', quiet = false, contentPlugin }: ContainerdOptions,
): string {
  const content = contentPlugin === undefined ? '' : `"io.containerd.content.v1.content", `;
  return `
version = 2
root = "${directory.join('root')}"
state = "${directory.join('state')}"
disabled_plugins = [${content}"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
address = "${address}"
[ttrpc]
address = "${directory.join('ttrpc.sock')}"
[plugins."io.containerd.metadata.v1.bolt"]
content_sharing_policy = "${sharing}"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux"
snapshotter = "native"
${quiet ? '[plugins."io.containerd.gc.v1.scheduler"]\nstartup_delay = "1h"\nmutation_threshold = 0' : ''}
${contentPlugin === undefined ? '' : `[proxy_plugins.dray]\ntype = "content"\naddress = "${contentPlugin}"`}
`;
}
