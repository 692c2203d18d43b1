import type { Command } from '../command.ts';
import { formatSize } from '../units.ts';

export const command: Command = {
  usage: '[flags]',
  examples: ['dray gc', 'dray gc --dry-run', 'dray gc --why sha256:…'],
  options: {
    'dry-run': { type: 'boolean', private: true, description: 'tell what would go, and why, and remove nothing' },
    why: { type: 'string', value: 'DIGEST', private: true, description: 'tell what keeps a blob' },
  },
  positionals: { minimum: 0, maximum: 0 },
  async run(context) {
    const { arguments: args, output, signal } = context;
    const store = await context.store();
    const digest = args.string('why');
    if (digest !== undefined) {
      const { explainBlob } = await import('../explain.ts');
      return explainBlob(store, digest, output);
    }
    const dryRun = args.flag('dry-run');
    const removed: unknown[] = [];
    const summary = await store.collect({
      dryRun,
      signal,
      onRemove: (one) => {
        if (output.json) removed.push(one);
        else if (dryRun || !output.quiet)
          output.say(`${dryRun ? 'would remove' : 'removed'} ${one.type} ${one.id}: ${reasons[one.type]}`);
      },
    });
    const text = `${summary.content} content, ${summary.files} files, ${summary.ingests} ingests, ${summary.leases} leases; ${formatSize(summary.bytes)} ${dryRun ? 'would be free' : 'free'}`;
    await output.result({ ...summary, dryRun, removed }, text);
  },
};

const reasons = {
  lease: 'it has expired',
  image: 'it has expired and nothing refers to it',
  content: 'no image, lease or label needs it',
  ingest: 'nobody went on with it',
  file: 'no namespace has the blob any more',
} as const;
