/** A script that completes the commands of dray in a shell; undefined for a shell that is not known. */
export function completionFor(
  shell: string,
  commands: Readonly<Record<string, { readonly summary: string }>>,
): string | undefined {
  const verbs = Object.entries(commands).map(([name, { summary }]) => ({ words: name.split(' '), summary }));
  const first = [...new Set(verbs.map(({ words }) => words[0] ?? ''))];
  const groups = first.filter((word) => verbs.some(({ words }) => words[0] === word && words.length > 1));
  const second = (group: string): string =>
    verbs.flatMap(({ words }) => (words[0] === group && words[1] !== undefined ? [words[1]] : [])).join(' ');
  switch (shell) {
    case 'bash':
      return bash(first, groups, second);
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(first, groups, second)}`;
    case 'fish':
      return fish(verbs);
    default:
      return undefined;
  }
}

function bash(first: readonly string[], groups: readonly string[], second: (group: string) => string): string {
  const cases = groups.map((group) => `    ${group}) COMPREPLY=($(compgen -W "${second(group)}" -- "$word"));;`);
  return [
    '_dray() {',
    '  local word="$2"',
    `  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${first.join(' ')}" -- "$word")); return; fi`,
    '  if [ "$COMP_CWORD" -eq 2 ]; then set -- $COMP_LINE; case "$2" in',
    ...cases,
    '    *) COMPREPLY=($(compgen -f -- "$word"));;',
    '  esac; return; fi',
    '  COMPREPLY=($(compgen -f -- "$word"))',
    '}',
    'complete -F _dray dray',
    '',
  ].join('\n');
}

function fish(verbs: readonly { readonly words: readonly string[]; readonly summary: string }[]): string {
  const lines = verbs.map(({ words: [group = '', verb], summary }) =>
    verb === undefined
      ? `complete -c dray -n __fish_use_subcommand -a ${group} -d '${summary}'`
      : `complete -c dray -n '__fish_seen_subcommand_from ${group}' -a ${verb} -d '${summary}'`,
  );
  const groups = [...new Set(verbs.flatMap(({ words }) => (words.length > 1 ? [words[0]] : [])))];
  return [...groups.map((group) => `complete -c dray -n __fish_use_subcommand -a ${group}`), ...lines, ''].join('\n');
}
