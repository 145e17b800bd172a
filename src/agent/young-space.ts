/**
 * Bounds what the engine sets apart for objects that were made a moment ago. One pass over a large
 * fleet makes that grow to two halves of 16 MB, which stay touched for good; two of 4 MB do it in the
 * same time. The limit itself can only be given where the program is started, so the growth is kept
 * in hand: from what is there now one step may lead up to the limit, and from there none.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

export interface YoungSpaceOptions {
  readonly maxBytes?: number;
  readonly sizeBytes?: () => number;
  /** By how much the engine may make it grow in one step. */
  readonly allow?: (factor: number) => void;
  /** Calls back after collections, before which it cannot grow. */
  readonly afterCollections?: (listener: () => void) => void;
}

const defaultMaxBytes = 8 << 20;

export function boundYoungSpace(options: YoungSpaceOptions = {}): void {
  const {
    maxBytes = defaultMaxBytes,
    sizeBytes = youngBytes,
    allow = allowGrowth,
    afterCollections = observeCollections,
  } = options;
  let allowed: number | undefined;
  const adjust = (): void => {
    const factor = Math.max(1, Math.floor(maxBytes / Math.max(1, sizeBytes())));
    if (factor === allowed) return;
    allowed = factor;
    allow(factor);
  };
  adjust();
  afterCollections(adjust);
}

/** Of both halves. */
export function youngBytes(): number {
  return (
    getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0
  );
}

function allowGrowth(factor: number): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

function observeCollections(listener: () => void): void {
  new PerformanceObserver(listener).observe({ entryTypes: ['gc'] });
}
