/**
 * Between two configurations: who may still have the old one, and what must therefore still be
 * accepted and not yet be sent.
 *
 * Nodes learn of a change at slightly different moments, at most half a settle time apart. So each
 * node first accepts the new and goes on sending the old (`ready`); one settle time later every
 * peer accepts the new, and it sends that (`switched`); after one more no peer sends the old, and
 * it stops accepting it. Peer b got the file a little later than a; `▒` is the time that the kernel
 * takes to be given what was decided:
 *
 *     a ▒▒▒ accepts old+new ────────▒▒▒──────────────────────▒▒▒ new only
 *           sends old                  sends new
 *        b ▒▒▒ accepts old+new ────────▒▒▒──────────────────────▒▒▒
 *              sends old                  sends new
 *
 * Settle times count from the end of the pass that did the step, not from the decision to do it:
 * with thousands of peers or on a slow machine applying takes long, and takes the peers as long, so
 * what is done here is the measure of what is done there.
 *
 * Everything follows from the list of what was asked for since when, so a restart half-way goes on
 * where it was. Only what peers must agree on is in it; a change of anything else is in force at once.
 *
 * Where somebody leads the change through the nodes (`Cluster.changeover`), he has asked every node
 * before he goes on, so the phase says what the clock would have to guess, and no settle time is
 * waited for. The phase comes from the store, so a node without any memory knows it too.
 */
import type { CarriageKey, VxlanId } from '../encap/mode.js';

/** What nodes must agree on for packets of one to be received by another. */
export interface Terms {
  readonly vxlan: VxlanId;
  /** Carriages that some rule may ask for and no fact excludes; sorted. */
  readonly receives: readonly CarriageKey[];
  /** Underlay addresses with their masks, by node name. */
  readonly underlay: Readonly<Record<string, readonly string[]>>;
}

/** The terms that a configuration asked for, and how far they are; times are monotonic. */
export interface TermsSince {
  /** When they were first asked for. */
  readonly sinceMs: number;
  /** When all that they ask to be received had been given to the kernel. */
  readonly readyMs?: number | undefined;
  /** When all that is sent by them had been given to the kernel, and what it takes stood. */
  readonly switchedMs?: number | undefined;
  /** Whoever leads the change knows that every peer receives them: they need not have stood. */
  readonly agreed?: true | undefined;
  readonly terms: Terms;
}

/** Oldest first; the last is what is asked for now. */
export type TermsHistory = readonly TermsSince[];

export interface ChangeoverClock {
  readonly nowMs: number;
  readonly settleMs: number;
  /** Set while somebody leads the change: it then ends when he says so, and not by the clock. */
  readonly led?: LedPhase | undefined;
}

export type LedPhase = 'prepare' | 'switch' | 'settled';

/** Long enough for a file that is copied to all nodes by one command. */
export const defaultSettleMs = 10_000;

/** As many VXLAN segments may be received at once as there are slots for their devices. */
const segmentsMax = 2;

export function vxlanKey(id: VxlanId): string {
  return `${id.vni}/${id.port}`;
}

/**
 * Without what no peer can be sending any more: terms that were switched to a settle time ago have
 * been switched to by every peer.
 */
export function pruned(history: TermsHistory, clock: ChangeoverClock): TermsHistory {
  return history.slice(lastThatStood(history, clock, ({ switchedMs }) => switchedMs));
}

/**
 * What every peer understands: the last terms that stood for a settle time. Some that were replaced
 * sooner may never have reached a peer, so they are received and never sent.
 */
export function sendingTerms(history: TermsHistory, clock: ChangeoverClock): Terms | undefined {
  return history[sendingIndex(history, clock)]?.terms;
}

function sendingIndex(history: TermsHistory, clock: ChangeoverClock): number {
  // Nobody is waited for, and within a pass what is received comes before what is sent.
  if (clock.settleMs === 0 && clock.led === undefined) return history.length - 1;
  const agreed = history.findLastIndex((entry) => entry.agreed === true);
  return Math.max(
    agreed,
    lastThatStood(history, clock, ({ readyMs }) => readyMs),
  );
}

function lastThatStood(
  history: TermsHistory,
  { nowMs, settleMs }: ChangeoverClock,
  from: (entry: TermsSince) => number | undefined,
): number {
  for (let i = history.length - 1; i > 0; i--) {
    const startMs = from(history[i]!);
    const endMs = history[i + 1]?.sinceMs ?? nowMs;
    if (startMs !== undefined && endMs - startMs >= settleMs) return i;
  }
  return 0;
}

