/** This machine's kernel for a command, with a failure instead of a defect where it cannot be had. */
import { nativeAddonProblem } from '../../tunnel/native/addon.js';
import type { NodeRuntime } from '../agent/node-runtime.js';
import { openNodeKernel, openRuntime } from '../agent/open.js';
import type { AgentPaths } from '../agent/paths.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { unableFailure } from './failure.js';

export async function withKernel<T>(work: (kernel: Kernel) => Promise<T>): Promise<T> {
  requireAddon();
  const kernel = openNodeKernel();
  try {
    return await work(kernel);
  } finally {
    kernel.close();
  }
}

export async function withRuntime<T>(
  paths: AgentPaths,
  work: (runtime: NodeRuntime) => Promise<T>,
): Promise<T> {
  requireAddon();
  const { pino } = await import('pino');
  // Standard output is for the answer.
  const log = pino({ level: 'warn' }, pino.destination(2));
  const runtime = await openRuntime({ paths, log });
  try {
    return await work(runtime);
  } finally {
    runtime.kernel.close();
  }
}

/** Without the addon nothing can be done, and that is no defect. */
export function requireAddon(): void {
  const problem = nativeAddonProblem();
  if (problem !== undefined) throw unableFailure(`this kernel cannot be reached: ${problem}`);
}
