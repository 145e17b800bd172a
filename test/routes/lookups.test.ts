/**
 * What questions look up among ten thousand nodes and their objects, against slow and obvious walks
 * of all of them.
 */
import fc from 'fast-check';
import t from 'tap';
import type { Address } from '../../encap/address.js';
import { parseAddress } from '../../encap/address.js';
import type { Cluster, ClusterNode, NodeTable } from '../../encap/cluster.js';
import { representatives } from '../../encap/counterfactual/admissible.js';
import { nodeIndex } from '../../encap/node-index.js';
import { nodeTable, withNode, withoutNode } from '../../encap/node-table.js';
import { firstAddress, lastAddress, parsePrefix, prefixContains } from '../../encap/prefix.js';
import { applyChanges } from '../../routes/apply.js';
import {
  commonObjects,
  desiredRoute,
  entryBehind,
  peerEntries,
} from '../../routes/desired-index.js';
import type { DesiredObject, DesiredState } from '../../routes/desired.js';
import { diff } from '../../routes/diff.js';
import { readSysctls } from '../../routes/reconciler.js';
import { Planner } from '../../src/agent/planner.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { FdbObject, RouteObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { property } from '../support/property.js';
import { arbitraryFleet } from '../support/verify-clusters.js';

function slowOwner(nodes: NodeTable, address: Address): string | undefined {
  let found: { name: string; length: number; text: string } | undefined;
  for (const { name, overlay } of nodes.values())
    for (const prefix of overlay)
      if (prefixContains(prefix, address) && prefix.length >= (found?.length ?? 0))
        found = { name, length: prefix.length, text: prefix.text };
  return found && `${found.name} ${found.text}`;
}

function slowHolder(nodes: NodeTable, { text }: Address): string | undefined {
  for (const { name, underlay, publicAddresses } of nodes.values())
    if (
      underlay.some(({ address }) => address.text === text) ||
      publicAddresses.some((address) => address.text === text)
    )
      return name;
  return undefined;
}

/** Prefixes in and around each other, and addresses at their ends. */
const overlapping = [
  ...['0.0.0.0/0', '10.64.0.0/12', '10.64.0.0/16', '10.64.1.0/24', '10.64.1.128/25'],
  ...['10.64.1.255/32', '10.65.0.0/16', 'fd64::/16', 'fd64::/48', 'fd64:0:0:1::/64'],
].map(parsePrefix);
const addresses = [
  ...overlapping.flatMap((prefix) => [firstAddress(prefix), lastAddress(prefix)]),
  ...['192.0.2.1', '10.64.1.77', '10.64.2.1', 'fd64:0:0:1::7', '2001:db8::1'].map(parseAddress),
];

