/**
 * Which modes could carry packets between two nodes: for each candidate, everything that speaks
 * against it, and the facts that speak for it.
 */
import type { Family } from './address.js';
import type { Cluster, LocalFacts, Rule } from './cluster.js';
import type { Carriage, Plane, RuleResult } from './mode.js';
import { carriageKey } from './mode.js';
import type { PathMtu } from './mtu.js';
import { innerMtu, minimumIpv4Mtu, minimumIpv6Mtu, overheadBytes } from './mtu.js';
import { pathLimits, pathMtu } from './path-mtu.js';
import type { Site } from './relation.js';
import { adjacent, linkBetween, sameSubject } from './relation.js';
import type { Candidate, Exclusion, OuterEnds } from './trail.js';
import type { Fact, FirewallClass, Passage, UnderlayFacts } from './underlay/fact.js';
import type { UnderlayTable } from './underlay/index.js';

export interface FeasibleQuestion {
  readonly cluster: Cluster;
  readonly local: LocalFacts | undefined;
  readonly facts: UnderlayTable;
  readonly from: Site;
  readonly to: Site;
  readonly inner: Family;
  readonly ends: readonly OuterEnds[];
  readonly wanted: RuleResult;
  readonly rule: Rule | undefined;
}

/** Every mode with every family of outer header, in order of cost. */
const shapes: Readonly<Record<Family, readonly Carriage[]>> = {
  4: shapesFor(4),
  6: shapesFor(6),
};

function shapesFor(inner: Family): readonly Carriage[] {
  const all: Carriage[] = [
    { mode: 'native', outer: inner, inner },
    { mode: 'ipip', outer: 4, inner },
    { mode: 'ipip', outer: 6, inner },
    { mode: 'vxlan', outer: 4, inner },
    { mode: 'vxlan', outer: 6, inner },
  ];
  return all.map((carriage) => Object.freeze(carriage));
}

/** All candidates of an (inner) family, cheapest first, each with what excludes it. */
export function candidates(question: FeasibleQuestion): readonly Candidate[] {
  const ways = { 4: wayOver(question, 4), 6: wayOver(question, 6) };
  return shapes[question.inner].map((carriage) => assess(question, carriage, ways[carriage.outer]));
}

/** What all candidates with an outer (or bare) header of one family have in common. */
interface Way {
  readonly ends: OuterEnds | undefined;
  readonly near: boolean;
  readonly sameSubnet: boolean;
  readonly path: PathMtu;
}

function wayOver(question: FeasibleQuestion, family: Family): Way {
  const { from, to, facts } = question;
  const ends = question.ends.find((entry) => entry.family === family);
  const near =
    ends !== undefined &&
    adjacent(from, to, {
      family,
      factsA: facts[from.zone.provider],
      factsB: facts[to.zone.provider],
    });
  return {
    ends,
    near,
    sameSubnet: ends !== undefined && sameSubject(from, to, 'subnet', family),
    path: ends === undefined ? (0 as PathMtu) : pathMtu(pathLimits(question, { from, to, family })),
  };
}

function assess(question: FeasibleQuestion, carriage: Carriage, way: Way): Candidate {
  const { from, to, rule, wanted } = question;
  const exclusions: Exclusion[] = [];
  const supporting: Fact[] = [];
  if (rule !== undefined && wanted !== 'auto' && wanted !== carriage.mode)
    exclusions.push({ code: 'rule', wanted, rule });
  const { ends, near } = way;
  if (ends === undefined) {
    exclusions.push({ code: 'no-outer-address', family: carriage.outer });
  } else {
    assessUnderlay(question, { carriage, way, exclusions, supporting });
    if (ends.public && linkBetween(question.cluster, from.zone, to.zone)?.allowPublic !== true)
      exclusions.push({ code: 'public', remote: ends.remote });
    assessMtu(way, carriage, exclusions);
  }
  const plane = assessAccepts(question, carriage, exclusions);
  return {
    carriage,
    overheadBytes: overheadBytes(carriage),
    plane,
    exclusions,
    facts: supporting,
    adjacent: near,
  };
}