/** What became of a pass whose plan was made with this history. */
export interface AppliedPass {
  readonly history: TermsHistory;
  /** When the plan was made, which is what it sent by. */
  readonly planned: ChangeoverClock;
  readonly endedMs: number;
  /** Is anything missing that the change needs, so that the old must stay? */
  readonly incomplete: boolean;
}

/**
 * Notes what a pass has done. A device of ours that cannot be made does not keep us from sending:
 * that needs the peers' devices, and ours only say how long applying takes. But the old stays
 * until it is there, as the peers may have the same trouble.
 */
export function afterPass(pass: AppliedPass): TermsHistory {
  const { history, planned, endedMs, incomplete } = pass;
  const sending = sendingIndex(history, planned);
  let changed = false;
  const next = history.map((entry, i): TermsSince => {
    if (i === 0) return entry;
    const readyMs = entry.readyMs ?? endedMs;
    const isLed = planned.led === 'switch' && i === history.length - 1;
    const isSwitched = i === sending && !incomplete && !isLed;
    const switchedMs = entry.switchedMs ?? (isSwitched ? endedMs : undefined);
    if (readyMs === entry.readyMs && switchedMs === entry.switchedMs) return entry;
    changed = true;
    return { ...entry, readyMs, ...(switchedMs === undefined ? {} : { switchedMs }) };
  });
  return changed ? next : history;
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

/** When the next step is due; undefined when nothing is under way, or when a pass has to end first. */
export function nextStepMs(history: TermsHistory, clock: ChangeoverClock): number | undefined {
  const due = history
    .slice(1)
    .flatMap(({ readyMs, switchedMs, agreed }) => [agreed ? undefined : readyMs, switchedMs])
    .flatMap((fromMs) => (fromMs === undefined ? [] : [fromMs + clock.settleMs]))
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
 * The history without segments that were never sent by and whose device could not be made in a
 * settle time, as where somebody else has the port, if another segment is wanted in their place.
 */
export function withoutUnmade(
  history: TermsHistory,
  now: {
    readonly wanted: VxlanId;
    /** Keys of the segments whose devices are there. */
    readonly present: ReadonlySet<string>;
    readonly clock: ChangeoverClock;
  },
): TermsHistory {
  const { wanted, present, clock } = now;
  const useless = history.filter(
    ({ sinceMs, terms }, i) =>
      i > 0 &&
      vxlanKey(terms.vxlan) !== vxlanKey(wanted) &&
      !present.has(vxlanKey(terms.vxlan)) &&
      clock.nowMs - sinceMs > clock.settleMs,
  );
  return useless.length === 0 ? history : history.filter((entry) => !useless.includes(entry));
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
  return sameNodes ? history : [...history.slice(0, -1), { ...last, terms: next.terms }];
}

/** Two configurations of a change that is led; `other` is not there any more when it is settled. */
export interface LedTerms {
  readonly phase: LedPhase;
  /** Of the cluster in force. */
  readonly terms: Terms;
  readonly other: Terms | undefined;
  readonly nowMs: number;
}

/**
 * As `withTerms`, in a change that is led. What is only prepared leaves no trace here, as the next
 * version may be another one: see `withPrepared`.
 */
export function withLedTerms(history: TermsHistory, led: LedTerms): TermsHistory {
  const { phase, terms, other, nowMs } = led;
  switch (phase) {
    case 'prepare':
      return withTerms(history, { terms, nowMs });
    case 'switch': {
      // Also where nothing is remembered: peers that have not heard of the phase send by the other.
      const isKnown = other === undefined || history.some((entry) => agree(entry.terms, other));
      const both = isKnown ? history : withTerms(history, { terms: other, nowMs });
      const next = withTerms(both, { terms, nowMs });
      const last = next.at(-1)!;
      return last.agreed ? next : [...next.slice(0, -1), { ...last, agreed: true }];
    }
    case 'settled': {
      const next = withTerms(history, { terms, nowMs });
      return next.length === 1 ? next : next.slice(-1);
    }
  }
}

/** With what is received besides already, and not sent by: the terms to come. */
export function withPrepared(
  history: TermsHistory,
  next: { readonly prepared: Terms | undefined; readonly nowMs: number },
): TermsHistory {
  const { prepared, nowMs } = next;
  const last = history.at(-1);
  if (prepared === undefined || last === undefined || agree(last.terms, prepared)) return history;
  // Never ready, so no clock brings it into force.
  return [...history, { sinceMs: nowMs, terms: prepared }];
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
