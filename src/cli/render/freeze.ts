/** What `freeze` and `thaw` have done. */
import type { FreezeAnswer } from '../../agent/freeze-routes.js';
import { freezeWords } from '../../explain/freeze-words.js';
import type { Terminal } from '../terminal.js';
import { fill } from './layout.js';

/** The rest is in `plan`. */
const maxShown = 20;

export function renderFreeze(answer: FreezeAnswer, terminal: Terminal): string {
  const { paint, width } = terminal;
  const { freeze, changes, failed } = answer;
  const none = freeze === null ? 'nothing had to be put right' : 'nothing differs';
  const lines = fill(
    [
      freeze === null
        ? { text: 'THAWED', style: (text) => paint.bold(paint.green(text)) }
        : { text: 'FROZEN', style: (text) => paint.bold(paint.yellow(text)) },
      freeze === null ? 'the agent writes again' : freezeWords(freeze).replace(/^frozen /, ''),
    ],
    { width },
  );
  lines.push(
    ...fill(
      changes.length === 0
        ? none
        : freeze === null
          ? `${changes.length} objects are put right:`
          : `${changes.length} objects differ and are left so:`,
      { width, indent: 2 },
    ),
  );
  for (const line of changes.slice(0, maxShown))
    lines.push(...fill(line, { width, indent: 4, hang: 6 }));
  if (changes.length > maxShown) lines.push(`    and ${changes.length - maxShown} more`);
  for (const line of failed)
    lines.push(...fill([{ text: '!', style: paint.red }, line], { width, hang: 2 }));
  return lines.join('\n');
}