interface Assessment {
  readonly carriage: Carriage;
  readonly way: Way;
  readonly exclusions: Exclusion[];
  readonly supporting: Fact[];
}

function assessUnderlay(question: FeasibleQuestion, assessment: Assessment): void {
  const { cluster, facts, from, to } = question;
  const { carriage, exclusions, supporting } = assessment;
  const { near, sameSubnet } = assessment.way;
  const link = linkBetween(cluster, from.zone, to.zone);
  const linkLists = link?.modes?.includes(carriage.mode);
  if (link !== undefined && linkLists === false) exclusions.push({ code: 'link', link });
  const traffic = firewallClass(carriage);
  // "ipip" on a link speaks of protocol 4; protocol 41 needs a word of its own.
  const linkConfirms = linkLists === true && traffic !== 'ipv6InIpv4';
  // Peerings and VPNs route only the other side's own prefixes, so bare overlay packets need the
  // operator's word that this path knows them.
  const foreignFabric =
    from.zone.provider !== to.zone.provider || from.zone.region !== to.zone.region;
  if (carriage.mode === 'native' && !near && foreignFabric && linkLists !== true)
    exclusions.push({ code: 'foreign-fabric' });
  for (const site of from === to ? [from] : [from, to]) {
    const table = facts[site.zone.provider];
    const passage = passageFor(table, carriage, near);
    const admitted = site.switches.firewall?.[traffic];
    if (admitted === 'blocked') exclusions.push({ code: 'firewall', end: site.node.name, traffic });
    const base = { end: site.node.name, provider: table.provider, fact: passage.fact };
    if (passage.verdict === 'forbidden') {
      exclusions.push({ code: 'provider-forbids', ...base });
    } else if (passage.verdict === 'unconfirmed' && admitted !== 'allowed' && !linkConfirms) {
      exclusions.push({ code: 'unconfirmed', ...base });
    } else {
      supporting.push(passage.fact);
    }
    if (passage.sameSubnetOnly === true && !sameSubnet && admitted !== 'allowed')
      exclusions.push({ code: 'other-subnet', fact: passage.fact });
    for (const need of passage.needs) {
      const actual = site.switches[need.switch];
      if (actual !== need.value)
        exclusions.push({
          code: 'switch',
          end: site.node.name,
          need,
          actual,
          fact: passage.fact,
        });
    }
  }
}

function passageFor(facts: UnderlayFacts, carriage: Carriage, near: boolean): Passage {
  switch (carriage.mode) {
    case 'native':
      return near ? facts.nativeAdjacent : facts.nativeRouted;
    case 'ipip':
      return carriage.outer === 4 && carriage.inner === 4 ? facts.ipip : facts.ipv6InIpv4;
    case 'vxlan':
      return facts.vxlan;
  }
}

function firewallClass(carriage: Carriage): FirewallClass {
  if (carriage.mode !== 'ipip') return carriage.mode;
  return carriage.inner === 4 ? 'ipip' : 'ipv6InIpv4';
}

function assessMtu(way: Way, carriage: Carriage, exclusions: Exclusion[]): void {
  const mtu = innerMtu(way.path, carriage);
  const minimum = carriage.inner === 6 ? minimumIpv6Mtu : minimumIpv4Mtu;
  if (mtu < minimum) exclusions.push({ code: 'mtu', mtu, minimum });
}

const planeRank: Readonly<Record<Plane, number>> = { kernel: 0, ebpf: 1, userspace: 2, none: 3 };

/** The worse plane of both ends; `auto` passes over userspace, a rule that names the mode does not. */
function assessAccepts(
  question: FeasibleQuestion,
  carriage: Carriage,
  exclusions: Exclusion[],
): Plane {
  let worst: Plane = 'kernel';
  for (const { node } of [question.from, question.to]) {
    const plane = node.accepts[carriageKey(carriage)] ?? 'kernel';
    if (planeRank[plane] > planeRank[worst]) worst = plane;
    if (plane === 'none' || (plane === 'userspace' && question.wanted === 'auto'))
      exclusions.push({ code: 'accepts', end: node.name, plane });
  }
  return worst;
}
