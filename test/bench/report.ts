/** Measurements, printed as they come and kept as JSON; ratios within one run are what counts. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { root } from '../support/root.js';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the project wants; reported, never a failing test. */
  readonly aim?: string;
}

const figures: Figure[] = [];

export function figure(entry: Figure): void {
  figures.push(entry);
  const aim = entry.aim === undefined ? '' : `   (aim: ${entry.aim})`;
  console.log(`${entry.name.padEnd(64)} ${format(entry.value).padStart(12)} ${entry.unit}${aim}`);
}

export function heading(text: string): void {
  console.log(`\n${text}`);
}

export function save(): void {
  const file = join(root, 'test', 'bench', 'results.json');
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? '', cores: cpus().length };
  writeFileSync(
    file,
    `${JSON.stringify({ schema: 'selvage.bench/1', at: new Date().toISOString(), machine, figures }, undefined, 2)}\n`,
  );
  console.log(`\nkept in test/bench/results.json`);
}

/** Of measurements in any order. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

/** Median of the wall-clock times in ms of `runs` calls, after one that is not counted. */
export async function medianMs(runs: number, work: () => unknown): Promise<number> {
  await work();
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return quantile(times, 0.5);
}

function format(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
