/**
 * The path MTU, measured: the largest inner packet that comes back, found by sending several sizes at
 * a time and looking on between the largest that passed and the smallest that did not. Nothing that
 * the kernel believes about the path plays a part.
 *
 * A packet that is too large is answered by a router or the tunnel device with ICMP; when all of
 * those are lost without a word the path is a black hole: connections stall there.
 */
import type { Family } from '../../encap/address.js';
import type { PathMtuEvidence } from '../../routes/diagnose/evidence.js';

export interface SizeOutcome {
  readonly sent: number;
  readonly answered: number;
  readonly errors: readonly string[];
}

export interface LadderOptions {
  readonly family: Family;
  /** What the decision says. */
  readonly expectedBytes: number;
  /** Above it the device itself refuses. */
  readonly deviceBytes: number;
  /** Sends packets of that size, and tells what became of them. */
  readonly send: (packetBytes: number) => Promise<SizeOutcome>;
}

export interface Ladder {
  readonly pathMtu: PathMtuEvidence;
  /** What became of the packets of the expected size. */
  readonly expected: SizeOutcome;
}

/** RFC 791 section 3.1, RFC 8200 section 5: every path carries these. */
const leastBytes = { 4: 576, 6: 1280 } as const;
/** Sizes at a time: a range of 9000 is done in five rounds. */
const sizesPerRound = 7;

export async function measurePathMtu(options: LadderOptions): Promise<Ladder> {
  const { family, expectedBytes, deviceBytes, send } = options;
  const outcomes = new Map<number, SizeOutcome>();
  const round = async (sizes: readonly number[]): Promise<void> => {
    await Promise.all(
      [...new Set(sizes)]
        .filter((size) => !outcomes.has(size))
        .map(async (size) => outcomes.set(size, await send(size))),
    );
  };
  const passes = (size: number): boolean => outcomes.get(size)!.answered > 0;

  const least = Math.min(leastBytes[family], expectedBytes);
  const most = Math.max(deviceBytes, expectedBytes);
  await round([least, expectedBytes, most]);
  let low = passes(most) ? most : passes(expectedBytes) ? expectedBytes : least;
  let high = passes(most) ? most + 1 : passes(expectedBytes) ? most : expectedBytes;
  if (passes(low))
    while (high - low > 1) {
      const sizes = between(low, high);
      await round(sizes);
      // The smallest that fails bounds from above, whatever luck a larger one had.
      high = sizes.find((size) => !passes(size)) ?? high;
      low = Math.max(low, ...sizes.filter((size) => size < high));
    }
  const measuredBytes = passes(low) ? low : null;
  const tooLarge = [...outcomes].filter(([size]) => size >= high);
  const told = tooLarge.some(([, { errors }]) => errors.some(isAboutSize));
  return {
    pathMtu: {
      family,
      expectedBytes,
      measuredBytes,
      blackHole: measuredBytes !== null && measuredBytes < expectedBytes && !told,
    },
    expected: outcomes.get(expectedBytes)!,
  };
}

function between(low: number, high: number): readonly number[] {
  const step = Math.max(1, Math.ceil((high - low) / (sizesPerRound + 1)));
  const sizes: number[] = [];
  for (let size = low + step; size < high; size += step) sizes.push(size);
  return sizes;
}

function isAboutSize(error: string): boolean {
  return error === 'EMSGSIZE' || error.startsWith('frag-needed');
}