const arbitraryOwners = fc.record({
  cluster: arbitraryFleet,
  overlays: fc.array(fc.subarray(overlapping), { minLength: 1, maxLength: 12 }),
  withdrawn: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
  outer: fc.array(fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'), { minLength: 1 }),
});

property(
  'owners and holders of addresses are those that a walk of all nodes finds, as records come and go',
  [arbitraryOwners, fc.array(fc.nat(11), { maxLength: 4 })],
  ({ cluster, overlays, withdrawn, outer }, changes) => {
    const nodes = [...cluster.nodes.values()].map((node, i) => ({
      ...node,
      overlay: overlays[i % overlays.length]!,
      withdrawn: withdrawn[i % withdrawn.length]!,
      publicAddresses: [...node.publicAddresses, parseAddress(outer[i % outer.length]!)],
    }));
    const agrees = (table: NodeTable): boolean => {
      const asked = [
        ...addresses,
        ...[...table.values()].flatMap(({ underlay }) => underlay.map(({ address }) => address)),
      ];
      return asked.every((address) => {
        const owner = nodeIndex(table).ownerOf(address);
        const found = owner && `${owner.node.name} ${owner.prefix.text}`;
        return (
          found === slowOwner(table, address) &&
          (owner === undefined || table.get(owner.node.name) === owner.node) &&
          nodeIndex(table).byOuterAddress(address)?.name === slowHolder(table, address)
        );
      });
    };
    let table = nodeTable(nodes);
    if (!agrees(table)) return false;
    for (const change of changes) {
      const node = nodes[change % nodes.length]!;
      const moved = { ...node, overlay: overlays[change % overlays.length]!, withdrawn: true };
      table =
        table.get(node.name) === node ? withNode(table, moved) : withoutNode(table, node.name);
      if (!agrees(table)) return false;
    }
    return true;
  },
);

/** As told in words: every node's kind spelled out. */
function slowRepresentatives({ rules, nodes, zones }: Cluster): readonly ClusterNode[] {
  const selectors = rules.flatMap((rule) =>
    [rule.from, rule.to, ...(rule.between ?? [])].flatMap((side) => side ?? []),
  );
  const own = ({ name, labels, switches, accepts, mtu, ...node }: ClusterNode): string =>
    JSON.stringify([
      selectors.some((selector) => selector.nodes?.includes(name)) ? name : '',
      [...new Set(selectors.flatMap((selector) => Object.keys(selector.labels ?? {})))].map(
        (key) => labels[key] ?? '',
      ),
      [switches, accepts, mtu ?? ''],
      [
        node.underlay.map(({ address }) => address.family),
        node.publicAddresses.map(({ family }) => family),
        node.overlay.map(({ family }) => family),
      ].map((families) => [...new Set(families)].sort()),
    ]);
  const firstOf = (
    list: readonly ClusterNode[],
    kindOf: (node: ClusterNode) => string,
    most: number,
  ): readonly ClusterNode[] => {
    const kinds = list.map(kindOf);
    return list.filter(
      (_, i) => kinds.slice(0, i).filter((kind) => kind === kinds[i]).length < most,
    );
  };
  const present = [...nodes.values()].filter(({ withdrawn }) => !withdrawn);
  const chosen = firstOf(present, (node) => `${node.zone} ${own(node)}`, 2);
  if (chosen.length <= 24) return chosen;
  const zoneOf = (node: ClusterNode): string => {
    const { provider, region, switches, mtu } = zones.get(node.zone)!;
    return JSON.stringify([provider, region ?? '', switches, mtu ?? '']);
  };
  const coarse = firstOf(chosen, (node) => `${zoneOf(node)} ${own(node)}`, 3);
  const step = Math.max(1, Math.ceil(coarse.length / 24));
  return coarse.filter((_, i) => i % step === 0);
}

property(
  'nodes that stand for their kinds are the first of each kind',
  [fc.array(arbitraryFleet, { minLength: 1, maxLength: 6 })],
  (clusters) => {
    // Several fleets under one roof have more kinds than may stand for them.
    const [first] = clusters;
    const nodes = clusters.flatMap(({ nodes }, i) =>
      [...nodes.values()].flatMap((node) =>
        first!.zones.has(node.zone) ? { ...node, name: `${node.name}-${i}` } : [],
      ),
    );
    const rules = clusters.flatMap((cluster) => cluster.rules);
    const cluster = { ...first!, rules, nodes: nodeTable(nodes) };
    const names = (list: readonly ClusterNode[]): string => list.map(({ name }) => name).join();
    return names(representatives(cluster)) === names(slowRepresentatives(cluster));
  },
);

/** Everything looked at, one object after the other. */
function slowLookups({ objects, peers }: Pick<DesiredState, 'objects' | 'peers'>): {
  readonly routes: ReadonlyMap<string, RouteObject>;
  readonly fdb: ReadonlyMap<string, readonly FdbObject[]>;
  readonly common: readonly DesiredObject[];
} {
  const routes = new Map<string, RouteObject>();
  const fdb = new Map<string, FdbObject[]>();
  const common: DesiredObject[] = [];
  for (const object of objects.values()) {
    if (object.type === 'route') {
      const known = routes.get(object.prefix.text);
      if (known === undefined || object.metric < known.metric)
        routes.set(object.prefix.text, object);
    } else if (object.type === 'fdb') {
      const peer = peers.get(objectKey(object)) ?? '';
      fdb.set(peer, [...(fdb.get(peer) ?? []), object]);
    } else if (object.type !== 'neighbour') common.push(object);
  }
  return { routes, fdb, common };
}

t.test(
  'objects of a prefix and of a peer are those that a walk of all objects finds',
  async (t) => {
    const cluster = (vni: number, mode: 'vxlan' | 'ipip' | 'native' | 'auto'): Cluster =>
      sketchCluster({
        pools: ['10.64.0.0/12', 'fd64::/48'],
        vni,
        zones: { z: { subnets: ['192.0.2.0/24'], switches: { firewall: { ipip: 'allowed' } } } },
        rules: [
          { name: 'not', to: { nodes: ['n1'] }, mode: 'deny' },
          { name: 'rest', mode },
        ],
        nodes: Array.from({ length: 6 }, (_, i) => ({
          name: `n${i}`,
          zone: 'z',
          at: [`192.0.2.${i + 1}/24`, `2001:db8::${i + 1}/64`],
          overlay: [`10.64.${i}.0/24`, `fd64:0:0:${i + 1}::/64`],
          ...(i === 5 ? { withdrawn: true } : {}),
        })),
      });
    const underlay = cluster(1, 'vxlan').nodes.get('n0')!.underlay;
    const kernel = createFakeKernel({
      nics: [{ name: 'eth0', mtu: 1500, addresses: underlay }],
      sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
    });
    let nowMs = 1_000_000;
    const planner = new Planner(kernel, 'n0', { nowMs: () => nowMs });
    const seen = { kept: 0, slots: new Set<string>() };
    // A change before the one before it is through: entries of both are there for a while.
    for (const [vni, mode, waitMs] of [
      [1, 'vxlan', 0],
      [2, 'vxlan', 100],
      [2, 'ipip', 100],
      [3, 'vxlan', 30_000],
      [3, 'auto', 100],
      [3, 'native', 30_000],
      [4, 'vxlan', 30_000],
    ] as const) {
      nowMs += waitMs;
      const state = await kernel.dump();
      const plan = await planner.plan(cluster(vni, mode), state);
      const { objects, desired, snapshot } = plan;
      const slow = slowLookups({ objects, peers: desired.peers });
      const what = `VNI ${vni}, ${mode}`;
      t.same(commonObjects(objects), slow.common, `${what}: what is there for every peer`);
      for (const peer of snapshot.cluster.nodes.values()) {
        const entries = peerEntries(objects, { cluster: snapshot.cluster.name, peer });
        const keys = (list: readonly FdbObject[]): string[] => list.map(objectKey).sort();
        t.same(
          keys(entries),
          keys(slow.fdb.get(peer.name) ?? []),
          `${what}: entries of ${peer.name}`,
        );
        for (const { device } of entries) seen.slots.add(device);
        for (const prefix of peer.overlay) {
          const route = desiredRoute(objects, prefix);
          t.equal(route, slow.routes.get(prefix.text), `${what}: route to ${prefix.text}`);
          const behind = route && entryBehind(objects, route);
          const target = route?.target.kind === 'unicast' ? route.target : undefined;
          t.same(
            behind === undefined ? [] : [behind],
            (slow.fdb.get(peer.name) ?? []).filter(({ device }) => device === target?.device),
            `${what}: the entry behind ${prefix.text}`,
          );
        }
      }
      for (const pool of snapshot.cluster.pools)
        t.equal(desiredRoute(objects, pool), slow.routes.get(pool.text), `${what}: ${pool.text}`);
      seen.kept += plan.kept.length;
      const sysctls = readSysctls(kernel, objects.values());
      const { changes } = diff(objects, { kernel: state, sysctls });
      t.same((await applyChanges(kernel, changes, desired.peers)).failed, [], `${what}: applied`);
      planner.applied(plan, { unmade: [] });
    }
    t.ok(seen.kept > 0, 'some peers were held on their way');
    t.ok(seen.slots.size > 1, 'entries were on more than one device');
  },
);
