import type { Command } from '../command.ts';
import { registryOptions } from '../options.ts';

export const command: Command = {
  usage: '[flags]',
  examples: [
    'dray serve',
    'dray serve --addr 127.0.0.1:0 --print-url',
    'dray serve --addr 0.0.0.0:5000 --auth htpasswd --tls-cert cert.pem --tls-key key.pem',
    'dray serve --upstream docker.io',
    'dray serve --containerd-socket /run/dray.sock',
  ],
  options: {
    addr: {
      type: 'string',
      value: 'HOST:PORT',
      description: 'where to listen; port 0 takes a free one (default: 127.0.0.1:5000)',
    },
    socket: { type: 'string', value: 'PATH', description: 'listen on a unix socket instead' },
    'containerd-socket': {
      type: 'string',
      value: 'PATH',
      description:
        "serve the store as containerd's services at this socket; as a registry only with --addr or --socket too",
    },
    'content-plugin': {
      type: 'boolean',
      description: 'with --containerd-socket: the namespace belongs to a containerd that keeps its content here',
    },
    'read-only': { type: 'boolean', description: 'refuse every change' },
    'print-url': { type: 'boolean', description: 'write the URL to stdout when it is ready' },
    auth: { type: 'string', value: 'FILE', description: 'who may come in, in the format of htpasswd (bcrypt)' },
    'token-realm': { type: 'string', value: 'URL', description: 'where clients get tokens' },
    'token-service': { type: 'string', value: 'NAME', description: 'the service that tokens are for' },
    'token-issuer': { type: 'string', value: 'NAME', description: 'who makes tokens' },
    'token-key': { type: 'string', value: 'FILE', description: "the issuer's public keys: PEM or JWKS" },
    'tls-cert': { type: 'string', value: 'FILE', description: 'certificate chain, PEM' },
    'tls-key': { type: 'string', value: 'FILE', description: 'private key, PEM' },
    'tls-client-ca': {
      type: 'string',
      value: 'FILE',
      description: 'authorities, PEM; only clients with a certificate of one of them come in',
    },
    host: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      description: 'a name by which requests may call it, may be given several times',
    },
    'allow-everybody': {
      type: 'boolean',
      description: 'listen at an address that others reach without asking who they are',
    },
    upstream: { type: 'string', value: 'HOST', description: 'get what is not there from this registry, and keep it' },
    freshness: {
      type: 'string',
      value: 'TIME',
      duration: true,
      description: 'how long the answer of the upstream to a tag is used again',
    },
    metrics: { type: 'string', value: 'PATH', description: 'path of the metrics in the format of Prometheus' },
    sparse: {
      type: 'string',
      value: 'WHAT',
      choices: ['indexes', 'all'],
      description: 'which manifests may name content that is not there (default: indexes)',
    },
    ...registryOptions,
  },
  positionals: { minimum: 0, maximum: 0 },
  async run(context) {
    const { serveStore } = await import('../serve.ts');
    await serveStore(context);
  },
};
