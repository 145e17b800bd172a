/**
 * What the security groups and ACLs in front of a node let in from, and out to, the nodes of each
 * zone: the worst over those nodes. Connection tracking is left out of it: a rule that is missing
 * is missing, even while replies to what the node itself has sent still come in.
 *
 * A node's wall and a peer's address settle an answer, and walls are few, so that a fleet costs as
 * much as its walls times its nodes. Other work gets its turn in between.
 */
import type { Family } from '../../../encap/address.js';
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import type { FirewallVerdicts } from '../../../encap/observed.js';
import { type Prefix, hostPrefix } from '../../../encap/prefix.js';
import { type Place, type Places, routable } from './places.js';
import { type Passing, type Wall, type Walls, passes } from './walls.js';

type Traffic = keyof FirewallVerdicts;
const traffics = ['ipip', 'ipv6InIpv4', 'vxlan', 'native'] as const satisfies readonly Traffic[];

/** IANA protocol numbers. */
const ipInIp = 4;
const tcp = 6;
const udp = 17;
const ipv6InIp = 41;
const icmp: Readonly<Record<Family, number>> = { 4: 1, 6: 58 };

/** Packets as the firewall sees them: the protocol, and the port where there is just one. */
type Kind = { readonly protocol: number; readonly port?: number };

export interface VerdictQuestion {
  readonly cluster: Cluster;
  readonly places: Places;
  readonly walls: Walls;
}

/** By node, then by zone. Nodes whose interfaces were not found are left out. */
export async function verdicts(
  question: VerdictQuestion,
): Promise<ReadonlyMap<string, Readonly<Record<string, FirewallVerdicts>>>> {
  const jury = new Jury(question);
  const answer = new Map<string, Readonly<Record<string, FirewallVerdicts>>>();
  for (const place of question.places.values()) {
    const zones: Record<string, FirewallVerdicts> = {};
    for (const zone of question.cluster.zones.keys()) {
      const verdict = await jury.judge(place, zone);
      if (Object.keys(verdict).length > 0) zones[zone] = verdict;
    }
    answer.set(place.node.name, zones);
  }
  return answer;
}

/** Nodes whose packets fare worst; two are enough to tell a node from the others. */
interface Worst {
  readonly seen: Set<string>;
  readonly blocked: Set<string>;
  readonly unknown: Set<string>;
}

class Jury {
  readonly #question: VerdictQuestion;
  readonly #nodesOf = new Map<string, ClusterNode[]>();
  /** By wall, family, traffic and zone. */
  readonly #worst = new Map<string, Worst>();
  #asked = 0;

  constructor(question: VerdictQuestion) {
    this.#question = question;
    for (const node of question.cluster.nodes.values()) {
      if (node.withdrawn) continue;
      const nodes = this.#nodesOf.get(node.zone);
      if (nodes === undefined) this.#nodesOf.set(node.zone, [node]);
      else nodes.push(node);
    }
  }

  async judge(place: Place, zone: string): Promise<FirewallVerdicts> {
    const verdict: Partial<Record<Traffic, 'allowed' | 'blocked'>> = {};
    for (const traffic of traffics) {
      const worst: Passing[] = [];
      for (const family of [4, 6] as const) {
        const entry = place.byFamily[family];
        if (entry === undefined) continue;
        const wall = this.#question.walls.of(entry);
        const { seen, blocked, unknown } = await this.#worstOf(wall, { family, traffic, zone });
        const others = (names: ReadonlySet<string>): boolean =>
          names.size > (names.has(place.node.name) ? 1 : 0);
        if (others(blocked)) worst.push('blocked');
        else if (others(unknown)) worst.push('unknown');
        else if (others(seen)) worst.push('passes');
      }
      if (worst.includes('blocked')) verdict[traffic] = 'blocked';
      else if (worst.length > 0 && !worst.includes('unknown')) verdict[traffic] = 'allowed';
    }
    return verdict;
  }

