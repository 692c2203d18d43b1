import type { OptionSpecs } from './arguments.ts';

/** A verb as a shell completes it. */
export interface CompletedVerb {
  /** `pull`, or `images ls`. */
  readonly name: string;
  readonly summary: string;
  readonly options: OptionSpecs;
}

/** A script that completes verbs and flags of dray in a shell; undefined for a shell that is not known. */
export function completionFor(shell: string, verbs: readonly CompletedVerb[]): string | undefined {
  switch (shell) {
    case 'bash':
      return bash(verbs);
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(verbs)}`;
    case 'fish':
      return fish(verbs);
    default:
      return undefined;
  }
}

/** The words that may come first, each with those that may come behind it, none where a verb is one word. */
function groupsOf(verbs: readonly CompletedVerb[]): ReadonlyMap<string, readonly string[]> {
  const words = verbs.map(({ name }) => name.split(' '));
  const groups = Map.groupBy(words, ([first = '']) => first);
  return new Map([...groups].map(([first, all]) => [first, all.flatMap(([, second]) => second ?? [])]));
}

function bash(verbs: readonly CompletedVerb[]): string {
  const groups = groupsOf(verbs);
  const words = (list: readonly string[]): string => `COMPREPLY=($(compgen -W "${list.join(' ')}" -- "$2"))`;
  const seconds = [...groups].filter(([, second]) => second.length > 0);
  const flags = verbs.map(({ name, options }) => {
    const list = Object.keys(options).map((option) => `--${option}`);
    return `      "${name} "*) ${words([...list, '--help'])};;`;
  });
  const values = verbs.flatMap(({ options }) =>
    Object.entries(options).flatMap(([name, { choices }]) =>
      choices === undefined ? [] : `    --${name}) ${words(choices)}; return;;`,
    ),
  );
  return [
    '_dray() {',
    '  case "$3" in',
    ...new Set(values),
    '  esac',
    `  if [ "\${2#-}" != "$2" ]; then`,
    `    case "\${COMP_WORDS[*]:1} " in`,
    ...flags,
    '    esac',
    '    return',
    '  fi',
    `  if [ "$COMP_CWORD" -eq 1 ]; then ${words([...groups.keys()])}; return; fi`,
    '  if [ "$COMP_CWORD" -eq 2 ]; then case "$3" in',
    ...seconds.map(([group, second]) => `    ${group}) ${words(second)}; return;;`),
    '    completion)',
    `      ${words(['bash', 'zsh', 'fish'])}; return;;`,
    '  esac; fi',
    '  COMPREPLY=($(compgen -f -- "$2"))',
    '}',
    'complete -o filenames -F _dray dray',
    '',
  ].join('\n');
}

function fish(verbs: readonly CompletedVerb[]): string {
  const lines = [...groupsOf(verbs)].flatMap(([group, second]) =>
    second.length === 0 ? [] : [`complete -c dray -f -n __fish_use_subcommand -a ${group}`],
  );
  for (const { name, summary, options } of verbs) {
    const [group = '', verb] = name.split(' ');
    const seen = `__fish_seen_subcommand_from ${group}`;
    const others = groupsOf(verbs).get(group) ?? [];
    const place =
      verb === undefined ? '__fish_use_subcommand' : `${seen}; and not __fish_seen_subcommand_from ${others.join(' ')}`;
    lines.push(`complete -c dray -f -n '${place}' -a ${verb ?? group} -d ${quoted(summary)}`);
    const behind = verb === undefined ? seen : `${seen}; and __fish_seen_subcommand_from ${verb}`;
    for (const [option, { type, choices, short, description }] of Object.entries(options)) {
      const value = choices === undefined ? (type === 'boolean' ? '' : ' -r') : ` -x -a '${choices.join(' ')}'`;
      const letter = short === undefined ? '' : ` -s ${short}`;
      lines.push(`complete -c dray -n '${behind}' -l ${option}${letter}${value} -d ${quoted(description)}`);
    }
  }
  return [...lines, ''].join('\n');
}

const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
