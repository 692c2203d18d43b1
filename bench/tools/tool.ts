import type { Image } from '../image.ts';
import type { Command } from '../usage.ts';

/** An image in a registry. */
export interface Place {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
}

/** How a tool does a job: once what was there before is away, one command. */
export interface Trial extends Command {
  /** Makes everything as it has to be before a run. */
  prepare(): Promise<void>;
  /** The file or directory that it writes, if it writes any. */
  readonly output?: string | undefined;
}

/** A program that moves images. What it cannot do, it does not have. */
export interface Tool {
  readonly name: string;
  /** Whether what it wrote is on the disk when it ends. */
  readonly durable: boolean;
  readonly ours: boolean;
  version(): Promise<string>;
  /** From a registry into a store of the tool's own kind. */
  pull?(from: Place): Trial;
  push?(image: Image, to: Place): Trial;
  /** From a registry to a registry. */
  copy?(from: Place, to: Place): Trial;
  /** From a store of the tool's own kind to an archive. */
  export?(image: Image): Trial;
  /** From an archive into a store of the tool's own kind. */
  import?(image: Image): Trial;
}

/** `127.0.0.1:5000/bench/image:v1` */
export function referenceOf({ host, repository, tag }: Place): string {
  return `${host}/${repository}:${tag}`;
}

/** The same job by a tool that does not flush what it writes, followed by a flush of its files. */
export function flushed(trial: Trial & { readonly output: string }): Trial {
  const script = '"$@" && find "$0" -exec sync {} +';
  return { ...trial, words: ['sh', '-c', script, trial.output, ...trial.words] };
}
