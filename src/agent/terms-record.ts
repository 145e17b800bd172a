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
  /** Empty where there is none; undefined where there is one that must not be used. */
  read(): TermsHistory | undefined;
  write(history: TermsHistory): void;
}

const format = 'selvage.terms/1';

const schema = z.object({
  schema: z.literal(format),
  history: z.array(
    z.object({
      sinceMs: z.number(),
      readyMs: z.number().optional(),
      switchedMs: z.number().optional(),
      agreed: z.literal(true).optional(),
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

export interface TermsFileOptions {
  readonly nowMs?: () => number;
  /** Told why a record is not used, in one line. */
  readonly onRefused?: (problem: string) => void;
}

export class TermsFile implements TermsRecord {
  readonly #path: string;
  readonly #nowMs: () => number;
  readonly #onRefused: (problem: string) => void;

  constructor(path: string, options: TermsFileOptions = {}) {
    this.#path = path;
    this.#nowMs = options.nowMs ?? monotonicMs;
    this.#onRefused = options.onRefused ?? (() => undefined);
  }

  read(): TermsHistory | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === 'ENOENT' ? [] : this.#refuse(`it cannot be read: ${message}`);
    }
    const json = tryJson(text);
    const parsed = schema.safeParse(json);
    if (!parsed.success) {
      const found = (json as { readonly schema?: unknown } | null | undefined)?.schema;
      return this.#refuse(
        typeof found === 'string' && found !== format
          ? `it is of format ${found}, and this release reads ${format}`
          : 'it is damaged',
      );
    }
    const { history } = parsed.data;
    // Later than now: written before a reboot, by a clock that has begun again since.
    return history.every(({ sinceMs }) => sinceMs <= this.#nowMs()) ? history : [];
  }

  #refuse(why: string): undefined {
    this.#onRefused(
      `the record of changes under way, ${this.#path}, is not used: ${why}; what peers may be sending is taken from the devices in the kernel`,
    );
    return undefined;
  }

  write(history: TermsHistory): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const temporary = `${this.#path}.tmp`;
    writeFileSync(temporary, `${JSON.stringify({ schema: format, history })}\n`);
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
