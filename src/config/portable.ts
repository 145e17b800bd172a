/**
 * A cluster in the form in which it crosses from one process to another, and the way back.
 *
 * A large cluster is made of tens of thousands of small objects that stay for as long as the agent
 * runs. So nodes travel with their addresses as text and are built anew on arrival, in the shape
 * that the reader of the file gives them; words that many nodes have in common (zone, file,
 * labels) become one string again, and what is empty is one object for all.
 */
import { parseAddress } from '../../encap/address.js';
import type { Accepts, Cluster, ClusterNode, Switches } from '../../encap/cluster.js';
import { nodeTable } from '../../encap/node-table.js';
import {
  type InterfaceAddress,
  parsePrefix,
  tryParseInterfaceAddress,
} from '../../encap/prefix.js';

/** Grows when the form changes: the program may have been exchanged below a running agent. */
export const portableFormat = 1;

type Texts = 'underlay' | 'publicAddresses' | 'overlay';

export type PortableNode = Omit<ClusterNode, Texts> & Readonly<Record<Texts, readonly string[]>>;

/** Plain data for the structured clone algorithm. */
export type PortableCluster = Omit<Cluster, 'nodes' | 'pools'> & {
  readonly pools: readonly string[];
  readonly nodes: readonly PortableNode[];
};

export function toPortable(cluster: Cluster): PortableCluster {
  const nodes: PortableNode[] = [];
  for (const node of cluster.nodes.values())
    nodes.push({
      ...node,
      underlay: node.underlay.map(({ address, length }) => `${address.text}/${length}`),
      publicAddresses: node.publicAddresses.map(({ text }) => text),
      overlay: node.overlay.map(({ text }) => text),
    });
  return { ...cluster, pools: cluster.pools.map(({ text }) => text), nodes };
}

export function fromPortable(portable: PortableCluster): Cluster {
  const shared = new SharedWords();
  const nodes = portable.nodes.map((node) => buildNode(node, shared));
  return Object.freeze({
    name: portable.name,
    revision: portable.revision,
    pools: Object.freeze(portable.pools.map(parsePrefix)),
    vxlan: Object.freeze({ ...portable.vxlan }),
    ...(portable.masquerade === undefined ? {} : { masquerade: settled(portable.masquerade) }),
    ...(portable.settleMs === undefined ? {} : { settleMs: portable.settleMs }),
    ...(portable.probes === undefined ? {} : { probes: settled(portable.probes) }),
    ...(portable.cloud === undefined ? {} : { cloud: settled(portable.cloud) }),
    zones: new Map([...portable.zones].map(([name, zone]) => [name, settled(zone)])),
    links: settled(portable.links),
    rules: settled(portable.rules),
    nodes: nodeTable(nodes),
  });
}

function buildNode(node: PortableNode, shared: SharedWords): ClusterNode {
  const { labels, switches, accepts, source } = node;
  return Object.freeze({
    name: node.name,
    zone: shared.word(node.zone),
    underlay: Object.freeze(node.underlay.map(interfaceAddress)),
    publicAddresses:
      node.publicAddresses.length === 0
        ? noAddresses
        : Object.freeze(node.publicAddresses.map(parseAddress)),
    overlay: Object.freeze(node.overlay.map(parsePrefix)),
    labels: isEmpty(labels) ? noLabels : shared.words(labels),
    switches: isEmpty(switches) ? noSwitches : settled(switches),
    mtu: node.mtu,
    accepts: isEmpty(accepts) ? noAccepts : settled(accepts),
    withdrawn: node.withdrawn,
    ...(node.live === undefined ? {} : { live: settled(node.live) }),
    ...(node.masquerade === undefined ? {} : { masquerade: node.masquerade }),
    ...(source === undefined
      ? {}
      : {
          source: Object.freeze({
            file: shared.word(source.file),
            line: source.line,
            column: source.column,
          }),
        }),
  });
}

const noAddresses: ClusterNode['publicAddresses'] = Object.freeze([]);
const noLabels: ClusterNode['labels'] = Object.freeze({});
const noSwitches: Switches = Object.freeze({});
const noAccepts: Accepts = Object.freeze({});

function isEmpty(record: object): boolean {
  for (const _ in record) return false;
  return true;
}

function interfaceAddress(text: string): InterfaceAddress {
  const parsed = tryParseInterfaceAddress(text);
  if (typeof parsed === 'string') throw new SyntaxError(`${parsed}: "${text}"`);
  return Object.freeze({ address: parsed.address, length: parsed.length });
}

class SharedWords {
  readonly #known = new Map<string, string>();

  word(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    this.#known.set(text, text);
    return text;
  }

  words(record: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    return Object.freeze(
      Object.fromEntries(
        Object.entries(record).map(([key, value]) => [this.word(key), this.word(value)]),
      ),
    );
  }
}

/** A frozen copy; bytes are copied out of the message, which they would keep in memory. */
function settled<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return Uint8Array.from(value) as T;
  if (Array.isArray(value)) return Object.freeze(value.map((item: unknown) => settled(item))) as T;
  return Object.freeze(
    Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, settled(inner as unknown)]),
    ),
  ) as T;
}
