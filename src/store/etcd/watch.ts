/**
 * Follows a prefix: a listing, then a stream of what changed since its revision. When the stream
 * ends, another one begins behind the last event, at the next member; nothing is told twice, and
 * nothing is missing. A new listing is taken only where that cannot be: the events between have been
 * forgotten (compaction), or the store is older than what it told us (it was restored).
 *
 * A stream ends when the connection breaks (pings tell), when its member has lost its leader (the
 * member says so, being asked to), and when it gives no sign of life though asked for one: after a
 * long silence, which finds a proxy whose far end is gone, and as soon as the same member has left
 * a call without an answer.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { KeyEvent, WatchHandlers } from '../kv.js';
import { KeyValueError } from '../kv.js';
import { endOfPrefix, listPrefix } from './listing.js';
import type { Member } from './member.js';
import { methods } from './methods.js';
import type { Session } from './session.js';
import { pauseMs } from './timing.js';
import type { CallStatus } from './verdict.js';
import { isCallStatus, judge } from './verdict.js';
import type { WatchRequest, WatchResponse } from './watch-messages.js';

type Stream = ClientDuplexStream<WatchRequest, WatchResponse>;

/** Why a stream is over, and what to do about it. */
type Ending =
  | { readonly kind: 'broken'; readonly problem: string }
  | { readonly kind: 'relist' }
  /** At once, with a new token. */
  | { readonly kind: 'again'; readonly problem: string };

export interface PrefixWatchOptions {
  readonly prefix: string;
  readonly handlers: WatchHandlers;
}

export class PrefixWatch {
  readonly #session: Session;
  readonly #prefix: string;
  readonly #handlers: WatchHandlers;
  /** Of the last event that was told, or of the listing. */
  #revision: number | undefined;
  #state: 'new' | 'synced' | 'broken' = 'new';
  /** That was told last, while it lasts. */
  #problem: string | undefined;
  #stream: Stream | undefined;
  #closed = false;
  /** Streams that ended without having begun, one after the other. */
  #failures = 0;

  constructor(session: Session, options: PrefixWatchOptions) {
    this.#session = session;
    this.#prefix = options.prefix;
    this.#handlers = options.handlers;
    void this.#run();
  }

  close(): void {
    this.#closed = true;
    this.#stream?.cancel();
  }

