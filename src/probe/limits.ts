/**
 * Everything that bounds what a node does for others' probes, on one screen. A whole run of one peer
 * asks some fifty questions in a second.
 */
export const probeLimits = {
  /** How far apart clocks may be, in milliseconds; also how long a nonce must be remembered twice. */
  clockWindowMs: 30_000,
  /** Datagrams from nodes' addresses whose tag is computed at all, whoever sent them. */
  unverified: { perSecond: 2_000, burst: 4_000 },
  /** Genuine questions that are answered, of one node and of all. */
  perPeer: { perSecond: 200, burst: 600 },
  total: { perSecond: 800, burst: 2_400 },
  /** More than `total` lets through in two clock windows: full means that something is wrong. */
  nonces: 60_000,
  /** Peers whose rate is remembered; the one not heard of for longest goes. */
  rates: 4_096,
  /** Watches at once: with a tap on the devices, and those that only count what arrives. */
  taps: { perPeer: 4, total: 16 },
  arrivals: { perPeer: 8, total: 256 },
  watchMs: 3_000,
  /** Counts can be asked for this long after a watch has ended. */
  countsKeptMs: 3_000,
  /** Kinds of sightings of one watch: trains × devices × ways. */
  sightings: 512,
  /** A view is kept for the rest of its pages. */
  viewKeptMs: 5_000,
  viewsKept: 64,
} as const;
