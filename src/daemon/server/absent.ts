/** Whose calls nobody answers: what a person with a client of containerd can do instead, where there is something. */
const absent: Readonly<Record<string, string>> = {
  streaming: 'dray transfers nothing for its clients: ctr does it itself with --local',
  transfer: 'dray transfers nothing for its clients: ctr does it itself with --local',
  snapshots: 'dray keeps no snapshots',
  containers: 'dray runs no containers',
  tasks: 'dray runs no containers',
  sandbox: 'dray runs no containers',
};

/** Why a call of a service that is not served fails, by the path of the call. `plugin`: content is served alone. */
export function whyAbsent(path: string, plugin: boolean): string {
  const name = /^\/containerd\.services\.(\w+)\./.exec(path)?.[1] ?? '';
  if (plugin) return `nothing but content is served here, for the containerd that keeps it in dray; not ${path}`;
  return (Object.hasOwn(absent, name) ? absent[name] : undefined) ?? `dray does not serve ${path}`;
}