  get #isOver(): boolean {
    return this.#closed || this.#session.isClosed;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const ending = await this.#follow();
      if (this.#isOver) return;
      if (ending.kind === 'relist') {
        this.#revision = undefined;
        continue;
      }
      this.#failures++;
      if (ending.kind === 'again' && this.#failures === 1) continue;
      this.#tellBroken(ending.problem);
      const rounds = Math.floor(this.#failures / this.#session.memberCount);
      await this.#session.pause(pauseMs(rounds, this.#session.timing));
    }
  }

  async #follow(): Promise<Ending> {
    try {
      if (this.#revision === undefined) {
        const listing = await listPrefix(this.#session, this.#prefix);
        if (this.#isOver) return nobodyCares;
        this.#revision = listing.revision;
        tell(() => this.#handlers.onSnapshot(listing));
      }
    } catch (error) {
      if (error instanceof KeyValueError) return { kind: 'broken', problem: error.message };
      throw error;
    }
    const member = this.#session.member;
    try {
      const stream = await member.stream(methods.watch);
      if (this.#isOver) {
        stream.cancel();
        return nobodyCares;
      }
      return await this.#read(stream, member);
    } catch (error) {
      if (!isCallStatus(error)) throw error;
      return this.#endingOf(error, member);
    }
  }

  /** Until the stream ends. */
  #read(stream: Stream, member: Member): Promise<Ending> {
    const { timing } = this.#session;
    this.#stream = stream;
    const began = this.#revision!;
    let isCreated = false;
    let asked = false;
    let parts: KeyEvent[] = [];
    let syncedFrom = 0;
    return new Promise((resolve) => {
      let timer = setTimeout(() => end(this.#silence(member)), timing.attemptMs);
      let catchUp: NodeJS.Timeout | undefined;
      const end = (ending: Ending): void => {
        clearTimeout(timer);
        clearTimeout(catchUp);
        doubt.cancel();
        stream.cancel();
        resolve(ending);
      };
      const ask = (): void => {
        asked = true;
        clearTimeout(timer);
        stream.write({ kind: 'progress' });
        timer = setTimeout(() => end(this.#silence(member)), timing.attemptMs);
      };
      const heard = (): void => {
        asked = false;
        clearTimeout(timer);
        timer = setTimeout(ask, timing.silenceMs);
      };
      // Sooner than pings would tell.
      const doubt = this.#session.onDoubt((other) => {
        if (other === member && isCreated && !asked) ask();
      });
      const created = async (revision: number): Promise<void> => {
        this.#failures = 0;
        this.#session.answered();
        if (revision < began && (await this.#isRestored(began))) return end({ kind: 'relist' });
        syncedFrom = revision;
        if (this.#state !== 'broken' || revision <= began) this.#tellSynced();
        else catchUp = setTimeout(() => this.#tellSynced(), timing.catchUpMs);
      };
      stream.on('data', (response: WatchResponse) => {
        if (this.#isOver) return end(nobodyCares);
        if (response.compactRevision > 0) return end({ kind: 'relist' });
        if (response.canceled) return end(this.#refused(response.cancelReason, member));
        heard();
        if (response.created && !isCreated) {
          isCreated = true;
          void created(response.revision);
        }
        if (response.events.length > 0) parts.push(...response.events);
        if (response.fragment || parts.length === 0) return;
        const events = parts;
        parts = [];
        const last = events.at(-1)!;
        // Not the response's: of a member that is behind, later events may still be to come.
        const revision = last.kind === 'put' ? last.entry.modRevision : last.revision;
        this.#revision = revision;
        tell(() => this.#handlers.onEvents(events, revision));
        if (catchUp !== undefined && revision >= syncedFrom) {
          clearTimeout(catchUp);
          this.#tellSynced();
        }
      });
      stream.on('error', (error: unknown) => {
        if (isCallStatus(error)) end(this.#endingOf(error, member));
        else end(this.#brokenAt(member, String(error)));
      });
      stream.on('end', () => end(this.#brokenAt(member, 'it ended the watch')));
      stream.write({
        kind: 'create',
        key: Buffer.from(this.#prefix),
        rangeEnd: endOfPrefix(this.#prefix),
        startRevision: began + 1,
      });
    });
  }

  /** A member may be behind; all of them together are not, unless an older state was put in. */
  async #isRestored(known: number): Promise<boolean> {
    try {
      const { revision } = await this.#session.call(
        (member, options) =>
          member.unary(methods.range, { key: Buffer.from(this.#prefix) }, options),
        { action: `follow ${this.#prefix}` },
      );
      return revision < known;
    } catch (error) {
      if (error instanceof KeyValueError) return false;
      throw error;
    }
  }

  /** A token that is not known and a role that does not suffice are told alike by some versions. */
  #refused(reason: string, member: Member): Ending {
    member.forgetToken();
    const why = reason === '' ? 'it does not want to be watched' : reason;
    const { message: problem } = this.#session.error(
      'denied',
      `follow ${this.#prefix}`,
      `${member.endpoint.text}: ${why}; grant the user's roles to read it`,
    );
    return member.hasLogin ? { kind: 'again', problem } : { kind: 'broken', problem };
  }

  #silence(member: Member): Ending {
    return this.#brokenAt(member, 'no sign of life in time');
  }

  #brokenAt(member: Member, why: string): Ending {
    this.#session.leave(member);
    const { message: problem } = this.#session.error(
      'unavailable',
      `follow ${this.#prefix}`,
      `${member.endpoint.text}: ${why}`,
    );
    return { kind: 'broken', problem };
  }

  #endingOf(error: CallStatus, member: Member): Ending {
    const verdict = judge(error);
    switch (verdict.kind) {
      case 'compacted':
        return { kind: 'relist' };
      case 'token':
        return this.#refused(verdict.why, member);
      case 'failed':
        return this.#brokenAt(member, verdict.why);
      case 'elsewhere':
        return this.#brokenAt(member, verdict.why);
      case 'too-large':
      case 'authentication-off':
        return this.#brokenAt(member, error.details);
    }
  }

  #tellSynced(): void {
    if (this.#state === 'synced' || this.#isOver) return;
    this.#state = 'synced';
    this.#problem = undefined;
    tell(() => this.#handlers.onState?.({ kind: 'synced' }));
  }

  #tellBroken(problem: string): void {
    if (this.#problem === problem) return;
    this.#state = 'broken';
    this.#problem = problem;
    tell(() => this.#handlers.onState?.({ kind: 'broken', problem }));
  }
}

const nobodyCares: Ending = { kind: 'broken', problem: '' };

/** A defect of the listener is none of the store, which goes on. */
function tell(handler: () => void): void {
  try {
    handler();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
