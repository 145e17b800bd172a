/** This machine's kernel for a command, with a failure instead of a defect where it cannot be had. */
import type { NodeRuntime } from '../agent/node-runtime.js';
import { lockNamespace } from '../agent/namespace-lock.js';
import { openNodeKernel, openRuntime } from '../agent/open.js';
import type { AgentPaths } from '../agent/paths.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { requireKernelAccess } from './kernel-access.js';

export async function withKernel<T>(work: (kernel: Kernel) => Promise<T>): Promise<T> {
  requireKernelAccess();
  const kernel = openNodeKernel();
  try {
    return await work(kernel);
  } finally {
    kernel.close();
  }
}

export interface WriterOptions extends AgentPaths {
  /** Who writes, for others that want to. */
  readonly command: 'apply' | 'down' | 'rollback';
  /** Where it answers meanwhile, if it does. */
  readonly answersOn?: string;
}

/** Alone in this network namespace: an agent there, whatever its socket, would undo the work. */
export async function withRuntime<T>(
  options: WriterOptions,
  work: (runtime: NodeRuntime) => Promise<T>,
): Promise<T> {
  requireKernelAccess();
  const { command, answersOn } = options;
  const lock = await lockNamespace({
    command,
    ...(answersOn === undefined ? {} : { socket: answersOn }),
  });
  try {
    return await withOpenRuntime(options, work);
  } finally {
    await lock.release();
  }
}

async function withOpenRuntime<T>(
  paths: AgentPaths,
  work: (runtime: NodeRuntime) => Promise<T>,
): Promise<T> {
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
