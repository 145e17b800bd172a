/**
 * Trains of marked packets, one way: sent here and looked for here and at the peer, or sent by the
 * peer, one packet a question, and looked for at both again. Both ends watch one session for the
 * whole run; each train has its number.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Family } from '../../encap/address.js';
import {
  type CountsAnswer,
  type Sighting,
  decodeCountsAnswer,
  decodeSendAnswer,
  decodeWatchAnswer,
  encodeCountsQuestion,
  encodeSendQuestion,
  encodeWatchQuestion,
} from '../../encap/probe/body.js';
import { datagramUsualMaxBytes } from '../../encap/probe/datagram.js';
import { type Mark, sessionBytes } from '../../encap/probe/mark.js';
import type { Mode } from '../../encap/mode.js';
import type {
  Direction,
  Place,
  ProbeEvidence,
  SeenElsewhere,
} from '../../routes/diagnose/evidence.js';
import type { Control } from './control.js';
import { probeLimits } from './limits.js';
import { packetGapMs, patienceMs } from './pace.js';
import type { Watches } from './watches.js';

/** Everything of the evidence that the train itself does not find out. */
export interface TrainKind {
  readonly layer: 'tunnel' | 'size';
  readonly direction: Direction;
  readonly family: Family;
  readonly mode: Mode | null;
  readonly outerFamily: Family | null;
  readonly path: 'routed' | 'crafted';
  readonly packetBytes: number;
  readonly count: number;
}

/** IPv4 and UDP headers around a question; a packet that it asks for is no longer than all of it. */
const questionOverheadBytes = 28;
const noCounts: CountsAnswer = { status: 'not-watching', delivered: 0, lost: 0, sightings: [] };

export class Trains {
  readonly #session = randomBytes(sessionBytes);
  readonly #peer: string;
  readonly #watches: Watches;
  readonly #control: Control | undefined;
  #next = 1;
  /** What cannot be seen, and why. */
  readonly notes: string[] = [];

  constructor(options: {
    readonly peer: string;
    readonly watches: Watches;
    /** Absent: only this node's own places are watched. */
    readonly control: Control | undefined;
  }) {
    this.#peer = options.peer;
    this.#watches = options.watches;
    this.#control = options.control;
  }

