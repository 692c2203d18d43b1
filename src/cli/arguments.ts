import { parseArgs } from 'node:util';
import { DrayError } from '../errors.ts';
import { nearest } from './nearest.ts';
import { parseDuration } from './units.ts';

/** One flag of a command. */
export interface OptionSpec {
  readonly type: 'boolean' | 'string';
  readonly short?: string | undefined;
  readonly multiple?: boolean | undefined;
  /** What stands for the value in the help. */
  readonly value?: string | undefined;
  readonly description: string;
  readonly choices?: readonly string[] | undefined;
  readonly integer?: { readonly minimum: number; readonly maximum: number } | undefined;
  /** The value is a time, as {@link parseDuration} reads it. */
  readonly duration?: boolean | undefined;
  /** Not taken from the environment. */
  readonly private?: boolean | undefined;
}

/** The flags of a command by name. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** How many words a command takes besides its flags. */
export interface Positionals {
  readonly minimum: number;
  /** Any number if not said. */
  readonly maximum?: number | undefined;
  /** What is missing when there are too few: `a reference`. */
  readonly what?: string | undefined;
}

/** What the parser has to know of a command. */
export interface Grammar {
  readonly name: string;
  readonly usage: string;
  readonly example: string;
  readonly options: OptionSpecs;
  readonly positionals: Positionals;
}

type Value = string | boolean | readonly string[];

/** The words and flags of one invocation. A flag that was not given is looked up as `DRAY_…` in the environment. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, Value>;

  private constructor(positionals: readonly string[], values: ReadonlyMap<string, Value>) {
    this.positionals = positionals;
    this.#values = values;
  }

  /** @throws DrayError `invalid-argument` for an unknown flag, a bad value or the wrong number of words, with an example. */
  static parse(grammar: Grammar, argv: readonly string[], environment: Readonly<NodeJS.ProcessEnv>): Arguments {
    const options = Object.fromEntries(
      Object.entries(grammar.options).map(([name, { type, short, multiple }]) => [
        name,
        { type, ...(short ? { short } : {}), ...(multiple ? { multiple } : {}) },
      ]),
    );
    const { tokens, positionals } = parseArgs({
      args: [...argv],
      options,
      strict: false,
      tokens: true,
      allowPositionals: true,
    });
    const values = new Map<string, Value>();
    for (const token of tokens)
      if (token.kind === 'option') take(grammar, values, token.rawName, token.name, token.value);
    for (const name of Object.keys(grammar.options))
      if (!values.has(name)) takeFromEnvironment(grammar, values, name, environment);
    const { minimum, maximum = Number.POSITIVE_INFINITY, what } = grammar.positionals;
    if (positionals.length < minimum) throw usage(grammar, `${what} is missing`);
    if (positionals.length > maximum) throw usage(grammar, `unexpected ${JSON.stringify(positionals[maximum])}`);
    return new Arguments(positionals, values);
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true;
  }

  string(name: string): string | undefined {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values.get(name);
    return Array.isArray(value) ? value : [];
  }

  integer(name: string): number | undefined {
    const value = this.string(name);
    return value === undefined ? undefined : Number(value);
  }

  /** In milliseconds. */
  duration(name: string): number | undefined {
    const value = this.string(name);
    return value === undefined ? undefined : parseDuration(value);
  }

  /** The word at an index; empty when there are fewer. */
  at(index: number): string {
    return this.positionals[index] ?? '';
  }
}

function take(
  grammar: Grammar,
  values: Map<string, Value>,
  raw: string,
  name: string,
  value: string | undefined,
): void {
  const spec = grammar.options[name];
  if (spec === undefined) {
    const near = nearest(name, Object.keys(grammar.options));
    throw usage(grammar, `unknown flag ${raw}${near === undefined ? '' : `; did you mean --${near}?`}`);
  }
  if (spec.type === 'boolean') {
    if (value !== undefined) throw usage(grammar, `${raw} takes no value`);
    values.set(name, true);
    return;
  }
  // An empty one is a variable of a script that was not set.
  if (value === undefined || value === '') throw usage(grammar, `${raw} needs a value`);
  set(grammar, values, raw, name, value);
}

function takeFromEnvironment(
  grammar: Grammar,
  values: Map<string, Value>,
  name: string,
  environment: Readonly<NodeJS.ProcessEnv>,
): void {
  const spec = grammar.options[name];
  const variable = environmentName(name);
  const text = environment[variable];
  if (spec === undefined || spec.private === true || text === undefined || text === '') return;
  if (spec.type === 'string') {
    for (const one of spec.multiple === true ? text.split(',').filter(Boolean) : [text])
      set(grammar, values, variable, name, one);
  } else if (isYes(text)) values.set(name, true);
  else if (!/^(0|false|no|off)$/i.test(text)) throw usage(grammar, `${variable} is neither 1 nor 0`);
}

/** Whether the text of a variable says that a flag is given. */
export function isYes(text: string | undefined): boolean {
  return text !== undefined && /^(1|true|yes|on)$/i.test(text);
}

function set(grammar: Grammar, values: Map<string, Value>, raw: string, name: string, value: string): void {
  const spec = grammar.options[name];
  if (spec?.choices !== undefined && !spec.choices.includes(value)) {
    throw usage(grammar, `${raw} is one of ${spec.choices.join(', ')}, not ${JSON.stringify(value)}`);
  }
  if (spec?.integer !== undefined) {
    const { minimum, maximum } = spec.integer;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= minimum && number <= maximum))
      throw usage(grammar, `${raw} is a number from ${minimum} to ${maximum}, not ${JSON.stringify(value)}`);
  }
  if (spec?.duration === true && parseDuration(value) === undefined)
    throw usage(grammar, `${raw} is a time such as 90s, 5m or 1h30m, not ${JSON.stringify(value)}`);
  if (spec?.multiple !== true) values.set(name, value);
  else values.set(name, [...((values.get(name) as readonly string[] | undefined) ?? []), value]);
}

/** The environment's twin of a flag: `--hosts-dir` is `DRAY_HOSTS_DIR`. */
function environmentName(option: string): string {
  return `DRAY_${option.toUpperCase().replaceAll('-', '_')}`;
}

function usage(grammar: Grammar, problem: string): DrayError {
  return new DrayError('invalid-argument', problem, {
    operation: `dray ${grammar.name}`,
    hint: `usage: dray ${grammar.name} ${grammar.usage}\n  example: ${grammar.example}`,
  });
}
