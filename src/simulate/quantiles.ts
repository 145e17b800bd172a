/** A distribution in five numbers, each of which was really seen (nearest rank). */
export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Undefined where nothing was seen. */
export function quantiles(values: readonly number[]): Quantiles | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  const at = (part: number): number => round(sorted[Math.ceil(part * sorted.length) - 1]!);
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Three digits tell what was measured; more would tell of the machine's mood. */
export function round(value: number): number {
  return Number(value.toPrecision(3));
}
