import type { Command } from '../command.ts';
import { listOptions } from '../options.ts';

export const command: Command = {
  usage: '[FILTER...] --containerd SOCKET [flags]',
  examples: [
    'dray plugins --containerd /run/containerd/containerd.sock',
    "dray plugins --containerd /run/containerd/containerd.sock 'type==io.containerd.snapshotter.v1'",
  ],
  options: listOptions,
  positionals: { minimum: 0 },
  async run(context) {
    const daemon = await context.daemon();
    await context.output.list(
      daemon.plugins(context.arguments.positionals, context),
      [
        { head: 'TYPE', value: (plugin) => plugin.type },
        { head: 'ID', value: (plugin) => plugin.id },
        { head: 'PLATFORMS', value: (plugin) => plugin.platforms.join(',') || '-' },
        { head: 'STATUS', value: (plugin) => plugin.failure ?? 'ok' },
      ],
      (plugin) => plugin,
    );
  },
};
