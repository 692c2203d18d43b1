import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Containerd } from '../../test/support/containerd.ts';
import { unlessInstalled } from '../../test/support/tools.ts';
import { craneTool } from './crane.ts';
import { ctrTool } from './ctr.ts';
import { drayTool } from './dray.ts';
import { orasTool } from './oras.ts';
import { regctlTool } from './regctl.ts';
import { skopeoTool } from './skopeo.ts';
import type { Tool } from './tool.ts';

/** What the tools are made of. */
export interface ToolOptions {
  readonly program: string;
  readonly baseline: string | undefined;
  readonly peers: readonly string[] | undefined;
  readonly containerd: Containerd | undefined;
  /** Each gets a directory in it. */
  readonly directory: string;
}

/** Ours with and without flushes, and the wanted peers that are installed. */
export async function installedTools(options: ToolOptions): Promise<readonly Tool[]> {
  const { program, baseline, peers, containerd } = options;
  const directoryOf = async (name: string): Promise<string> => {
    const directory = join(options.directory, name);
    await mkdir(directory, { recursive: true });
    return directory;
  };
  const tools: Tool[] = [];
  for (const durability of ['none', 'full'] as const) {
    tools.push(drayTool({ program, durability, directory: await directoryOf(`dray-${durability}`) }));
    if (baseline === undefined) continue;
    const directory = await directoryOf(`baseline-${durability}`);
    tools.push(drayTool({ name: 'dray, baseline', program: baseline, durability, directory }));
  }
  const makers = { crane: craneTool, skopeo: skopeoTool, regctl: regctlTool, oras: orasTool };
  for (const [name, make] of Object.entries(makers)) {
    if (wanted(name, peers)) tools.push(make(await directoryOf(name)));
  }
  if (containerd !== undefined) tools.push(ctrTool(await directoryOf('ctr'), containerd));
  return tools;
}

/** Whether a tool stands beside ours. */
export function wanted(name: string, peers: readonly string[] | undefined): boolean {
  return (peers?.includes(name) ?? true) && unlessInstalled(name) === false;
}
