import type { Schema1Options } from '../client/schema1.ts';
import type { Arguments, OptionSpecs } from './arguments.ts';

/** Flags that say how images of Docker schema 1 are converted. */
export const conversionOptions: OptionSpecs = {
  'schema1-mode': {
    type: 'string',
    value: 'MODE',
    choices: ['containerd', 'skopeo'],
    description: 'convert as this tool did (default: containerd)',
  },
  'schema1-signatures': {
    type: 'string',
    value: 'HOW',
    choices: ['check', 'ignore'],
    description: 'ignore: only the digest counts (default: check)',
  },
};

/** Flags of commands that bring images in, whatever they are. */
export const schema1Options: OptionSpecs = {
  'convert-schema1': { type: 'boolean', description: 'convert images of Docker schema 1, which are refused otherwise' },
  'schema1-format': {
    type: 'string',
    value: 'FORMAT',
    choices: ['oci', 'docker'],
    description: 'whose media types such an image gets (default: oci)',
  },
  ...conversionOptions,
};

/** What the flags say of images of Docker schema 1; undefined when nobody asked for a conversion. */
export function askedConversion(args: Arguments): Schema1Options | undefined {
  if (!args.flag('convert-schema1')) return undefined;
  return { ...conversionOf(args), family: args.string('schema1-format') as Schema1Options['family'] };
}

/** How the flags say that one is converted. */
export function conversionOf(args: Arguments): Pick<Schema1Options, 'mode' | 'signatures'> {
  return {
    mode: args.string('schema1-mode') as Schema1Options['mode'],
    signatures: args.string('schema1-signatures') as Schema1Options['signatures'],
  };
}
