/** One line on a terminal that says how far a long piece of work is; nothing where nobody looks. */
export interface ProgressLine {
  show(text: string): void;
  /** Takes it away again, before anything else is printed. */
  clear(): void;
}

/** A person reads no faster. */
const betweenMs = 100;

export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  let shownMs = -Infinity;
  let isShown = false;
  return {
    show(text) {
      const nowMs = performance.now();
      if (!stream.isTTY || nowMs - shownMs < betweenMs) return;
      shownMs = nowMs;
      isShown = true;
      stream.write(`\r${text.slice(0, Math.max(0, stream.columns - 1))}\x1b[K`);
    },
    clear() {
      if (isShown) stream.write('\r\x1b[K');
      isShown = false;
      shownMs = -Infinity;
    },
  };
}
