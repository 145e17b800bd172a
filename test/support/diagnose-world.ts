/**
 * Two nodes with a kernel in memory each, everything as desired, for a test to spoil: the views that
 * the two have of their pair, probes as the network would answer them, and the diagnosis.
 */
import type { Family } from '../../encap/address.js';
import type { Cluster, LocalFacts, Nic, UnderlayRoute } from '../../encap/cluster.js';
import { underlayAddress } from '../../encap/cluster.js';
import type { DesiredState } from '../../routes/desired.js';
import type { ActualState } from '../../routes/diff.js';
import { desiredState } from '../../routes/desired.js';
import type {
  Direction,
  Evidence,
  NodeView,
  Place,
  ProbeEvidence,
  ViewInput,
} from '../../routes/diagnose/index.js';
import {
  type DiagnoseOptions,
  type Diagnosis,
  diagnose,
  noEvidence,
  readPair,
  viewOf,
  viewReads,
} from '../../routes/diagnose/index.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { explain } from '../../routes/explain.js';
import { readSysctls } from '../../routes/reconciler.js';
import { Rib } from '../../routes/rib.js';
import { tunnelAddress } from '../../routes/vtep.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import { mainTable } from '../../routes/ownership.js';
import { parsePrefix } from '../../encap/prefix.js';

export interface WorldNode {
  readonly name: string;
  readonly kernel: FakeKernel;
  readonly cluster: Cluster;
  readonly local: LocalFacts;
  readonly desired: DesiredState;
  actual(): Promise<ActualState>;
  view(more: Partial<ViewInput> & Pick<ViewInput, 'role'>): Promise<NodeView>;
}

export interface World {
  readonly from: WorldNode;
  readonly to: WorldNode;
  readonly family: Family;
  report(): Promise<ExplainReport>;
  evidence(more?: Partial<Evidence>): Promise<Evidence>;
  diagnosis(more?: Partial<Evidence>, options?: DiagnoseOptions): Promise<Diagnosis>;
}

export interface WorldOptions {
  readonly family?: Family;
  readonly nicMtu?: number;
  /** The file that the second node works from, where it is another. */
  readonly peerCluster?: Cluster;
}

export async function worldOf(
  cluster: Cluster,
  pair: readonly [string, string],
  options: WorldOptions = {},
): Promise<World> {
  const { family = 4, nicMtu = 1500, peerCluster = cluster } = options;
  const from = await nodeOf(cluster, pair[0], { peer: pair[1], nicMtu, family });
  const to = await nodeOf(peerCluster, pair[1], { peer: pair[0], nicMtu, family });
  const report = async (): Promise<ExplainReport> => {
    const peer = cluster.nodes.get(to.name)!;
    return explain({
      snapshot: { cluster, local: from.local },
      destination: tunnelAddress(peer, family)!,
      from: cluster.nodes.get(from.name)!,
      desired: from.desired,
      actual: await actualOf(from),
    });
  };
  const evidence = async (more: Partial<Evidence> = {}): Promise<Evidence> => ({
    ...noEvidence,
    from: await from.view({ role: 'from' }),
    to: await to.view({ role: 'to' }),
    ...more,
  });
  return {
    from,
    to,
    family,
    report,
    evidence,
    diagnosis: async (more, given) => diagnose(await report(), await evidence(more), given),
  };
}

async function actualOf(node: Pick<WorldNode, 'kernel' | 'desired'>) {
  return {
    kernel: await node.kernel.dump(),
    sysctls: readSysctls(node.kernel, node.desired.objects.values()),
  };
}

