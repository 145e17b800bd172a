/**
 * The three ways a packet can cross the underlay, and the families it can do so with.
 */
import type { Family } from './address.js';

export const modes = ['native', 'ipip', 'vxlan'] as const;
export type Mode = (typeof modes)[number];

/** What a rule may ask for. */
export const ruleResults = ['native', 'ipip', 'vxlan', 'auto', 'deny'] as const;
export type RuleResult = (typeof ruleResults)[number];

/**
 * How a packet would travel: mode, family of the outer header and family of the inner packet.
 * Native has no outer header; its `outer` is the family of the packet itself.
 */
export interface Carriage {
  readonly mode: Mode;
  readonly outer: Family;
  readonly inner: Family;
}

/** Which data plane of a node does a carriage; `none` when the node cannot receive it at all. */
export type Plane = 'kernel' | 'ebpf' | 'userspace' | 'none';

export type CarriageKey = `${Mode}:${Family}:${Family}`;

/** What tells one VXLAN segment's packets from another's. */
export interface VxlanId {
  readonly vni: number;
  readonly port: number;
}

/** `mode:outer:inner`, the key of `accepts` tables. */
export function carriageKey(carriage: Carriage): CarriageKey {
  return `${carriage.mode}:${carriage.outer}:${carriage.inner}`;
}
