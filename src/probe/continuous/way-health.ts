/**
 * Does one way (a mode, over one outer family) to one peer lose what we send? Decided from rounds of
 * a few packets that the peer counts, with hysteresis in both directions:
 *
 *     good ── three rounds in a row lost whole ──▶ lost
 *     lost ── three rounds in a row arrived ─────▶ good
 *
 * Only what the receiver confirms counts. A peer that does not answer says nothing about the way to
 * it: its answer may be lost on the way back, and a fault of that direction must not be taken for one
 * of ours. A lost way is tried at a decaying rate; one that flaps starts at the pause it had reached.
 *
 * Time is given by the caller; nothing here reads a clock.
 */

export interface WayRound {
  readonly atMs: number;
  readonly sent: number;
  /** How many the peer says that it received; undefined: the peer did not answer. */
  readonly delivered: number | undefined;
}

export interface WayHealth {
  readonly state: 'good' | 'lost';
  readonly sinceMs: number;
  /** Rounds in a row that speak for the other state. */
  readonly streak: number;
  /** The next try of a lost way is due then; 0 for a good one. */
  readonly nextTryMs: number;
  /** What the pause between two tries has grown to. */
  readonly pauseMs: number;
  /** Packets of the rounds that made it lost. */
  readonly packets: number;
}

export interface WayHealthOptions {
  readonly roundsToLose: number;
  readonly roundsToRecover: number;
  /** Between rounds that confirm a first sign of recovery. */
  readonly confirmMs: number;
  readonly firstPauseMs: number;
  readonly lastPauseMs: number;
  /** A way that was good for this many times its last pause starts over with the first one. */
  readonly forgetFactor: number;
}

export const wayHealthDefaults: WayHealthOptions = {
  roundsToLose: 3,
  roundsToRecover: 3,
  confirmMs: 1_000,
  firstPauseMs: 5_000,
  lastPauseMs: 600_000,
  forgetFactor: 10,
};

export function newWay(nowMs: number): WayHealth {
  return { state: 'good', sinceMs: nowMs, streak: 0, nextTryMs: 0, pauseMs: 0, packets: 0 };
}

export function afterRound(
  way: WayHealth,
  round: WayRound,
  options: WayHealthOptions = wayHealthDefaults,
): WayHealth {
  const { delivered, sent, atMs } = round;
  if (sent === 0) return way;
  if (delivered === undefined)
    return way.state === 'lost' ? { ...way, nextTryMs: atMs + way.pauseMs } : way;
  return way.state === 'good'
    ? afterRoundOfGood(way, { ...round, delivered }, options)
    : afterRoundOfLost(way, { ...round, delivered }, options);
}

type Confirmed = WayRound & { readonly delivered: number };

function afterRoundOfGood(way: WayHealth, round: Confirmed, options: WayHealthOptions): WayHealth {
  const { atMs } = round;
  if (round.delivered > 0) {
    const forgotten = atMs - way.sinceMs >= way.pauseMs * options.forgetFactor;
    return { ...way, streak: 0, packets: 0, pauseMs: forgotten ? 0 : way.pauseMs };
  }
  const streak = way.streak + 1;
  const packets = way.packets + round.sent;
  if (streak < options.roundsToLose) return { ...way, streak, packets };
  const pauseMs = way.pauseMs === 0 ? options.firstPauseMs : grown(way.pauseMs, options);
  return {
    state: 'lost',
    sinceMs: atMs,
    streak: 0,
    nextTryMs: atMs + pauseMs,
    pauseMs,
    packets,
  };
}

function afterRoundOfLost(way: WayHealth, round: Confirmed, options: WayHealthOptions): WayHealth {
  const { atMs } = round;
  if (round.delivered === 0) {
    const pauseMs = grown(way.pauseMs, options);
    return { ...way, streak: 0, pauseMs, nextTryMs: atMs + pauseMs };
  }
  const streak = way.streak + 1;
  if (streak < options.roundsToRecover)
    return { ...way, streak, nextTryMs: atMs + options.confirmMs };
  return { ...newWay(atMs), pauseMs: way.pauseMs };
}

function grown(pauseMs: number, { lastPauseMs }: WayHealthOptions): number {
  return Math.min(pauseMs * 2, lastPauseMs);
}