async function nodeOf(
  cluster: Cluster,
  name: string,
  of: { readonly peer: string; readonly nicMtu: number; readonly family: Family },
): Promise<WorldNode> {
  const self = cluster.nodes.get(name)!;
  const nics: Partial<Record<Family, Nic>> = {};
  for (const { address } of self.underlay)
    nics[address.family] = { name: 'eth0', mtu: self.mtu ?? of.nicMtu };
  const kernel = createFakeKernel({
    nics: [
      { name: 'eth0', mtu: self.mtu ?? of.nicMtu, addresses: self.underlay },
      { name: 'wl0', mtu: 1500 },
    ],
    sysctls: {
      'net/ipv4/ip_forward': '1',
      'net/ipv6/conf/all/forwarding': '1',
      'net/ipv4/conf/all/rp_filter': '0',
    },
    routes: [
      ...(['0.0.0.0/0', '::/0'] as const).flatMap((text) => {
        const prefix = parsePrefix(text);
        const own = underlayAddress(self, prefix.family);
        return own === undefined
          ? []
          : [
              {
                type: 'route',
                prefix,
                table: mainTable,
                metric: 0,
                protocol: 4,
                target: {
                  kind: 'unicast',
                  device: 'eth0',
                  gateway: undefined,
                  onlink: false,
                  mtu: undefined,
                  preferredSource: undefined,
                },
              } as const,
            ];
      }),
    ],
  });
  const underlayRoutes = new Map<string, UnderlayRoute>();
  for (const node of cluster.nodes.values())
    for (const { address } of node.underlay)
      underlayRoutes.set(address.text, { device: 'eth0', gateway: undefined });
  const local: LocalFacts = { node: name, nics, underlayRoutes };
  const snapshot = { cluster, local };
  const rib = new Rib(name);
  rib.build(snapshot);
  const desired = desiredState({ snapshot, rib, kinds: await kernel.probeKinds() });
  kernel.outside([...desired.objects.values()].map((object) => ({ verb: 'set', object }) as const));
  const view = async (more: Partial<ViewInput> & Pick<ViewInput, 'role'>): Promise<NodeView> => {
    const actual = await actualOf({ kernel, desired });
    const question = { snapshot, self: name, peer: of.peer, family: of.family, desired, ...more };
    const found = viewOf({
      ...question,
      actual,
      reads: await readPair(kernel, viewReads(question, actual)),
      agent: 'running',
      guard: { ok: true, difference: undefined },
      guardDrops: {},
      foreignRules: [],
      ...more,
    });
    if (found === undefined) throw new Error(`${name} does not know ${of.peer}`);
    return found;
  };
  return {
    name,
    kernel,
    cluster,
    local,
    desired,
    view,
    actual: () => actualOf({ kernel, desired }),
  };
}

/** A one-way probe that was looked for everywhere and is missing from `lostBefore` on. */
export function oneWay(
  direction: Direction,
  more: Partial<ProbeEvidence> & { readonly lostBefore?: Place | undefined } = {},
): ProbeEvidence {
  const { lostBefore, ...rest } = more;
  const seen: Partial<Record<Place, number>> = {};
  let count = 5;
  const order: readonly Place[] = [
    'sender-tunnel',
    'sender-nic',
    'receiver-nic',
    'receiver-tunnel',
    'delivered',
  ];
  for (const place of order) {
    if (place === lostBefore) count = 0;
    seen[place] = count;
  }
  if (rest.mode === 'native') {
    delete seen['sender-tunnel'];
    delete seen['receiver-tunnel'];
  }
  return {
    layer: 'tunnel',
    direction,
    family: 4,
    mode: 'vxlan',
    outerFamily: 4,
    path: 'routed',
    sent: 5,
    answered: 0,
    seen,
    packetBytes: 84,
    rttMs: null,
    errors: [],
    ...rest,
  };
}

export function roundTrip(
  layer: ProbeEvidence['layer'],
  more: Partial<ProbeEvidence> = {},
): ProbeEvidence {
  const answered = more.answered ?? 5;
  return {
    layer,
    direction: 'round-trip',
    family: 4,
    mode: null,
    outerFamily: null,
    path: 'routed',
    sent: 5,
    seen: {},
    packetBytes: 84,
    rttMs: answered === 0 ? null : { min: 0.1, avg: 0.2, max: 0.3 },
    errors: [],
    ...more,
    answered,
  };
}
