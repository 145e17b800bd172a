/**
 * Calls to whichever member answers. One is asked until it fails, then the next one, and so on in
 * rounds with growing pauses until the call's time is up: one that hangs costs one attempt's time,
 * once. Where no member has ever been reached the time is a short one: most likely the address is
 * wrong or nothing runs there, and somebody waits to be told so. A token that is no longer taken is asked for anew, once a call.
 */
import type { Credentials } from '../access.js';
import type { Endpoint } from '../address.js';
import { KeyValueError } from '../kv.js';
import { Member } from './member.js';
import type { EtcdTiming } from './timing.js';
import { pauseMs } from './timing.js';
import { isCallStatus, isUnreached, judge } from './verdict.js';

export interface SessionOptions {
  /** For people. */
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  readonly credentials: Credentials;
  readonly timing: EtcdTiming;
}

/** For callers within this folder, who know what to do about it. */
export class Compacted extends Error {}
export class TooLarge extends Error {}

export interface CallOptions {
  /** For messages: `read /selvage/prod/record/a`. */
  readonly action: string;
  /** Default: that of `timing`. */
  readonly callMs?: number;
  /** Told when an attempt failed in a way that may have had its effect all the same. */
  readonly onDoubt?: () => void;
}

export class Session {
  readonly name: string;
  readonly timing: EtcdTiming;
  readonly #members: readonly Member[];
  readonly #user: string | undefined;
  #current: number;
  #closed = false;
  /** By any question; whether there was an answer does not matter. */
  #reached = false;
  /** Those who sleep until time has passed or the store answers again. */
  readonly #waiting = new Set<() => void>();
  readonly #sleeping = new Set<() => void>();
  readonly #doubters = new Set<(member: Member) => void>();

  constructor(options: SessionOptions) {
    this.name = options.name;
    this.timing = options.timing;
    this.#user = options.credentials.login?.user;
    this.#members = options.endpoints.map((endpoint) => new Member(endpoint, options));
    // Not all agents of a fleet at the first member.
    this.#current = Math.floor(Math.random() * this.#members.length);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The member that answered last, or is to be tried next. */
  get member(): Member {
    return this.#members[this.#current]!;
  }

  get memberCount(): number {
    return this.#members.length;
  }

  /** Tells who has a stream at a member that did not answer somebody else. */
  onDoubt(listener: (member: Member) => void): { cancel(): void } {
    this.#doubters.add(listener);
    return { cancel: () => void this.#doubters.delete(listener) };
  }

  /** Somebody else is asked from now on; of many calls that failed alike only the first moves on. */
  leave(member: Member): void {
    for (const listener of this.#doubters) listener(member);
    if (this.member === member) this.#current = (this.#current + 1) % this.#members.length;
  }

  async call<T>(
    attempt: (member: Member, options: { readonly timeoutMs: number }) => Promise<T>,
    options: CallOptions,
  ): Promise<T> {
    const { action, callMs = this.timing.callMs } = options;
    const began = performance.now();
    const connectMs = Math.min(callMs, this.timing.connectMs);
    const endMs = (): number => began + (this.#reached ? callMs : connectMs);
    // So that each member gets its turn before the time is up.
    const attemptMs = (): number =>
      this.#reached
        ? this.timing.attemptMs
        : Math.min(this.timing.attemptMs, connectMs / this.#members.length);
    const reasons = new Map<string, string>();
    let hopeless = 0;
    let tokens = 0;
    for (let count = 1; ; count++) {
      if (this.#closed) throw this.error('unavailable', action, 'the client is closed');
      const member = this.member;
      const where = member.endpoint.text;
      try {
        const left = endMs() - performance.now();
        const timeoutMs = Math.max(1, Math.min(attemptMs(), left));
        const answer = await attempt(member, { timeoutMs });
        this.#reached = true;
        this.answered();
        return answer;
      } catch (error) {
        if (this.#closed) throw this.error('unavailable', action, 'the client is closed');
        if (!isCallStatus(error)) throw error;
        if (!isUnreached(error)) this.#reached = true;
        const verdict = judge(error);
        switch (verdict.kind) {
          case 'compacted':
            throw new Compacted();
          case 'too-large':
            throw new TooLarge();
          case 'authentication-off':
            throw this.error('unusable', action, `${where}: ${error.details}`);
          case 'failed':
            throw this.error(verdict.failure, action, `${where}: ${verdict.why}`);
          case 'token':
            member.forgetToken();
            // Once for this token, once more for one that came while it was asked for.
            if (!member.hasLogin || ++tokens > 2)
              throw this.error('denied', action, `${where}: ${verdict.why}`);
            continue;
          case 'elsewhere':
            options.onDoubt?.();
            reasons.set(where, verdict.why);
            this.leave(member);
            hopeless = verdict.hopeless ? hopeless + 1 : 0;
        }
      }
      const why = [...reasons].map(([place, reason]) => `${place}: ${reason}`).join('; ');
      if (hopeless >= this.#members.length) throw this.error('denied', action, why);
      const round = Math.floor(count / this.#members.length);
      const pause = count % this.#members.length === 0 ? pauseMs(round - 1, this.timing) : 0;
      if (performance.now() + pause >= endMs())
        throw this.#reached
          ? this.error('unavailable', action, `${why}; is etcd running there, with a majority?`)
          : new KeyValueError(
              'unavailable',
              `cannot reach ${this.name}: ${why}; is etcd running there, and is the address right?`,
            );
      if (pause > 0) await this.pause(pause);
    }
  }

  /** Ends early when the client is closed. */
  sleep(ms: number): Promise<void> {
    return sleepAmong(this.#sleeping, this.#closed ? 0 : ms);
  }

  /** As `sleep`, and ends early when somebody else has had an answer. */
  pause(ms: number): Promise<void> {
    return sleepAmong(this.#waiting, this.#closed ? 0 : ms);
  }

  /** A member has answered: whoever waits for that tries again. */
  answered(): void {
    for (const wake of this.#waiting) wake();
  }

  error(failure: KeyValueError['failure'], action: string, why: string): KeyValueError {
    const who = failure === 'denied' && this.#user !== undefined ? ` as user ${this.#user}` : '';
    return new KeyValueError(failure, `cannot ${action} in ${this.name}${who}: ${why}`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const wake of [...this.#sleeping, ...this.#waiting]) wake();
    for (const member of this.#members) member.close();
  }
}

function sleepAmong(sleepers: Set<() => void>, ms: number): Promise<void> {
  const began = performance.now();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      sleepers.delete(wake);
      resolve();
    };
    // An eighth has to pass all the same, else two of them could keep each other awake.
    const wake = (): void => {
      clearTimeout(timer);
      timer = setTimeout(done, began + ms / 8 - performance.now());
    };
    let timer = setTimeout(done, ms);
    sleepers.add(wake);
  });
}
