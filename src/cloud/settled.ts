/**
 * When a switch counts as thrown. APIs of clouds answer from several copies, and a switch is thrown
 * in the network a moment after it is in the books: so what has become fit for native counts from
 * the second reading in a row that says so, and what has become unfit at once. Pure.
 */
import type { Observations, ObservedNode, SwitchName } from '../../encap/observed.js';

/** The value of each switch that native routing wants. */
const fitFor: readonly (readonly [SwitchName, string])[] = [
  ['sourceDestinationCheck', 'disabled'],
  ['ipForwarding', 'enabled'],
  ['fabricRoutes', 'present'],
];

export interface Settled {
  readonly nodes: Observations;
  /** Node and switch that were seen fit, but were not in force before this reading. */
  readonly fresh: ReadonlySet<string>;
  /** Some of these have to be seen once more. */
  readonly waiting: boolean;
}

export function settle(
  read: Observations,
  last: { readonly nodes: Observations; readonly fresh: ReadonlySet<string> },
): Settled {
  const fresh = new Set<string>();
  let waiting = false;
  const nodes = new Map<string, ObservedNode>();
  for (const [name, observed] of read) {
    const before = last.nodes.get(name)?.switches;
    const switches: Partial<Record<SwitchName, string | undefined>> = { ...observed.switches };
    for (const [key, fit] of before === undefined ? [] : fitFor) {
      if (observed.switches[key] !== fit || before?.[key] === fit) continue;
      const mark = `${name} ${key}`;
      fresh.add(mark);
      if (last.fresh.has(mark)) continue;
      waiting = true;
      switches[key] = before?.[key];
    }
    const known = Object.entries(switches).filter(([, value]) => value !== undefined);
    nodes.set(name, { ...observed, switches: Object.fromEntries(known) });
  }
  return { nodes, fresh, waiting };
}
