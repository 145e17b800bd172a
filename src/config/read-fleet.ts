/**
 * What the configuration says of nodes that register themselves. No decision looks at it: it is for
 * whoever keeps the register, and for whoever reads it.
 */
import { defaultLeaseSeconds, defaultStaleGraceSeconds } from './limits.js';
import type { FleetEntry } from './schema.js';

export interface FleetSettings {
  /** Without a word for so long, an agent counts as gone. */
  readonly leaseSeconds: number;
  /** For so long after that the paths to its node stay as they are. */
  readonly staleGraceSeconds: number;
}

export function readFleet(written: FleetEntry | undefined): FleetSettings {
  return Object.freeze({
    leaseSeconds: written?.leaseSeconds ?? defaultLeaseSeconds,
    staleGraceSeconds: written?.staleGraceSeconds ?? defaultStaleGraceSeconds,
  });
}
