/** Every wait and limit of the client of etcd. */

export interface EtcdTiming {
  /** For one answer of one member: a hanging one costs this, once, until another is asked. */
  readonly attemptMs: number;
  /** For a call with all of its attempts: longer than an election takes. */
  readonly callMs: number;
  /** For the first member to be reached at all, by whoever has never reached any. */
  readonly connectMs: number;
  /** Between attempts once every member has been asked; doubled up to the second, with jitter. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** Pings of a connection with something under way; etcd cuts off who pings more often than 5 s. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** A watch that heard nothing for so long asks for a sign of life. */
  readonly silenceMs: number;
  /** Until a watch that came back counts as up to date though nothing has come. */
  readonly catchUpMs: number;
}

export const defaultTiming: EtcdTiming = {
  attemptMs: 2_000,
  callMs: 10_000,
  connectMs: 3_000,
  firstPauseMs: 50,
  longestPauseMs: 1_500,
  keepaliveMs: 10_000,
  keepaliveTimeoutMs: 3_000,
  silenceMs: 60_000,
  // etcd looks after watches that are behind ten times a second.
  catchUpMs: 500,
};

/** Keys of a page; a page of records has about half a megabyte. */
export const pageKeys = 1_000;

/** What etcd takes by default, with what is around the value. */
export const usualRequestBytes = 1.5 * 1024 * 1024;

export const maxMessageBytes = 64 << 20;

/** The n-th pause, from 0: thousands of clients must not come back in the same moment. */
export function pauseMs(n: number, timing: EtcdTiming): number {
  const full = Math.min(timing.longestPauseMs, timing.firstPauseMs * 2 ** Math.min(n, 20));
  return full * (0.5 + Math.random() * 0.5);
}
