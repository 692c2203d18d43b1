import { Arguments, isYes } from './arguments.ts';
import { findCommand } from './commands.ts';
import { Context } from './context.ts';
import { exitCodeOf, reportError } from './failures.ts';
import { commonOptions } from './options.ts';
import { Output } from './output.ts';
import { signals } from './signals.ts';

/** Runs the command line of this process and sets its exit code. Nothing is thrown. */
export async function main(
  argv: readonly string[] = process.argv.slice(2),
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const output = new Output(process.stdout, process.stderr, environment);
  const interruption = signals();
  try {
    process.exitCode = await runCommand(argv, environment, output, interruption.signal);
    await output.finish();
  } catch (error) {
    const code = interruption.exitCode() ?? exitCodeOf(error);
    if (code < 128) reportError(error, output);
    else output.say('interrupted');
    process.exitCode = code;
  } finally {
    interruption[Symbol.dispose]();
  }
}

async function runCommand(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const wantsJson = argv.includes('--json') || isYes(environment['DRAY_JSON']);
  output.configure({ json: wantsJson, debug: argv.includes('--debug') });
  const found = findCommand(argv);
  if (found.kind === 'help') {
    await output.write(found.text);
    return 0;
  }
  const command = await found.load();
  if (found.rest.includes('--help') || found.rest.includes('-h')) {
    const { helpOf } = await import('./help.ts');
    await output.write(helpOf(found.name, command));
    return 0;
  }
  const options = { ...commonOptions, ...command.options };
  const parsed = Arguments.parse(
    {
      name: found.name,
      usage: command.usage,
      example: command.examples[0] ?? '',
      options,
      positionals: command.positionals,
    },
    found.rest,
    environment,
  );
  output.configure({
    json: parsed.flag('json'),
    ndjson: parsed.flag('ndjson'),
    quiet: parsed.flag('quiet'),
    debug: parsed.flag('debug'),
  });
  await using context = new Context(found.name, parsed, output, environment, signal);
  return (await command.run(context)) ?? 0;
}
