import { DrayError } from '../errors.ts';
import type { Command } from './command.ts';
import { nearest } from './nearest.ts';

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** Every verb, in the order of the help. */
export const commands: Readonly<Record<string, Entry>> = {
  pull: { summary: 'bring images from a registry into the store', load: () => import('./verbs/pull.ts') },
  push: { summary: 'send an image from the store to a registry', load: () => import('./verbs/push.ts') },
  copy: { summary: 'copy an image from one place to another', load: () => import('./verbs/copy.ts') },
  serve: {
    summary: 'serve the store as a registry, or to clients of containerd',
    load: () => import('./verbs/serve.ts'),
  },
  import: { summary: 'take in an archive or a layout', load: () => import('./verbs/import.ts') },
  export: { summary: 'write images to an archive or a layout', load: () => import('./verbs/export.ts') },
  convert: { summary: 'write an image anew in other media types', load: () => import('./verbs/convert.ts') },
  'images ls': { summary: 'list images', load: () => import('./verbs/images-ls.ts') },
  'images tag': { summary: 'give an image another name', load: () => import('./verbs/images-tag.ts') },
  'images rm': { summary: 'remove names', load: () => import('./verbs/images-rm.ts') },
  'images label': { summary: 'change the labels of an image', load: () => import('./verbs/images-label.ts') },
  'images usage': { summary: 'tell what an image takes on disk', load: () => import('./verbs/images-usage.ts') },
  'images check': { summary: 'tell which content of images is missing', load: () => import('./verbs/images-check.ts') },
  'content ls': { summary: 'list blobs', load: () => import('./verbs/content-ls.ts') },
  'content status': { summary: 'list ingests under way', load: () => import('./verbs/content-status.ts') },
  'content get': { summary: 'write a blob to stdout', load: () => import('./verbs/content-get.ts') },
  'content info': { summary: 'show what is known of a blob', load: () => import('./verbs/content-info.ts') },
  'content ingest': { summary: 'take stdin in as a blob', load: () => import('./verbs/content-ingest.ts') },
  'content abort': { summary: 'throw an ingest away', load: () => import('./verbs/content-abort.ts') },
  'content label': { summary: 'change the labels of a blob', load: () => import('./verbs/content-label.ts') },
  'content edit': { summary: 'edit a blob in $EDITOR as a new one', load: () => import('./verbs/content-edit.ts') },
  'content rm': { summary: 'remove blobs', load: () => import('./verbs/content-rm.ts') },
  'content verify': {
    summary: 'read blobs and compare their digests',
    load: () => import('./verbs/content-verify.ts'),
  },
  'content fetch': {
    summary: 'bring the content of an image in, without a name',
    load: () => import('./verbs/content-fetch.ts'),
  },
  'content fetch-blob': {
    summary: 'bring single blobs of a repository in',
    load: () => import('./verbs/content-fetch-blob.ts'),
  },
  'content push-object': {
    summary: 'send a single blob to a repository',
    load: () => import('./verbs/content-push-object.ts'),
  },
  'ns ls': { summary: 'list namespaces', load: () => import('./verbs/ns-ls.ts') },
  'ns create': { summary: 'create a namespace', load: () => import('./verbs/ns-create.ts') },
  'ns label': { summary: 'change the labels of a namespace', load: () => import('./verbs/ns-label.ts') },
  'ns rm': { summary: 'remove empty namespaces', load: () => import('./verbs/ns-rm.ts') },
  'lease ls': { summary: 'list leases', load: () => import('./verbs/lease-ls.ts') },
  'lease create': { summary: 'make a lease, which keeps content', load: () => import('./verbs/lease-create.ts') },
  'lease add': { summary: 'let a lease keep content', load: () => import('./verbs/lease-add.ts') },
  'lease rm': { summary: 'end leases', load: () => import('./verbs/lease-rm.ts') },
  gc: { summary: 'remove what nothing needs', load: () => import('./verbs/gc.ts') },
  doctor: { summary: 'look the store over, and mend it', load: () => import('./verbs/doctor.ts') },
  catalog: { summary: 'list the repositories of a registry', load: () => import('./verbs/catalog.ts') },
  tags: {
    summary: 'list the tags of a repository, or the images of an archive',
    load: () => import('./verbs/tags.ts'),
  },
  manifest: { summary: 'show a manifest, byte for byte', load: () => import('./verbs/manifest.ts') },
  config: { summary: 'show the config of an image', load: () => import('./verbs/config.ts') },
  digest: { summary: 'show which digest a name stands for', load: () => import('./verbs/digest.ts') },
  referrers: { summary: 'list what refers to an image', load: () => import('./verbs/referrers.ts') },
  delete: { summary: 'delete tags and manifests of a registry', load: () => import('./verbs/delete.ts') },
  login: { summary: 'check and keep credentials for a registry', load: () => import('./verbs/login.ts') },
  logout: { summary: 'forget the credentials for a registry', load: () => import('./verbs/logout.ts') },
  plugins: { summary: 'list what a containerd daemon consists of', load: () => import('./verbs/plugins.ts') },
  version: { summary: 'show the version', load: () => import('./verbs/version.ts') },
  completion: {
    summary: 'print a completion script for a shell',
    load: async () => ({ command: (await import('./verbs/completion.ts')).completionOf(commands) }),
  },
};

