/**
 * What becomes of the packets of a pair of nodes, in one word or two: what a whole cluster is
 * counted by, and what two clusters are compared by.
 */
import type { Family } from '../address.js';
import type { Mode, Plane } from '../mode.js';
import type { Decision } from '../trail.js';

export type Outcome =
  | {
      readonly kind: 'forward';
      readonly mode: Mode;
      /** Family of the outer header; of the packet itself where there is none. */
      readonly outer: Family;
      /** Largest inner packet in bytes. */
      readonly mtu: number;
      /** The worse data plane of both ends. */
      readonly plane: Plane;
    }
  | { readonly kind: 'deny' }
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** The receiver owns no prefix of the family, or one of the two is not there. */
  | { readonly kind: 'none' };

const deny: Outcome = Object.freeze({ kind: 'deny' });
const none: Outcome = Object.freeze({ kind: 'none' });

export function outcomeOf(decision: Decision | undefined): Outcome {
  if (decision === undefined) return none;
  const { verdict } = decision;
  switch (verdict.kind) {
    case 'forward': {
      const { carriage, mtu, plane } = verdict;
      return { kind: 'forward', mode: carriage.mode, outer: carriage.outer, mtu, plane };
    }
    case 'deny':
      return deny;
    case 'unreachable':
      return { kind: 'unreachable', reason: verdict.reason };
    case 'local':
      return none;
  }
}

/** `vxlan 1396`, `vxlan over IPv6 1376`, `denied`, `no way`, `–`: equal texts are equal outcomes. */
export function outcomeText(outcome: Outcome, inner: Family): string {
  switch (outcome.kind) {
    case 'forward': {
      const { mode, outer, mtu, plane } = outcome;
      const tunnel = mode === 'native' || outer === 4 ? mode : `${mode} over IPv${outer}`;
      const mixed = mode === 'ipip' && inner === 6 && outer === 4 ? `${mode} over IPv4` : tunnel;
      return `${mixed} ${mtu}${plane === 'kernel' ? '' : ` (${plane})`}`;
    }
    case 'deny':
      return 'denied';
    case 'unreachable':
      return 'no way';
    case 'none':
      return '–';
  }
}
