/** `&probe=N` of a question about a destination: probe the pair too, N packets of each layer. */
import type { ProbeAsked } from '../explain/examine.js';
import { HttpProblem } from '../http/server.js';
import type { Prober } from '../probe/pair-probe.js';

const maxCount = 20;

export function probeAsked(query: URLSearchParams, prober: Prober): ProbeAsked | undefined {
  const text = query.get('probe');
  if (text === null) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > maxCount)
    throw new HttpProblem(400, `probe is "${text}": 1 to ${maxCount} packets are right`);
  return { prober, count };
}
