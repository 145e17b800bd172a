/** This machine's kernel for a command, with a failure instead of a defect where it cannot be had. */
import { readFileSync } from 'node:fs';
import { nativeAddonProblem } from '../../tunnel/native/addon.js';
import type { NodeRuntime } from '../agent/node-runtime.js';
import { lockNamespace } from '../agent/namespace-lock.js';
import { openNodeKernel, openRuntime } from '../agent/open.js';
import type { AgentPaths } from '../agent/paths.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { unableFailure } from './failure.js';

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

/**
 * Without the addon or the privilege nothing can be done, and that is no defect. Said before
 * anything is tried: what is refused half-way sounds like another mistake (a guard that is missing).
 */
export function requireKernelAccess(): void {
  const problem = kernelAccessProblem();
  if (problem !== undefined) throw unableFailure(problem);
}

/** One line, or undefined where the kernel can be had. */
export function kernelAccessProblem(): string | undefined {
  const problem = nativeAddonProblem();
  if (problem !== undefined) return `this kernel cannot be reached: ${problem}`;
  return mayAdministerNetwork()
    ? undefined
    : 'this kernel may not be asked or changed: this needs root (CAP_NET_ADMIN and CAP_NET_RAW)';
}

/** linux/capability.h */
const CAP_NET_ADMIN = 12n;

function mayAdministerNetwork(): boolean {
  const effective = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  // A kernel that does not say is asked, and refuses by itself.
  return effective === undefined || ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n;
}
