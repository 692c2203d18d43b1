import type { Command } from '../command.ts';
import { each, sayCopied } from '../each.ts';
import { platformOptions, referrersOption, registryOptions, transferOptions } from '../options.ts';
import { askedConversion, schema1Options } from '../schema1.ts';

export const command: Command = {
  usage: 'REF... [flags]',
  examples: [
    'dray pull alpine:3.20',
    'dray pull ghcr.io/acme/app:1.4 --platform linux/arm64',
    'dray pull alpine redis nginx --all-platforms',
    'dray pull alpine:3.20 --containerd /run/containerd/containerd.sock',
    'dray pull registry.example.com/old:1 --convert-schema1',
  ],
  options: {
    ...referrersOption,
    ...schema1Options,
    ...platformOptions('this machine'),
    ...transferOptions,
    ...registryOptions,
    'no-unpack': { type: 'boolean', description: 'with --containerd: make no snapshots of the layers' },
    snapshotter: {
      type: 'string',
      value: 'NAME',
      description: "with --containerd: the daemon's snapshotter (default: the namespace's, else overlayfs)",
    },
    label: {
      type: 'string',
      value: 'KEY=VALUE',
      multiple: true,
      private: true,
      description: 'a label for the image in the store',
    },
  },
  positionals: { minimum: 1, what: 'a reference' },
  async run(context) {
    const { platforms, signal } = context;
    const client = await context.client();
    const { parseLabels } = await import('../labels.ts');
    const labels = parseLabels(context.arguments.list('label'));
    const progress = await context.progress('pull');
    return each(context, context.arguments.positionals, async (reference) => {
      const concurrency = context.arguments.integer('concurrency');
      const copied = await client.pull(reference, {
        platforms,
        labels,
        concurrency,
        referrers: context.arguments.flag('referrers'),
        convertSchema1: askedConversion(context.arguments),
        signal,
        unpack: !context.arguments.flag('no-unpack'),
        snapshotter: context.arguments.string('snapshotter'),
        onProgress: (event) => progress.report(event),
      });
      return sayCopied(copied);
    });
  },
};
