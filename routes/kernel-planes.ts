/** What carries packets to a node whose kernel lacks a device kind: a process, or nothing. */
import type { Accepts } from '../encap/cluster.js';
import type { CarriageKey, Plane } from '../encap/mode.js';
import { carriageKey } from '../encap/mode.js';
import type { OwnLink } from '../tunnel/kernel.js';
import { kindFor } from './peer-objects.js';

/** The carriages that such a kernel does not do itself, as `desired.ts` carries them instead. */
export function planesBesides(kinds: ReadonlySet<OwnLink['kind']>): Accepts {
  const planes: Partial<Record<CarriageKey, Plane>> = {};
  for (const mode of ['ipip', 'vxlan'] as const)
    for (const outer of [4, 6] as const)
      for (const inner of [4, 6] as const) {
        const kind = kindFor({ mode, outer, inner });
        if (kinds.has(kind)) continue;
        planes[carriageKey({ mode, outer, inner })] =
          kind === 'ipip' && kinds.has('tun') ? 'userspace' : 'none';
      }
  return Object.freeze(planes);
}
