import type { OptionSpecs } from './arguments.ts';

/** Flags that every command takes. */
export const commonOptions: OptionSpecs = {
  json: { type: 'boolean', description: 'one JSON document on stdout; an error is one JSON object on stderr' },
  quiet: { type: 'boolean', short: 'q', description: 'only ids or digests on stdout, nothing on stderr but errors' },
  debug: { type: 'boolean', description: 'what happens in detail, and stack traces, on stderr' },
  root: { type: 'string', value: 'DIR', description: 'the store (default: $XDG_DATA_HOME/dray)' },
  containerd: {
    type: 'string',
    value: 'SOCKET',
    description: "work on a containerd daemon's store instead: /run/containerd/containerd.sock",
  },
  namespace: { type: 'string', value: 'NS', description: 'the namespace of the store (default: default)' },
  durability: {
    type: 'string',
    value: 'LEVEL',
    choices: ['full', 'none'],
    description: 'none: nothing is flushed to disk, for throw-away stores',
  },
  timeout: { type: 'string', value: 'TIME', duration: true, description: 'give up after this long: 90s, 5m, 1h' },
};

/** Lists may be streamed. */
export const listOptions: OptionSpecs = {
  ndjson: { type: 'boolean', description: 'one JSON document a line on stdout' },
};

/** Flags of commands that talk to registries. */
export const registryOptions: OptionSpecs = {
  'plain-http': { type: 'boolean', description: 'http instead of https (loopback registries are tried both ways)' },
  insecure: { type: 'boolean', description: 'do not verify TLS certificates' },
  'hosts-dir': {
    type: 'string',
    value: 'DIR',
    description: "directory of registry settings, in containerd's certs.d format",
  },
  'auth-file': { type: 'string', value: 'FILE', description: "credentials, in the format of docker's config.json" },
  'trust-host': {
    type: 'string',
    value: 'HOST[:PORT]',
    multiple: true,
    description: 'a registry on the internet may send us to this host in a private network',
  },
  offline: { type: 'boolean', description: 'never connect to anything' },
};

/** Flags of commands that move images. */
export const transferOptions: OptionSpecs = {
  progress: {
    type: 'string',
    value: 'HOW',
    choices: ['auto', 'tty', 'plain', 'json', 'none'],
    description: 'progress on stderr (default: auto)',
  },
  concurrency: {
    type: 'string',
    value: 'N',
    integer: { minimum: 1, maximum: 256 },
    description: 'blobs that travel at once',
  },
};

/** The flag of commands that move an image with what refers to it. */
export const referrersOption: OptionSpecs = {
  referrers: { type: 'boolean', description: 'also what refers to the image: signatures, attestations' },
};

/** The flag of commands that send an image to where it may be in part. */
export const repairOption: OptionSpecs = {
  repair: {
    type: 'boolean',
    private: true,
    description: 'look below what is there already as well, and send what is missing',
  },
};

/** Flags that choose platforms, and what is taken if none is said. */
export function platformOptions(ifNotSaid: string): OptionSpecs {
  const description = `a platform, may be given several times (default: ${ifNotSaid})`;
  return {
    platform: { type: 'string', value: 'OS/ARCH', multiple: true, description },
    'all-platforms': { type: 'boolean', description: 'every platform' },
  };
}
