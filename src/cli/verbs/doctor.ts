import type { Command } from '../command.ts';

const different = 5;

export const command: Command = {
  usage: '[flags]',
  examples: ['dray doctor', 'dray doctor --verify', 'dray doctor --repair'],
  options: {
    repair: { type: 'boolean', private: true, description: 'mend what can be mended' },
    verify: { type: 'boolean', private: true, description: 'read every blob and compare it with its digest' },
    backup: { type: 'string', value: 'FILE', private: true, description: 'first copy the database to a new file' },
  },
  positionals: { minimum: 0, maximum: 0 },
  async run(context) {
    const { arguments: args, output, signal } = context;
    const { directory: root } = context;
    const { doctor } = await import('../../metadata/doctor.ts');
    const backup = args.string('backup');
    if (backup !== undefined) await (await context.store()).backup(backup);
    let wrong = 0;
    let gone = 0;
    const findings = async function* () {
      for await (const finding of doctor({
        root,
        repair: args.flag('repair'),
        verify: args.flag('verify'),
        signal,
      })) {
        wrong += Number(!finding.repaired && finding.problem !== 'foreign-file');
        gone += Number(finding.problem === 'missing-target');
        yield finding;
      }
    };
    await output.list(
      findings(),
      [
        { head: 'PROBLEM', value: (finding) => finding.problem },
        {
          head: 'SUBJECT',
          value: (finding) => [finding.namespace, finding.subject].filter((part) => part !== undefined).join('/'),
        },
        { head: 'STATE', value: (finding) => (finding.repaired ? 'repaired' : 'found') },
        { head: 'DETAIL', value: (finding) => finding.detail ?? '-' },
      ],
      (finding) => finding,
    );
    if (wrong > gone && !args.flag('repair')) output.note('mend with dray doctor --repair');
    if (gone > 0)
      output.note('of images without their target: dray pull brings it back, dray images rm removes the name');
    return wrong > 0 ? different : 0;
  },
};
