/**
 * The history of terms (routes/changeover.ts) on disk, so that an agent that is replaced half-way
 * through a change goes on where it was. In the runtime directory: after a reboot the kernel has
 * none of the old devices either. Times are those of the monotonic clock, which counts from boot.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import type { TermsHistory } from '../../routes/changeover.js';
import type { CarriageKey } from '../../encap/mode.js';

export interface TermsRecord {
  read(): TermsHistory;
  write(history: TermsHistory): void;
}

const schema = z.object({
  schema: z.literal('selvage.terms/1'),
  history: z.array(
    z.object({
      sinceMs: z.number(),
      readyMs: z.number().optional(),
      switchedMs: z.number().optional(),
      terms: z.object({
        vxlan: z.object({ vni: z.int(), port: z.int() }),
        receives: z.array(
          z
            .string()
            .regex(/^(native|ipip|vxlan):[46]:[46]$/)
            .transform((text) => text as CarriageKey),
        ),
        underlay: z.record(z.string(), z.array(z.string())),
      }),
    }),
  ),
});

export class TermsFile implements TermsRecord {
  readonly #path: string;
  readonly #nowMs: () => number;

  constructor(path: string, nowMs: () => number = monotonicMs) {
    this.#path = path;
    this.#nowMs = nowMs;
  }

  /** Empty where there is none, and where it is of no use: the kernel's devices then tell enough. */
  read(): TermsHistory {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch {
      return [];
    }
    const parsed = schema.safeParse(tryJson(text));
    if (!parsed.success) return [];
    const { history } = parsed.data;
    // Later than now: written before a reboot, by a clock that has begun again since.
    return history.every(({ sinceMs }) => sinceMs <= this.#nowMs()) ? history : [];
  }

  write(history: TermsHistory): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const temporary = `${this.#path}.tmp`;
    writeFileSync(temporary, `${JSON.stringify({ schema: 'selvage.terms/1', history })}\n`);
    renameSync(temporary, this.#path);
  }
}

/** Kept as long as its planner. */
export class TermsMemory implements TermsRecord {
  #history: TermsHistory = [];
  read(): TermsHistory {
    return this.#history;
  }
  write(history: TermsHistory): void {
    this.#history = history;
  }
}

/** Since boot, the same for every process (CLOCK_MONOTONIC); setting the time does not move it. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
