/**
 * One pair of nodes as one of them sees it, before its state is looked at: what it decided towards
 * the peer, what it believes the peer decided, and which devices and addresses that comes down to.
 */
import { createHash } from 'node:crypto';
import type { Address, Family } from '../../encap/address.js';
import type { Cluster, ClusterNode, Snapshot } from '../../encap/cluster.js';
import { underlayAddress } from '../../encap/cluster.js';
import type { DecideOptions } from '../../encap/decide.js';
import { decide } from '../../encap/decide.js';
import type { Carriage } from '../../encap/mode.js';
import type { Prefix } from '../../encap/prefix.js';
import { prefixContains } from '../../encap/prefix.js';
import { describeCarriage } from '../../encap/describe.js';
import type { Decision } from '../../encap/trail.js';
import { stepOf } from '../../encap/trail.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { desiredRoute } from '../desired-index.js';
import type { DesiredState } from '../desired.js';
import { firstDevice } from '../peer-objects.js';
import { decidedVerdict } from '../explain-verdict.js';
import { deviceInSlot } from '../ownership.js';
import { tunnelAddress } from '../vtep.js';
import type { AvoidedWay, Direction, PairTerms } from './evidence.js';

export interface PairQuestion {
  readonly snapshot: Snapshot;
  /** Whose view it is. */
  readonly self: string;
  readonly peer: string;
  /** Of the inner packets. */
  readonly family: Family;
  /** `from`: this node explains; `to`: the other one does, and asks for this node's view. */
  readonly role: 'from' | 'to';
  /** An address of the peer's; its tunnel address by default. */
  readonly destination?: Address | undefined;
  readonly desired: DesiredState;
  readonly options?: DecideOptions | undefined;
}

export interface OuterPair {
  readonly local: Address;
  readonly remote: Address;
}

export interface Pair {
  readonly self: ClusterNode;
  readonly peer: ClusterNode;
  readonly cluster: Cluster;
  readonly family: Family;
  /** Inner addresses of a packet that this node itself sends; undefined where an end has no prefix. */
  readonly source: Address | undefined;
  readonly destination: Address | undefined;
  readonly prefix: Prefix | undefined;
  /** Its own decision towards the peer, and the peer's as this node's snapshot has it. */
  readonly out: Decision | undefined;
  readonly back: Decision | undefined;
  readonly sending: Direction;
  readonly receiving: Direction;
  readonly route: RouteObject | undefined;
  /** Tunnel devices that packets of the peer may arrive on; empty when they come natively. */
  readonly inDevices: readonly string[];
  /** Addresses on the underlay that packets to the peer travel between. */
  readonly outer: OuterPair | undefined;
  readonly nic: string | undefined;
}

/** Undefined when one of the two is not in the cluster. */
export function pairOf(question: PairQuestion): Pair | undefined {
  const { snapshot, family, desired, role, options = {} } = question;
  const { cluster, local } = snapshot;
  const self = cluster.nodes.get(question.self);
  const peer = cluster.nodes.get(question.peer);
  if (self === undefined || peer === undefined) return undefined;
  const prefix = prefixFor(peer, { family, address: question.destination });
  const own = self.overlay.find((entry) => entry.family === family);
  const out = prefix && decide(snapshot, { from: self, prefix, owner: peer }, options);
  // As the peer decides it: what this kernel knows of its own NIC, the peer does not.
  const unseen = { cluster, local: undefined };
  const back = own && decide(unseen, { from: peer, prefix: own, owner: self }, options);
  const outer = outerPair(out, { self, peer, family });
  return {
    self,
    peer,
    cluster,
    family,
    source: tunnelAddress(self, family),
    destination: question.destination ?? tunnelAddress(peer, family),
    prefix,
    out,
    back,
    sending: role === 'from' ? 'there' : 'back',
    receiving: role === 'from' ? 'back' : 'there',
    route: prefix && desiredRoute(desired.objects, prefix),
    inDevices: devicesFor(back, desired),
    outer,
    nic: outer && local?.nics[outer.local.family]?.name,
  };
}

