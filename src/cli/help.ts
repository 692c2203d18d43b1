import type { OptionSpec, OptionSpecs } from './arguments.ts';
import type { Command } from './command.ts';
import { commands } from './commands.ts';
import { commonOptions } from './options.ts';

/** The help of one command: worked examples, then its flags, then those that all have. */
export function helpOf(name: string, command: Command): string {
  return [
    `dray ${name}: ${commands[name]?.summary ?? ''}`,
    '',
    ...command.examples.map((example) => `  ${example}`),
    '',
    `usage: dray ${name} ${command.usage}`,
    ...section('flags:', command.options ?? {}),
    ...section('flags of every command:', commonOptions),
    '',
  ].join('\n');
}

function section(title: string, options: OptionSpecs): string[] {
  const entries = Object.entries(options);
  if (entries.length === 0) return [];
  const names = entries.map(([name, spec]) => nameOf(name, spec));
  const width = Math.max(...names.map((text) => text.length));
  return [
    '',
    title,
    ...entries.map(([, spec], index) => `  ${(names[index] ?? '').padEnd(width)}  ${spec.description}`),
  ];
}

function nameOf(name: string, { short, type, value, choices }: OptionSpec): string {
  const long = type === 'boolean' ? `--${name}` : `--${name} ${choices?.join('|') ?? value ?? 'VALUE'}`;
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}
