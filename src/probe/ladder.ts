/**
 * The path MTU, measured: the largest inner packet that comes back, found by sending several sizes at
 * a time and looking on between the largest that passed and the smallest that did not. Nothing that
 * the kernel believes about the path plays a part.
 *
 * A packet that is too large is answered by a router or the tunnel device with ICMP; when all of
 * those are lost without a word the path is a black hole: connections stall there.
 *
 * A path that loses packets of any size looks much alike, so what was found is tried again: all
 * packets above the boundary must stay lost. Where some of them pass, many packets of each size
 * are sent, and a boundary counts only where chance alone would hardly have drawn it.
 */
import type { Family } from '../../encap/address.js';
import type { PathMtuEvidence } from '../../routes/diagnose/evidence.js';

export interface SizeOutcome {
  readonly sent: number;
  readonly answered: number;
  readonly errors: readonly string[];
}

/** One size, so many packets of it. */
export interface SizeQuestion {
  /** Whole inner IP packet. */
  readonly packetBytes: number;
  readonly count: number;
}

export interface LadderOptions {
  readonly family: Family;
  /** What the decision says. */
  readonly expectedBytes: number;
  /** Above it the device itself refuses. */
  readonly deviceBytes: number;
  /** Sends packets of that size, and tells what became of them. */
  readonly send: (question: SizeQuestion) => Promise<SizeOutcome>;
}

export interface Ladder {
  readonly pathMtu: PathMtuEvidence;
  /** What became of the packets of the expected size. */
  readonly expected: SizeOutcome;
}

/** RFC 791 section 3.1, RFC 8200 section 5: every path carries these. */
export const leastBytes = { 4: 576, 6: 1280 } as const;
/** Sizes at a time: a range of 1500 is done in three rounds, one of 9000 in four. */
const sizesPerRound = 15;
/** Packets of one size: one may be lost by chance. */
const quick = 2;
/** Of each size at the boundary, once more. */
const again = 6;
/** Where packets of any size are lost: half of them lost, all of them are once in 4,000 sizes. */
const thorough = 12;
/** A boundary that chance draws more often than this is none. */
const chanceAllowed = 0.01;

export async function measurePathMtu(options: LadderOptions): Promise<Ladder> {
  const { family, expectedBytes } = options;
  let search = new Search(options, quick);
  let low = await search.run();
  if (low !== undefined && low < expectedBytes) {
    await search.tryAgain([low, low + 1, expectedBytes]);
    if (!search.separates(low)) {
      search = new Search(options, thorough);
      low = await search.run();
      // Too much is lost for sizes to say anything.
      if (low !== undefined && low < expectedBytes && !search.separates(low)) low = undefined;
    }
  }
  const measuredBytes = low ?? null;
  return {
    pathMtu: {
      family,
      expectedBytes,
      measuredBytes,
      blackHole:
        measuredBytes !== null && measuredBytes < expectedBytes && !search.told(measuredBytes),
    },
    expected: search.outcomeOf(expectedBytes),
  };
}

/** One bisection, with all that became of its packets. */
class Search {
  readonly #options: LadderOptions;
  readonly #count: number;
  readonly #outcomes = new Map<number, SizeOutcome>();

  constructor(options: LadderOptions, count: number) {
    this.#options = options;
    this.#count = count;
  }

  /** The largest size that passes; undefined where not even a small packet does. */
  async run(): Promise<number | undefined> {
    const { family, expectedBytes, deviceBytes } = this.#options;
    const least = Math.min(leastBytes[family], expectedBytes);
    const most = Math.max(deviceBytes, expectedBytes);
    // All else is laid upon the small ones: those must not be lost by chance.
    await Promise.all([this.#send([least], thorough), this.#round([expectedBytes, most])]);
    if (this.#passes(most)) return most;
    let low = this.#passes(expectedBytes) ? expectedBytes : least;
    let high = this.#passes(expectedBytes) ? most : expectedBytes;
    if (!this.#passes(low)) return undefined;
    while (high - low > 1) {
      const sizes = sizesBetween(low, high);
      await this.#round(sizes);
      // The smallest that fails bounds from above, whatever luck a larger one had.
      high = sizes.find((size) => !this.#passes(size)) ?? high;
      low = Math.max(low, ...sizes.filter((size) => size < high));
    }
    return low;
  }

  async tryAgain(sizes: readonly number[]): Promise<void> {
    await this.#send(sizes, again);
  }

  /** Does nothing above it pass, and so many packets that it is no chance, seeing how many pass below? */
  separates(low: number): boolean {
    const { expectedBytes } = this.#options;
    const above = this.#sum((size) => size > low && size <= expectedBytes);
    const below = this.#sum((size) => size <= low);
    return above.answered === 0 && (1 - below.answered / below.sent) ** above.sent < chanceAllowed;
  }

  /** Has anybody said that packets above it are too large? */
  told(low: number): boolean {
    const { expectedBytes } = this.#options;
    return this.#sum((size) => size > low && size <= expectedBytes).errors.some(isAboutSize);
  }

  outcomeOf(size: number): SizeOutcome {
    return this.#outcomes.get(size)!;
  }

  #passes(size: number): boolean {
    return this.#outcomes.get(size)!.answered > 0;
  }

  #round(sizes: readonly number[]): Promise<void> {
    return this.#send(
      sizes.filter((size) => !this.#outcomes.has(size)),
      this.#count,
    );
  }

  async #send(sizes: readonly number[], count: number): Promise<void> {
    await Promise.all(
      [...new Set(sizes)].map(async (packetBytes) => {
        const outcome = await this.#options.send({ packetBytes, count });
        const before = this.#outcomes.get(packetBytes);
        this.#outcomes.set(packetBytes, before === undefined ? outcome : added(before, outcome));
      }),
    );
  }

  #sum(of: (size: number) => boolean): SizeOutcome {
    const outcomes = [...this.#outcomes].filter(([size]) => of(size)).map(([, one]) => one);
    return outcomes.reduce(added, { sent: 0, answered: 0, errors: [] });
  }
}

function added(a: SizeOutcome, b: SizeOutcome): SizeOutcome {
  return {
    sent: a.sent + b.sent,
    answered: a.answered + b.answered,
    errors: [...new Set([...a.errors, ...b.errors])],
  };
}

/** Spread evenly, the ends left out. */
export function sizesBetween(low: number, high: number): readonly number[] {
  const step = Math.max(1, Math.ceil((high - low) / (sizesPerRound + 1)));
  const sizes: number[] = [];
  for (let size = low + step; size < high; size += step) sizes.push(size);
  return sizes;
}

function isAboutSize(error: string): boolean {
  return error === 'EMSGSIZE' || error.startsWith('frag-needed');
}
