/**
 * Scopes of registry tokens: `repository:library/redis:pull,push` (distribution's token scope documentation). A scope here
 * is what a client asks for; what a token grants is known to the registry alone.
 */

/** The right to read, or to read and write, one repository. */
export function repositoryScope(path: string, ...actions: readonly ('pull' | 'push' | 'delete')[]): string {
  return `repository:${path}:${actions.join(',')}`;
}

/** The right to list the repositories of a registry. */
export const catalogScope = 'registry:catalog:*';

/** The scopes of a challenge's `scope` parameter, which is a list with spaces. */
export function splitScopes(text: string | undefined): readonly string[] {
  return (text ?? '').split(/\s+/).filter((scope) => scope !== '');
}

/** Both sets in one, the first's resources first, actions of one resource joined. */
export function mergeScopes(first: readonly string[], second: readonly string[]): readonly string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of [...first, ...second]) {
    const { resource, wanted } = parse(scope);
    const known = actions.get(resource);
    if (known === undefined) actions.set(resource, new Set(wanted));
    else for (const action of wanted) known.add(action);
  }
  return [...actions].map(([resource, wanted]) =>
    wanted.size === 0 ? resource : `${resource}:${wanted.has('*') ? '*' : [...wanted].join(',')}`,
  );
}

/** Whether whoever asked for `granted` has asked for all of `wanted`. */
export function coversScopes(granted: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((scope) => {
    const { resource, wanted: actions } = parse(scope);
    return granted.some((other) => {
      const held = parse(other);
      return (
        held.resource === resource && (held.wanted.has('*') || [...actions].every((action) => held.wanted.has(action)))
      );
    });
  });
}

/** Whether nothing but reading is asked for. */
export function isReadOnly(scopes: readonly string[]): boolean {
  return scopes.every((scope) => [...parse(scope).wanted].every((action) => action === 'pull'));
}

// A name may hold a colon, that of a port, so the text is cut from both ends.
function parse(scope: string): { resource: string; wanted: Set<string> } {
  const first = scope.indexOf(':');
  const last = scope.lastIndexOf(':');
  if (first === last) return { resource: scope, wanted: new Set() };
  const actions = scope
    .slice(last + 1)
    .split(',')
    .filter((action) => action !== '');
  return { resource: scope.slice(0, last), wanted: new Set(actions) };
}
