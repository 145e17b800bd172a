/** Echoes, of whatever kind, as evidence. */
import type { Family } from '../../encap/address.js';
import type { ProbeEvidence } from '../../routes/diagnose/evidence.js';
import { outerFamilyOf } from './craft.js';
import type { Way } from './pair-probe.js';
import type { PingResult } from './pinger.js';

export function roundTrip(
  result: Omit<PingResult, 'errors'> & { readonly errors: readonly string[] },
  of: {
    readonly layer: 'underlay' | 'control' | 'inner' | 'size';
    readonly family: Family;
    readonly way?: Way;
  },
): ProbeEvidence {
  const { rttsMs } = result;
  return {
    layer: of.layer,
    direction: 'round-trip',
    family: of.family,
    mode: of.way?.mode ?? null,
    outerFamily: of.way === undefined ? null : outerFamilyOf(of.way, of.family),
    path: 'routed',
    sent: result.sent,
    answered: result.answered,
    seen: {},
    packetBytes: result.packetBytes,
    rttMs:
      rttsMs.length === 0
        ? null
        : {
            min: Math.min(...rttsMs),
            avg: rttsMs.reduce((sum, rtt) => sum + rtt, 0) / rttsMs.length,
            max: Math.max(...rttsMs),
          },
    errors: result.errors,
  };
}