  /** The peer begins to count what arrives, and nothing else. */
  async openArrivals(durationMs: number): Promise<boolean> {
    const question = { session: this.#session, durationMs, arrivalsOnly: true };
    const body = await this.#control?.ask('watch', encodeWatchQuestion(question));
    const status = body && decodeWatchAnswer(body);
    return status === 'blind' || status === 'watching';
  }

  /** Both ends begin to watch. */
  async open(): Promise<void> {
    const durationMs = probeLimits.watchMs;
    const here = this.#watches.open(this.#session, { peer: this.#peer, durationMs });
    if (here !== 'watching')
      this.notes.push(
        here === 'busy'
          ? 'this node runs too many probes at once: it does not look at its own devices now'
          : 'packets cannot be looked for at the devices of this node: that takes CAP_NET_RAW and the native addon',
      );
    if (this.#control?.path === undefined) return;
    const body = await this.#control.ask(
      'watch',
      encodeWatchQuestion({ session: this.#session, durationMs }),
    );
    const there = body && decodeWatchAnswer(body);
    if (there === 'watching') return;
    this.notes.push(
      there === 'busy'
        ? `${this.#peer} runs too many probes at once: it does not look at its devices now`
        : there === 'blind'
          ? `${this.#peer} cannot look for packets at its devices: its agent lacks CAP_NET_RAW or the native addon`
          : `${this.#peer} does not answer the question to look for packets`,
    );
  }

  /** The peer need not watch to the end of the time either; if it does not hear this it will. */
  close(): void {
    this.#watches.close(this.#session);
    const question = encodeWatchQuestion({ session: this.#session, durationMs: 0 });
    void this.#control?.ask('watch', question, { attempts: 1 });
  }

  /** `send` gives one packet with this mark to the kernel, and tells its refusal. */
  async there(
    kind: TrainKind,
    send: (mark: Mark) => Promise<string | undefined>,
  ): Promise<ProbeEvidence> {
    const train = this.#next++;
    const errors = new Set<string>();
    for (let sequence = 0; sequence < kind.count; sequence++) {
      if (sequence > 0) await sleep(packetGapMs);
      const error = await send({ session: this.#session, train, sequence });
      if (error !== undefined) errors.add(error);
    }
    return this.#evidence(kind, { train, sent: kind.count, errors });
  }

  async back(kind: TrainKind): Promise<ProbeEvidence> {
    const train = this.#next++;
    const errors = new Set<string>();
    const bytes = Math.max(datagramUsualMaxBytes, kind.packetBytes - questionOverheadBytes);
    let sent = 0;
    const asks: Promise<void>[] = [];
    for (let sequence = 0; sequence < kind.count; sequence++) {
      if (sequence > 0) await sleep(packetGapMs);
      const mark = { session: this.#session, train, sequence };
      const { family, packetBytes } = kind;
      const question = encodeSendQuestion({ family, packetBytes, mark });
      // Once only: asked again, the same packet would be sent twice.
      const asked = this.#control?.ask('send', question, { bytes, attempts: 1 });
      asks.push(
        Promise.resolve(asked).then((body) => {
          const status = body && decodeSendAnswer(body);
          if (status !== undefined) sent++;
          if (status !== undefined && status !== 'sent') errors.add(sendErrors[status]);
        }),
      );
    }
    await Promise.all(asks);
    if (sent < kind.count) errors.add('ENOANSWER');
    return this.#evidence(kind, { train, sent, errors });
  }

  async #evidence(
    kind: TrainKind,
    train: { readonly train: number; readonly sent: number; readonly errors: ReadonlySet<string> },
  ): Promise<ProbeEvidence> {
    const { sender, receiver, seen } = await this.#settled(kind, train);
    const { count: _count, ...what } = kind;
    const elsewhere = [
      ...oddSightings(sender, { end: 'sender', ways: ['out'] }),
      ...oddSightings(receiver, { end: 'receiver', ways: ['in', 'stray'] }),
    ];
    return {
      ...what,
      // An answer may be lost although the packet was sent.
      sent: Math.max(train.sent, ...Object.values(seen)),
      answered: seen.delivered ?? 0,
      seen,
      ...(elsewhere.length === 0 ? {} : { elsewhere }),
      rttMs: null,
      errors: [...train.errors],
    };
  }

  /** What both ends have counted when all packets are everywhere, or the time for that is over. */
  async #settled(
    kind: TrainKind,
    { train, sent }: { readonly train: number; readonly sent: number },
  ): Promise<Counted> {
    const rttMs = this.#control?.rttMs;
    const deadlineMs = performance.now() + patienceMs(rttMs);
    const canAsk = this.#control?.path !== undefined;
    // Each look at the peer is a question: soon, a little later, and when the time is over.
    for (let waitMs = packetGapMs + (rttMs ?? 0); ; waitMs *= 5) {
      await sleep(Math.min(waitMs, Math.max(1, deadlineMs - performance.now())));
      const isOver = performance.now() >= deadlineMs;
      const far = (canAsk ? await this.#far(train) : undefined) ?? noCounts;
      const near = this.#watches.counts(this.#session, { peer: this.#peer, train });
      const [sender, receiver] = kind.direction === 'there' ? [near, far] : [far, near];
      const seen = seenBy(kind, { sender, receiver });
      if (isOver || Object.values(seen).every((count) => count >= sent))
        return { sender, receiver, seen };
    }
  }

  async #far(train: number): Promise<CountsAnswer | undefined> {
    const question = encodeCountsQuestion({ session: this.#session, train });
    const body = await this.#control?.ask('counts', question);
    return body && decodeCountsAnswer(body);
  }
}

/** As the peer's kernel would have said it here. */
const sendErrors = { refused: 'EADDRNOTAVAIL', 'too-big': 'EMSGSIZE', failed: 'EIO' } as const;

interface Counted {
  readonly sender: CountsAnswer;
  readonly receiver: CountsAnswer;
  readonly seen: ProbeEvidence['seen'];
}

/** A native packet passes no tunnel device, one made by hand none of the sender's. */
function seenBy(
  kind: Pick<TrainKind, 'path' | 'mode'>,
  { sender, receiver }: Pick<Counted, 'sender' | 'receiver'>,
): ProbeEvidence['seen'] {
  const seen: Partial<Record<Place, number>> = {};
  const isNative = kind.mode === 'native';
  if (sender.status === 'counted') {
    if (kind.path === 'routed' && !isNative)
      seen['sender-tunnel'] = most(sender, { place: 'tunnel', way: 'out' });
    seen['sender-nic'] = most(sender, { place: 'nic', way: 'out' });
  }
  if (receiver.status === 'counted') {
    seen['receiver-nic'] = most(receiver, { place: 'nic', way: 'in' });
    if (!isNative) seen['receiver-tunnel'] = most(receiver, { place: 'tunnel', way: 'in' });
  }
  if (receiver.status !== 'not-watching') seen.delivered = receiver.delivered;
  return seen;
}

/** Of several devices of a kind (a bond and its members) each sees the same packets. */
function most(counts: CountsAnswer, where: Pick<Sighting, 'place' | 'way'>): number {
  return Math.max(
    0,
    ...counts.sightings
      .filter(({ place, way }) => place === where.place && way === where.way)
      .map(({ packets }) => packets),
  );
}

function oddSightings(
  counts: CountsAnswer,
  at: { readonly end: 'sender' | 'receiver'; readonly ways: readonly Sighting['way'][] },
): readonly SeenElsewhere[] {
  return counts.sightings
    .filter(({ way, place }) => at.ways.includes(way) && (place === 'other' || way === 'stray'))
    .filter(({ device }) => device !== 'lo')
    .map(({ device, way, packets }) => ({ end: at.end, device, way, packets }));
}
