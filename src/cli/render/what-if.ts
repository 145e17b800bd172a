/** That an answer is about what would be, said first and plainly. */
import type { WhatIfReport } from '../../../routes/explain-report.js';
import type { Terminal } from '../terminal.js';
import { fill } from './layout.js';

export function whatIfLines(
  patches: readonly string[] | undefined,
  terminal: Terminal,
  now?: WhatIfReport['now'],
): string[] {
  if (patches === undefined || patches.length === 0) return [];
  const { paint, width } = terminal;
  const asked = patches.map((text) => text.trim().replace(/\s*\n\s*/g, '; ')).join('; ');
  const lines = fill([{ text: 'what if:', style: paint.yellow }, `${asked}; not what is`], {
    width,
    hang: 9,
  });
  if (now === undefined || now === null) return lines;
  const is = fill(
    { text: `what is: ${now.kind} ${now.summary}`, style: paint.dim },
    { width, hang: 9 },
  );
  return [...lines, ...is];
}
