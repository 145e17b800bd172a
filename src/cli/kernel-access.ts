/** May this process ask and change the kernel? A file of its own, as that is asked before all else is loaded. */
import { readFileSync } from 'node:fs';
import { nativeAddonProblem } from '../../tunnel/native/addon.js';
import { unableFailure } from './failure.js';

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