  async #worstOf(
    wall: Wall,
    about: { readonly family: Family; readonly traffic: Traffic; readonly zone: string },
  ): Promise<Worst> {
    const { family, traffic, zone } = about;
    const key = `${wall.key} ${family} ${traffic} ${zone}`;
    const known = this.#worst.get(key);
    if (known !== undefined) return known;
    const worst: Worst = { seen: new Set(), blocked: new Set(), unknown: new Set() };
    for (const node of this.#nodesOf.get(zone) ?? []) {
      if (worst.blocked.size > 1) break;
      const passing = this.#pair(wall, { node, family, traffic });
      if (passing === undefined) continue;
      if (worst.seen.size < 2) worst.seen.add(node.name);
      if (passing === 'blocked') worst.blocked.add(node.name);
      else if (passing === 'unknown' && worst.unknown.size < 2) worst.unknown.add(node.name);
      if (++this.#asked % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#worst.set(key, worst);
    return worst;
  }

  /** In from the node and out to it; undefined: there are no such packets. */
  #pair(
    wall: Wall,
    about: { readonly node: ClusterNode; readonly family: Family; readonly traffic: Traffic },
  ): Passing | undefined {
    const { node, family, traffic } = about;
    const place = this.#question.places.get(node.name);
    const ends = this.#ends(node, { family, traffic, place });
    if (ends.length === 0) return undefined;
    const entry = place?.byFamily[family];
    // A group of ours says nothing of bare packets: their sources are no interface's addresses.
    const groups = traffic === 'native' ? [] : (entry?.groups ?? []);
    const hidden = traffic !== 'native' && place === undefined && this.#isAws(node);
    const answers = ends.flatMap((peer) =>
      kindsOf(traffic, { family, port: this.#question.cluster.vxlan.port }).flatMap((kind) =>
        (['ingress', 'egress'] as const).map((direction) =>
          passes(wall, {
            ...kind,
            direction,
            peer,
            peerGroups: groups,
            peerSubnet: entry?.subnetId,
          }),
        ),
      ),
    );
    // Of a peer in another VPC the groups are not known, and a rule may name one of them.
    const blocked = answers.includes('blocked');
    if (blocked && hidden && namesGroups(wall)) return 'unknown';
    return blocked ? 'blocked' : answers.includes('unknown') ? 'unknown' : 'passes';
  }

  /** The addresses that packets of the other end carry. */
  #ends(
    node: ClusterNode,
    about: {
      readonly family: Family;
      readonly traffic: Traffic;
      readonly place: Place | undefined;
    },
  ): readonly Prefix[] {
    const { family, traffic, place } = about;
    const underlay = node.underlay.find(({ address }) => address.family === family);
    if (underlay === undefined) return [];
    if (traffic !== 'native') return [hostPrefix(underlay.address)];
    const prefixes = place === undefined ? node.overlay : routable(place).map((one) => one.prefix);
    return prefixes.filter((prefix) => prefix.family === family);
  }

  #isAws(node: ClusterNode): boolean {
    return this.#question.cluster.zones.get(node.zone)?.provider === 'aws';
  }
}

function namesGroups(wall: Wall): boolean {
  return wall.groups?.least.rules.some((rule) => rule.groups.length > 0) === true;
}

/**
 * Protocol 4 carries both families in an outer header of IPv6 as well, but 41 is what IPv6 has in
 * either. Natively, workloads send whatever they like: TCP, UDP and ICMP on every port stand for it.
 */
function kindsOf(
  traffic: Traffic,
  about: { readonly family: Family; readonly port: number },
): readonly Kind[] {
  switch (traffic) {
    case 'ipip':
      return [{ protocol: ipInIp }];
    case 'ipv6InIpv4':
      return [{ protocol: ipv6InIp }];
    case 'vxlan':
      return [{ protocol: udp, port: about.port }];
    case 'native':
      return [{ protocol: tcp }, { protocol: udp }, { protocol: icmp[about.family] }];
  }
}
