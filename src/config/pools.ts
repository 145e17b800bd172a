/**
 * The smallest list of prefixes that holds exactly the same addresses.
 */
import {
  firstAddress,
  prefixOf,
  prefixCovers,
  comparePrefixes,
  type Prefix,
} from '../../encap/prefix.js';

export function exactUnion(prefixes: Iterable<Prefix>): readonly Prefix[] {
  const stack: Prefix[] = [];
  for (const prefix of [...prefixes].sort(comparePrefixes)) {
    const before = stack[stack.length - 1];
    if (before !== undefined && prefixCovers(before, prefix)) continue;
    stack.push(prefix);
    for (let joined = join(stack); joined !== undefined; joined = join(stack))
      stack.splice(-2, 2, joined);
  }
  return Object.freeze(stack);
}

/** The two halves at the top of the stack, if that is what they are. */
function join(stack: readonly Prefix[]): Prefix | undefined {
  const a = stack[stack.length - 2];
  const b = stack[stack.length - 1];
  if (a?.family !== b?.family || a === undefined || b === undefined) return undefined;
  if (a.length !== b.length || a.length === 0) return undefined;
  const parent = prefixOf(firstAddress(a), a.length - 1);
  return prefixCovers(parent, b) ? parent : undefined;
}