function prefixFor(
  node: ClusterNode,
  of: { readonly family: Family; readonly address: Address | undefined },
): Prefix | undefined {
  const { family, address } = of;
  const own = node.overlay.filter((entry) => entry.family === family);
  if (address === undefined) return own[0];
  return own
    .filter((entry) => prefixContains(entry, address))
    .sort((a, b) => b.length - a.length)[0];
}

/** What encapsulates, or (natively) the nodes' own addresses of the family. */
function outerPair(
  decision: Decision | undefined,
  of: { readonly self: ClusterNode; readonly peer: ClusterNode; readonly family: Family },
): OuterPair | undefined {
  const ends = decision?.verdict.kind === 'forward' ? decision.verdict.ends : undefined;
  if (ends !== undefined) return { local: ends.local, remote: ends.remote };
  for (const family of [of.family, of.family === 4 ? 6 : 4] as const) {
    const local = underlayAddress(of.self, family)?.address;
    const remote = underlayAddress(of.peer, family)?.address;
    if (local !== undefined && remote !== undefined) return { local, remote };
  }
  return undefined;
}

function devicesFor(decision: Decision | undefined, desired: DesiredState): readonly string[] {
  const carriage = carriageOf(decision);
  if (carriage === undefined || carriage.mode === 'native') return [];
  const first = firstDevice(carriage);
  return [...new Set([first, deviceInSlot(first, 'b')])].filter((name) =>
    desired.objects.has(`link ${name}`),
  );
}

export function carriageOf(decision: Decision | undefined): Carriage | undefined {
  return decision?.verdict.kind === 'forward' ? decision.verdict.carriage : undefined;
}

export function termsOf(pair: Pair): PairTerms {
  const { cluster, self, out } = pair;
  const verdict = out && decidedVerdict(out, { cluster, address: '' });
  const avoids = avoidedWays(out);
  return {
    configDigest: configDigest(cluster, [self, pair.peer]),
    vxlan: cluster.vxlan,
    verdict: verdict?.kind ?? 'NO-ROUTE',
    mtu: verdict?.mtu ?? null,
    underlay: self.underlay.map(({ address }) => address.text),
    overlay: self.overlay.map((prefix) => prefix.text),
    ...(avoids.length === 0 ? {} : { avoids }),
  };
}

function avoidedWays(decision: Decision | undefined): readonly AvoidedWay[] {
  const step = decision && stepOf(decision, 'feasible');
  return (step?.candidates ?? []).flatMap(({ carriage, exclusions }) =>
    exclusions.flatMap((exclusion) =>
      exclusion.code === 'probe'
        ? [
            {
              mode: carriage.mode,
              outerFamily: carriage.outer,
              name: describeCarriage(carriage),
              text: exclusion.text,
            },
          ]
        : [],
    ),
  );
}

/** Of all that the decisions about these two rest on, and of nothing else. */
export function configDigest(cluster: Cluster, nodes: readonly ClusterNode[]): string {
  const zones = nodes.flatMap((node) => cluster.zones.get(node.zone) ?? []);
  const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
    a.name < b.name ? -1 : 1;
  const content = {
    name: cluster.name,
    pools: cluster.pools,
    vxlan: cluster.vxlan,
    links: cluster.links,
    rules: cluster.rules,
    zones: [...new Set(zones)].sort(byName),
    nodes: [...nodes].sort(byName),
  };
  return createHash('sha256').update(JSON.stringify(content, canonical)).digest('hex').slice(0, 16);
}

/** Where something was written, and what a node sends just now, is not part of what was asked for. */
const leftOut = new Set(['source', 'sends', 'withdrawn']);

function canonical(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if ('text' in value && 'bytes' in value) return value.text;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !leftOut.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
