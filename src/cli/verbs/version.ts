import type { Command } from '../command.ts';
import { ownVersion } from '../version.ts';

export const command: Command = {
  usage: '',
  examples: ['dray version', 'dray version --json', 'dray version --containerd /run/containerd/containerd.sock'],
  positionals: { minimum: 0, maximum: 0 },
  async run(context) {
    const { output, signal } = context;
    const version = await ownVersion();
    const ours = { version, node: process.versions.node, platform: process.platform, architecture: process.arch };
    if (context.arguments.string('containerd') === undefined) {
      await output.result(ours, `dray ${version}`);
      return;
    }
    const daemon = await context.daemon();
    const containerd = { address: daemon.address, ...(await daemon.version({ signal })) };
    await output.result(
      { ...ours, containerd },
      `dray ${version}\ncontainerd ${containerd.version} ${containerd.revision}`,
    );
  },
};
