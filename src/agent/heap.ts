/**
 * Gives back what passes over a whole fleet leave behind. Each reads some ten thousand objects of the
 * kernel that nobody needs afterwards, and the engine lets them lie for as long as it has room: an
 * agent with nothing to do would hold on to them for good. So it is asked to collect, in a quiet
 * moment, and only where that is worth the moment (a tenth or two of a second with ten thousand peers) in which
 * nothing else runs.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../../routes/reconciler.js';

/**
 * The engine collects by itself when there is a fifth more than was left the last time, and not
 * several times as much: what a change of all routes takes at its height is half of what it was, and
 * the time is the same, as garbage that is found early is cheap.
 */
export function collectEarly(): void {
  setFlagsFromString('--heap-growing-percent=20');
}

export interface HeapKeeperOptions {
  readonly clock: Clock;
  /** Something is under way that a pause would hold up; `passed` follows it. */
  readonly isBusy: () => boolean;
  /** Bytes that the heap takes from the machine, in use or not. */
  readonly takenBytes?: () => number;
  readonly collect?: () => void;
}

const quietMs = 1_000;
const worthBytes = 24 << 20;

export class HeapKeeper {
  readonly #clock: Clock;
  readonly #isBusy: () => boolean;
  readonly #takenBytes: () => number;
  readonly #collect: () => void;
  #timer: { cancel(): void } | undefined;
  /** After the last collection. */
  #leftBytes = 0;

  constructor(options: HeapKeeperOptions) {
    this.#clock = options.clock;
    this.#isBusy = options.isBusy;
    this.#takenBytes = options.takenBytes ?? (() => getHeapStatistics().total_heap_size);
    this.#collect = options.collect ?? collectGarbage;
  }

  /** Passes that follow each other closely are one to it. */
  passed(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(() => this.#look(), quietMs);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#isBusy()) return;
    const grownBytes = this.#takenBytes() - this.#leftBytes;
    // After the start only where a quarter more has come: a look at everything, once a minute,
    // leaves less, and is to cost no pause.
    if (grownBytes < Math.max(worthBytes, this.#leftBytes / 4)) return;
    this.#collect();
    this.#leftBytes = this.#takenBytes();
  }
}

/**
 * The function is there for programs that are started with a flag, which may be set later as well.
 * Without compaction hardly a page would be free of what stays.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  setFlagsFromString('--compact-on-every-full-gc');
  try {
    (runInNewContext('gc') as () => void)();
  } finally {
    setFlagsFromString('--no-compact-on-every-full-gc');
    setFlagsFromString('--no-expose-gc');
  }
}