const aliases: Readonly<Record<string, string>> = {
  cp: 'copy',
  list: 'ls',
  delete: 'rm',
  image: 'images',
  i: 'images',
  namespaces: 'ns',
  namespace: 'ns',
  leases: 'lease',
};

/** What other tools call some commands. */
const verbsOfOthers: Readonly<Record<string, string>> = {
  active: 'content status',
  discover: 'referrers',
  inspect: 'manifest',
  'list-tags': 'tags',
  load: 'import',
  prune: 'gc',
  rmi: 'images rm',
  save: 'export',
  sync: 'copy',
};

/** What an invocation asks for. */
export type Found =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'command'; readonly name: string; readonly rest: readonly string[]; load(): Promise<Command> };

/** @throws DrayError `invalid-argument` for an unknown command, with the nearest one. */
export function findCommand(argv: readonly string[]): Found {
  const [first, second, ...others] = argv;
  if (first === 'help' && second !== undefined) return findCommand([...argv.slice(1), '--help']);
  if (first === undefined || first === 'help' || first === '--help' || first === '-h')
    return { kind: 'help', text: overview() };
  if (first === '--version') return found('version', []);
  const one = aliasOf(first);
  if (one !== undefined) return found(one, argv.slice(1));
  const group = groups().includes(first) ? first : (aliases[first] ?? first);
  if (groups().includes(group)) {
    if (second === undefined || second === '--help' || second === '-h') return { kind: 'help', text: overview(group) };
    const two = aliasOf(second, group);
    if (two !== undefined) return found(two, others);
    throw unknown(`${group} ${second}`);
  }
  throw unknown(first);
}

function found(name: string, rest: readonly string[]): Found {
  const entry = commands[name];
  if (entry === undefined) throw unknown(name);
  return { kind: 'command', name, rest, load: async () => (await entry.load()).command };
}

function aliasOf(word: string, group?: string): string | undefined {
  const full = (verb: string): string => (group === undefined ? verb : `${group} ${verb}`);
  return [word, aliases[word] ?? word].map(full).find((name) => Object.hasOwn(commands, name));
}

function groups(): string[] {
  return [
    ...new Set(Object.keys(commands).flatMap((name) => (name.includes(' ') ? [name.slice(0, name.indexOf(' '))] : []))),
  ];
}

function unknown(name: string): DrayError {
  const flag = name.split(' ').find((word) => word.startsWith('-'));
  if (flag !== undefined)
    return new DrayError('invalid-argument', `${flag} is given before the command`, {
      hint: 'flags come after it: dray images ls --root DIR',
    });
  const near = meant(name);
  return new DrayError('invalid-argument', `unknown command ${JSON.stringify(name)}`, {
    hint: near === undefined ? 'dray --help lists the commands' : `did you mean: dray ${near}`,
  });
}

/** What a name that is none may stand for: its verb as it is in another group, as other tools call it, or the nearest. */
function meant(name: string): string | undefined {
  const verb = name.slice(name.lastIndexOf(' ') + 1);
  const names = Object.keys(commands);
  const same = names.find((command) => command.endsWith(` ${aliases[verb] ?? verb}`) || command === verb);
  return same ?? (Object.hasOwn(verbsOfOthers, verb) ? verbsOfOthers[verb] : nearest(name, [...groups(), ...names]));
}

/** The list of commands, of one group or all. */
function overview(group?: string): string {
  const shown = Object.entries(commands).filter(([name]) => group === undefined || name.startsWith(`${group} `));
  const width = Math.max(...shown.map(([name]) => name.length));
  const lines = shown.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  const examples = [
    'dray pull alpine:3.20',
    'dray push localhost:5000/alpine:3.20',
    'dray copy alpine:3.20 registry.example.com/alpine:3.20',
    'dray images ls',
  ];
  return [
    `usage: dray ${group ?? 'COMMAND'} ...`,
    ...(group === undefined ? ['', ...examples.map((example) => `  ${example}`)] : []),
    '',
    ...lines,
    '',
    'dray COMMAND --help shows examples and flags; each flag --x-y may also be given as DRAY_X_Y in the environment',
    '',
  ].join('\n');
}
