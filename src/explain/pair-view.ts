/**
 * A node's own view of its pair with a peer, from whatever has read the node: for its own
 * explanations, and for the peer when that asks.
 */
import type { Address, Family } from '../../encap/address.js';
import type { NodeView } from '../../routes/diagnose/index.js';
import { pairGuardSpec, readPair, viewOf, viewReads } from '../../routes/diagnose/index.js';
import { formatObject } from '../../tunnel/format.js';
import type { ForeignRule } from '../../tunnel/guard/index.js';
import { judgeRulesets } from '../../tunnel/guard/index.js';
import type { KernelObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import type { NodeReading } from './reading.js';

export interface PairAsked {
  readonly peer: string;
  readonly family: Family;
  /** `to`: the peer explains, and asks for this node's view. */
  readonly role: 'from' | 'to';
  /** An address of the peer's; its tunnel address by default. */
  readonly destination?: Address | undefined;
}

/** Undefined when the peer is not in this node's cluster. */
export async function pairView(
  reading: NodeReading,
  asked: PairAsked,
): Promise<NodeView | undefined> {
  const { snapshot, node, desired, kernel, filters, freeze, history } = reading;
  const actual = await reading.actual();
  const question = { snapshot, self: node, desired, ...asked };
  const [reads, guard, guardDrops, foreignRules] = await Promise.all([
    readPair(kernel, viewReads(question, actual)),
    // Best effort: what cannot be read is not known, and keeps nothing else from its answer.
    filters.guard().catch(() => undefined),
    filters.dropped().catch(() => ({})),
    foreignRulesFor(reading, asked.peer),
  ]);
  const present = new Map<string, KernelObject>();
  const { links, addresses, neighbours, fdb, routes } = actual.kernel;
  if (history !== undefined)
    for (const list of [links, addresses, neighbours, fdb, routes])
      for (const object of list) present.set(objectKey(object), object);
  return viewOf({
    ...question,
    actual,
    reads,
    agent: freeze !== undefined ? 'frozen' : reading.basis?.kind === 'kernel' ? 'none' : 'running',
    guard,
    guardDrops,
    foreignRules,
    changes:
      history &&
      ((key) => {
        const object = present.get(key);
        const change = history(key, object === undefined ? '' : formatObject(object));
        return change && { at: change.at, by: change.line };
      }),
  });
}

/** What others' rules do to the packets of this pair, and not of some other. */
async function foreignRulesFor(
  { filters }: NodeReading,
  peer: string,
): Promise<readonly ForeignRule[]> {
  const spec = pairGuardSpec(filters.spec, peer);
  if (spec.peers.length === 0) return [];
  return filters.rulesets().then(
    (rulesets) => judgeRulesets(spec, rulesets),
    () => [],
  );
}
