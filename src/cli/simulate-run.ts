/** Runs simulations for the command: here, or each size in a process of its own. */
import { spawn } from 'node:child_process';
import { selvageProgram } from '../lab/program.js';
import { FleetTooLarge } from '../simulate/layout.js';
import type { SimulationReport } from '../simulate/report.js';
import { simulationSchema } from '../simulate/report.js';
import type { SimulationOptions } from '../simulate/simulation.js';
import { simulate } from '../simulate/simulation.js';
import { exitCodes } from './exit-codes.js';
import type { Failure } from './failure.js';
import { unableFailure, usageFailure } from './failure.js';
import { progressLine } from './progress.js';

export type RunOptions = Omit<SimulationOptions, 'onProgress' | 'between'>;

export async function simulateHere(options: RunOptions): Promise<SimulationReport> {
  const progress = progressLine();
  try {
    return await simulate({
      ...options,
      onProgress: ({ doing, part }) =>
        progress.show(`${options.nodes} nodes: ${doing} ${Math.round(100 * part)} %`),
    });
  } catch (error) {
    if (error instanceof FleetTooLarge) throw usageFailure(error.message);
    throw error;
  } finally {
    progress.clear();
  }
}

/** So that the memory of one size is not that of the one before. */
export async function simulateApart(options: RunOptions): Promise<SimulationReport> {
  const [command, ...program] = selvageProgram();
  const child = spawn(command!, [...program, ...argumentsFor(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // A terminal tells both of ^C; whoever ends this process alone means the other one as well.
  const interrupt = (): void => void child.kill('SIGINT');
  options.signal?.addEventListener('abort', interrupt);
  try {
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const ended = await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    const answer = answerOf(Buffer.concat(chunks).toString('utf8'));
    if (answer !== undefined) return answer;
    const why = `the simulation of ${options.nodes} nodes gave no answer (${ended})`;
    if (ended === `exit code ${exitCodes.usage}`) throw usageFailure(`${why}: take fewer nodes`);
    throw unableFailure(`${why}: it may need more memory; take fewer nodes or --observers 1`);
  } finally {
    options.signal?.removeEventListener('abort', interrupt);
  }
}

function argumentsFor(options: RunOptions): readonly string[] {
  const { nodes, zones, churnPerMinute, durationMs, seed, observers } = options;
  return [
    'simulate',
    ...['--nodes', String(nodes), '--zones', String(zones), '--seed', String(seed)],
    ...['--churn', `${Number((100 * churnPerMinute).toFixed(4))}%/min`],
    ...['--duration', `${durationMs / 1000}s`, '--observers', String(observers)],
    ...['--output', 'json'],
  ];
}

function answerOf(text: string): SimulationReport | undefined {
  try {
    return simulationSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Memory is what limits them: each agent has the whole fleet in its own hands. */
export function defaultObservers(nodes: number): number {
  return Math.max(1, Math.min(mostObservers, Math.floor(observedNodes / nodes)));
}

const mostObservers = 8;
const observedNodes = 200_000;

export function writeFailure(path: string, error: unknown): Failure {
  return unableFailure(`cannot write ${path}: ${(error as Error).message}; give another --svg`);
}
