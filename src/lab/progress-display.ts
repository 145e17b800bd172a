/**
 * Shows how far a lab has come: one line that is rewritten on a terminal, a plain line for each
 * step otherwise.
 */
import type { OnProgress, Progress } from './progress.js';

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressDisplay {
  readonly onProgress: OnProgress;
  /** Leaves the line to what is printed next. */
  readonly finish: () => void;
}

const barWidth = 24;
/** Not more often than this on a terminal: drawing is slower than the lab's packets. */
const drawIntervalMs = 50;

export function progressDisplay(stream: ProgressStream): ProgressDisplay {
  return stream.isTTY === true ? liveDisplay(stream) : plainDisplay(stream);
}

function plainDisplay(stream: ProgressStream): ProgressDisplay {
  let finished = '';
  return {
    onProgress: (progress) => {
      if (progress.done < progress.total || progress.step === finished) return;
      finished = progress.step;
      stream.write(`${progress.step}: ${progress.total} done\n`);
    },
    finish: () => undefined,
  };
}

function liveDisplay(stream: ProgressStream): ProgressDisplay {
  let drawnAt = -Infinity;
  return {
    onProgress: (progress) => {
      const now = performance.now();
      if (now - drawnAt < drawIntervalMs && progress.done < progress.total) return;
      drawnAt = now;
      const line = liveLine(progress).slice(0, (stream.columns ?? 80) - 1);
      stream.write(`\r\x1b[2K${line}`);
    },
    finish: () => stream.write('\r\x1b[2K'),
  };
}

function liveLine({ step, done, total, detail }: Progress): string {
  const filled = total === 0 ? barWidth : Math.round((barWidth * done) / total);
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  return `${bar} ${step} ${done}/${total}${detail === undefined ? '' : `  ${detail}`}`;
}
