import type { Image } from '../image.ts';
import type { Case, Contestant } from '../rounds.ts';
import type { CountingRegistry, Traffic } from '../servers/docker-registry.ts';
import { flushed, type Place, type Tool, type Trial } from '../tools/tool.ts';
import { measure } from '../usage.ts';

/** What jobs work with. */
export interface Field {
  readonly image: Image;
  readonly tools: readonly Tool[];
  /** The registry that has the image. */
  readonly source: CountingRegistry;
  /** A registry that is empty before each run that writes to it. */
  readonly target: CountingRegistry;
}

/** The jobs that several tools do with an image, by name. */
export const transfers: Readonly<Record<string, (field: Field) => Case>> = {
  pull: (field) => caseOf('pull', field, (tool) => tool.pull?.(placeAt(field.source, field.image))),
  push: (field) => {
    const { image, target } = field;
    return caseOf('push', field, (tool) => after(tool.push?.(image, placeAt(target, image)), () => target.clear()));
  },
  copy: (field) => {
    const [from, to] = [placeAt(field.source, field.image), placeAt(field.target, field.image)];
    return caseOf('copy', field, (tool) => after(tool.copy?.(from, to), () => field.target.clear()));
  },
  mount: (field) => {
    const from = placeAt(field.source, field.image);
    const to = { ...from, repository: `${from.repository}-copy` };
    return caseOf('mount', field, (tool) => after(tool.copy?.(from, to), () => field.source.clear(to.repository)));
  },
  export: (field) => caseOf('export', field, (tool) => tool.export?.(field.image)),
  import: (field) => caseOf('import', field, (tool) => tool.import?.(field.image)),
  'warm-pull': (field) => caseOf('warm-pull', field, (tool) => warm(tool.pull?.(placeAt(field.source, field.image)))),
  'warm-push': (field) => {
    const to = { ...placeAt(field.target, field.image), repository: `${field.image.repository}-warm` };
    return caseOf('warm-push', field, (tool) => warm(tool.push?.(field.image, to)));
  },
};

/** Where an image is in a registry. */
export function placeAt({ host }: Pick<CountingRegistry, 'host'>, { repository, tag }: Image): Place {
  return { host, repository, tag };
}

/** A case of all the tools that have a trial for it. Those that do not flush run a second time with a flush of their files. */
export function caseOf(name: string, field: Field, trialOf: (tool: Tool) => Trial | undefined): Case {
  const contestants = field.tools.flatMap((tool) => {
    const trial = trialOf(tool);
    return trial === undefined ? [] : contestantsOf(tool, trial);
  });
  // A warm run moves next to nothing.
  const bytes = name.startsWith('warm') ? undefined : field.image.size;
  return { name, subject: field.image.shape.title, bytes, contestants, traffic: () => total(field) };
}

function contestantsOf(tool: Tool, trial: Trial): Contestant[] {
  const { name, ours, durable } = tool;
  const { output, prepare } = trial;
  const plain: Contestant = {
    tool: name,
    ours,
    durable: output === undefined && !ours ? undefined : durable,
    command: trial,
    prepare,
  };
  if (output === undefined || ours || durable) return [plain];
  return [plain, { ...plain, durable: true, command: flushed({ ...trial, output }) }];
}

function after(trial: Trial | undefined, clear: () => Promise<void>): Trial | undefined {
  if (trial === undefined) return undefined;
  const prepare = async (): Promise<void> => {
    await trial.prepare();
    await clear();
  };
  return { ...trial, prepare };
}

// The first run brings everything; what comes after it finds nothing to do.
function warm(trial: Trial | undefined): Trial | undefined {
  if (trial === undefined) return undefined;
  const { output: _, ...rest } = trial;
  let done: Promise<unknown> | undefined;
  const prepare = async (): Promise<void> => {
    done ??= trial.prepare().then(() => measure(trial));
    await done;
  };
  return { ...rest, prepare };
}

async function total({ source, target }: Field): Promise<Traffic> {
  const [one, other] = [await source.traffic(), await target.traffic()];
  return {
    requests: one.requests + other.requests,
    received: one.received + other.received,
    sent: one.sent + other.sent,
  };
}
