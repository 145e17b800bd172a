/**
 * Between two configurations: who may still have the old one, and what must therefore still be
 * accepted and not yet be sent.
 *
 * Nodes learn of a change at slightly different moments, at most half a settle time apart. So each
 * node first accepts the new and goes on sending the old (`prepare`); one settle time later every
 * peer accepts the new, and it sends that (`switched`); after one more no peer sends the old, and
 * it stops accepting it. Peer b got the file a little later than a:
 *
 *     a   accepts old+new ────────┬──────────────────────┤ new only
 *         sends old               └ sends new
 *       b    accepts old+new ────────┬──────────────────────┤
 *            sends old               └ sends new
 *
 * Everything follows from the list of what was asked for since when, so a restart half-way goes on
 * where it was. Only what peers must agree on is in it; a change of anything else is in force at once.
 */
import type { CarriageKey } from '../encap/mode.js';

/** What tells one VXLAN segment's packets from another's. */
export interface VxlanId {
  readonly vni: number;
  readonly port: number;
}

/** What nodes must agree on for packets of one to be received by another. */
export interface Terms {
  readonly vxlan: VxlanId;
  /** Carriages that some rule may ask for and no fact excludes; sorted. */
  readonly receives: readonly CarriageKey[];
  /** Underlay addresses with their masks, by node name. */
  readonly underlay: Readonly<Record<string, readonly string[]>>;
}

/** The terms that a configuration asked for, and when it was first seen. */
export interface TermsSince {
  /** On the machine's monotonic clock. */
  readonly sinceMs: number;
  readonly terms: Terms;
}

/** Oldest first; the last is what is asked for now. */
export type TermsHistory = readonly TermsSince[];

export interface ChangeoverClock {
  readonly nowMs: number;
  readonly settleMs: number;
}

/** Long enough for a file that is copied to all nodes by one command. */
export const defaultSettleMs = 10_000;

/** As many VXLAN segments may be received at once as there are slots for their devices. */
const segmentsMax = 2;

export function vxlanKey(id: VxlanId): string {
  return `${id.vni}/${id.port}`;
}

/**
 * Without what no peer can be sending any more: terms that stood here for two settle times have
 * stood for one at every peer.
 */
export function pruned(history: TermsHistory, clock: ChangeoverClock): TermsHistory {
  return history.slice(lastThatStood(history, { ...clock, forMs: 2 * clock.settleMs }));
}

/**
 * What every peer understands: the last terms that stood for a settle time. Some that were replaced
 * sooner may never have reached a peer, so they are received and never sent.
 */
export function sendingTerms(history: TermsHistory, clock: ChangeoverClock): Terms | undefined {
  return history[sendingIndex(history, clock)]?.terms;
}

function sendingIndex(history: TermsHistory, clock: ChangeoverClock): number {
  return lastThatStood(history, { ...clock, forMs: clock.settleMs });
}

function lastThatStood(
  history: TermsHistory,
  { nowMs, forMs }: { readonly nowMs: number; readonly forMs: number },
): number {
  for (let i = history.length - 1; i > 0; i--) {
    const endMs = history[i + 1]?.sinceMs ?? nowMs;
    if (endMs - history[i]!.sinceMs >= forMs) return i;
  }
  return 0;
}

/** May packets of this carriage be sent, as far as the modes are concerned? */
export function mayBeSent(
  key: CarriageKey,
  state: { readonly history: TermsHistory; readonly clock: ChangeoverClock },
): boolean {
  const { history, clock } = state;
  const sending = sendingIndex(history, clock);
  return sending >= history.length - 1 || history[sending]!.terms.receives.includes(key);
}

/** Is anything waiting to be sent? */
export function isSwitching(history: TermsHistory, clock: ChangeoverClock): boolean {
  return sendingIndex(history, clock) < history.length - 1;
}

/** When the next step is due; undefined when nothing is under way. */
export function nextStepMs(history: TermsHistory, clock: ChangeoverClock): number | undefined {
  const due = history
    .slice(1)
    .flatMap(({ sinceMs }) => [sinceMs + clock.settleMs, sinceMs + 2 * clock.settleMs])
    .filter((atMs) => atMs > clock.nowMs);
  return due.length === 0 ? undefined : Math.min(...due);
}

/**
 * The segment to ask for. A third one has to wait until no peer can send with the first, which
 * then gives its slot up.
 */
export function admittedVxlan(history: TermsHistory, wanted: VxlanId): VxlanId {
  const known = new Set(history.map(({ terms }) => vxlanKey(terms.vxlan)));
  const last = history.at(-1);
  return last === undefined || known.has(vxlanKey(wanted)) || known.size < segmentsMax
    ? wanted
    : last.terms.vxlan;
}

/**
 * The history with these terms as what is asked for now; the same when nothing is new. Nodes that
 * come or go have nobody to agree with about their past, so they make no new entry.
 */
export function withTerms(
  history: TermsHistory,
  next: { readonly terms: Terms; readonly nowMs: number },
): TermsHistory {
  const last = history.at(-1);
  if (last === undefined || !agree(last.terms, next.terms))
    return [...history, { sinceMs: next.nowMs, terms: next.terms }];
  const names = Object.keys(next.terms.underlay);
  const sameNodes =
    names.length === Object.keys(last.terms.underlay).length &&
    names.every((name) => last.terms.underlay[name] !== undefined);
  return sameNodes
    ? history
    : [...history.slice(0, -1), { sinceMs: last.sinceMs, terms: next.terms }];
}

function agree(a: Terms, b: Terms): boolean {
  return (
    vxlanKey(a.vxlan) === vxlanKey(b.vxlan) &&
    a.receives.join() === b.receives.join() &&
    Object.entries(a.underlay).every(([name, addresses]) => {
      const others = b.underlay[name];
      return others === undefined || others.join() === addresses.join();
    })
  );
}
