/** Listens until enough packets of the path have passed, or the time is over. */
import { prefixFilter } from '../../tunnel/probe/filter.js';
import type { Tap } from '../../tunnel/probe/tap.js';
import { openTap } from '../../tunnel/probe/tap.js';
import type { CapturedPacket } from './group.js';
import { Grouping } from './group.js';
import type { CaptureTerms } from './path.js';
import { capturePlan } from './path.js';
import { sightingOf } from './sighting.js';

export interface CaptureOptions {
  readonly count: number;
  readonly timeoutMs: number;
  /** Network namespace by name or path; undefined: the process's own. */
  readonly netns?: string;
  /** Ends it early. */
  readonly signal?: AbortSignal;
  /** The tap is open. */
  readonly onListening?: () => void;
  /** In order, each once, as soon as nothing more is waited for. */
  readonly onPacket?: (packet: CapturedPacket) => void;
}

export interface CaptureReport {
  readonly schema: 'selvage.capture/1';
  readonly node: string;
  readonly peer: string;
  readonly destination: string;
  readonly wanted: number;
  readonly packets: readonly CapturedPacket[];
  readonly durationMs: number;
  /** Frames that came faster than they could be read. */
  readonly lost: number;
}

const lookMs = 50;
/** Beyond the time that was asked for: for what is still waited for. */
const graceMs = 2_000;

/** Throws `SystemCallError` without the privilege. */
export async function capture(
  terms: CaptureTerms,
  options: CaptureOptions,
): Promise<CaptureReport> {
  const { count, timeoutMs, netns, signal } = options;
  const { path, expected, filter } = capturePlan(terms);
  const grouping = new Grouping({ count, expected });
  const packets: CapturedPacket[] = [];
  const startMs = performance.now();
  const sinceStart = (): number => performance.now() - startMs;
  let tap: Tap | undefined;
  const take = (found: readonly CapturedPacket[]): void => {
    for (const packet of found) {
      packets.push(packet);
      options.onPacket?.(packet);
    }
  };
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setInterval(() => {
        take(grouping.settled(sinceStart()));
        if (grouping.isDone || sinceStart() > timeoutMs || signal?.aborted === true) end();
      }, lookMs);
      const end = (error?: Error): void => {
        clearInterval(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      signal?.addEventListener('abort', () => end(), { once: true });
      try {
        tap = openTap({
          filter: prefixFilter(filter),
          ...(netns === undefined ? {} : { netns }),
          limitMs: timeoutMs + graceMs,
          onFrame: (frame) => {
            const sighting = sightingOf(frame, path, sinceStart());
            if (sighting !== undefined) grouping.add(sighting);
          },
          onFailed: end,
        });
        options.onListening?.();
      } catch (error) {
        end(error as Error);
      }
    });
    take(grouping.rest());
    return {
      schema: 'selvage.capture/1',
      node: terms.node,
      peer: terms.peer,
      destination: terms.destination,
      wanted: count,
      packets,
      durationMs: Math.round(sinceStart()),
      lost: tap?.lost ?? 0,
    };
  } finally {
    tap?.close();
  }
}
