import type { Command } from '../command.ts';

const damaged = 6;

export const command: Command = {
  usage: '[DIGEST...] [flags]',
  examples: ['dray content verify', 'dray content verify sha256:…'],
  positionals: { minimum: 0 },
  async run(context) {
    const services = await context.services();
    const [{ verifyContent }, { parseDigest }] = await Promise.all([
      import('../../client/verify.ts'),
      import('../../spec/digest.ts'),
    ]);
    const named = context.arguments.positionals.map(parseDigest);
    let bad = 0;
    const results = async function* () {
      for await (const result of verifyContent(services.content, named.length === 0 ? undefined : named, context)) {
        bad += Number(result.problem !== undefined);
        yield result;
      }
    };
    await context.output.list(
      results(),
      [
        { head: 'DIGEST', value: (result) => result.digest },
        { head: 'STATUS', value: (result) => result.problem ?? 'ok' },
      ],
      (result) => ({ ...result, ok: result.problem === undefined }),
    );
    if (bad > 0) context.output.note(`${bad} damaged: remove them with dray content rm and get them again`);
    return bad > 0 ? damaged : 0;
  },
};
