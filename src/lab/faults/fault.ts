/**
 * A fault of a lab: something that goes wrong between two nodes in real clusters, done to the
 * namespaces by the commands that anybody could type. Pure: the commands are data, so that they can
 * be listed, tested, and undone by another process than the one that ran them.
 */
import type { Mode } from '../../../encap/mode.js';
import type { Family } from '../../../encap/address.js';
import type { Prefix } from '../../../encap/prefix.js';
import type { NodePlan } from '../plan.js';

export interface Step {
  readonly namespace: string;
  readonly argv: readonly string[];
  readonly input?: string;
}

/** The pair that a fault is about, as it is before the fault. */
export interface FaultSite {
  /** Packets of `from` to `to` are concerned; some faults need the other direction as well. */
  readonly from: NodePlan;
  readonly to: NodePlan;
  /** The node at which a fault of a node's own state is made: one of the two. */
  readonly at: NodePlan;
  /** The other one of the two. */
  readonly peer: NodePlan;
  /** A third node, for addresses and entries that lead astray. */
  readonly third: NodePlan | undefined;
  readonly zoneNamespace: (node: NodePlan) => string;
  readonly family: Family;
  /** How `at` sends to the other one: the device and the mode that are in use. */
  readonly device: string;
  readonly mode: Mode;
  /** Overlay prefix of the other node, as `at` routes it. */
  readonly prefix: Prefix;
  readonly vxlanPort: number;
  readonly vni: number;
}

export interface FaultSteps {
  readonly inject: readonly Step[];
  /** What thawing the agent does not put right by itself. */
  readonly undo: readonly Step[];
}

export interface Fault {
  readonly name: string;
  /** One line: what is wrong. */
  readonly summary: string;
  readonly kind:
    /** In the network between the nodes. */
    | 'underlay'
    /** The kernel of a node; its agent is frozen, or it would repair it at once. */
    | 'state'
    /** Something of somebody else's on a node, which the agent does not touch. */
    | 'foreign'
    /** The agent process. */
    | 'agent';
  /** Undefined: this fault cannot be made of this pair; the text says why. */
  readonly steps: (site: FaultSite) => FaultSteps | string;
}

/** `ip …` in a node's namespace. */
export function ip(node: NodePlan, ...words: readonly string[]): Step {
  return { namespace: node.namespace, argv: ['ip', ...words] };
}

export function sysctl(node: NodePlan, path: string, value: string): Step {
  return { namespace: node.namespace, argv: ['sysctl', '-qw', `${path}=${value}`] };
}

export function nft(namespace: string, script: string): Step {
  return { namespace, argv: ['nft', '-f', '-'], input: `${script}\n` };
}

export function addressOf(node: NodePlan): string {
  return node.addresses[0]!.address.text;
}
