/**
 * Which modes could carry packets between two nodes: for each candidate, everything that speaks
 * against it, and the facts that speak for it.
 */
import type { Family } from './address.js';
import type { Cluster, LocalFacts, PeerProbes, ProbeResults, Rule } from './cluster.js';
import { accepts } from './live-record.js';
import type { Carriage, Plane, RuleResult } from './mode.js';
import { carriageKey } from './mode.js';
import { innerMtu, minimumIpv4Mtu, minimumIpv6Mtu, overheadBytes, overheadItems } from './mtu.js';
import type { SwitchName } from './cluster.js';
import type { PathContext, PathEnds } from './path-mtu.js';
import { pathLimits, pathMtu } from './path-mtu.js';
import type { Site } from './relation.js';
import { adjacent, linkBetween, sameSubject } from './relation.js';
import type { Candidate, Exclusion, MtuLedger, OuterEnds } from './trail.js';
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

/** All candidates of an (inner) family, cheapest first, and the one that is left. */
export interface Assessment {
  readonly candidates: readonly Candidate[];
  /** Undefined: none is left. */
  readonly chosen: Candidate | undefined;
  /** The rule said `force` and the chosen one has exclusions. */
  readonly forced: boolean;
}

/**
 * Assessments of one sender, by what they depend on. Peers of a kind (one zone, equal switches,
 * the same relation to the sender) share one, so a fleet costs as much as its kinds. Valid while
 * the sender, the rules, zones, links, facts and local facts stay the same.
 */
export class AssessmentMemo {
  readonly #byRule = new Map<Rule | undefined, Map<string, Assessment>>();

  get(question: FeasibleQuestion, ways: Ways, work: () => Assessment): Assessment {
    const { to, rule, inner } = question;
    let kinds = this.#byRule.get(rule);
    if (kinds === undefined) this.#byRule.set(rule, (kinds = new Map<string, Assessment>()));
    const key = `${to.kind} ${inner} ${wayKey(ways[4])} ${wayKey(ways[6])}${probesKey(question)}`;
    let known = kinds.get(key);
    if (known === undefined) kinds.set(key, (known = work()));
    return known;
  }
}

export function assessAll(question: FeasibleQuestion, memo?: AssessmentMemo): Assessment {
  const ways = { 4: wayOver(question, 4), 6: wayOver(question, 6) };
  const work = (): Assessment => {
    const candidates = shapes[question.inner].map((carriage) =>
      assess(question, carriage, ways[carriage.outer]),
    );
    const heeded = heedProbes(candidates, question);
    const feasible = heeded.find((candidate) => candidate.exclusions.length === 0);
    const forced = feasible === undefined && question.rule?.force === true;
    const chosen = feasible ?? (forced ? heeded.find(forceable) : undefined);
    return { candidates: heeded, chosen, forced: forced && chosen !== undefined };
  };
  return memo === undefined ? work() : memo.get(question, ways, work);
}

/**
 * Probes choose among what `auto` leaves open, and never take the last way: a path that seems to
 * lose everything is still better than none, and the model may be right where the probes are not.
 */
function heedProbes(
  candidates: readonly Candidate[],
  question: FeasibleQuestion,
): readonly Candidate[] {
  const { lost, policy } = ownProbes(question) ?? { lost: {}, policy: 'observe' };
  const textOf = ({ carriage }: Candidate): string | undefined => lost[carriageKey(carriage)];
  const open = candidates.filter((candidate) => candidate.exclusions.length === 0);
  const heed =
    policy === 'drive' &&
    question.wanted === 'auto' &&
    open.some((candidate) => textOf(candidate) === undefined);
  return candidates.map((candidate) => {
    const text = textOf(candidate);
    if (text === undefined) return candidate;
    return heed
      ? { ...candidate, exclusions: [...candidate.exclusions, { code: 'probe', text }] }
      : { ...candidate, unheeded: text };
  });
}

/** What the sender's own probes say of the peer. */
function ownProbes(
  question: FeasibleQuestion,
): (PeerProbes & Pick<ProbeResults, 'policy'>) | undefined {
  const { local, from, to } = question;
  if (local?.probes === undefined || local.node !== from.node.name) return undefined;
  const peer = local.probes.peers.get(to.node.name);
  return peer === undefined ? undefined : { ...peer, policy: local.probes.policy };
}

function probesKey(question: FeasibleQuestion): string {
  const probes = ownProbes(question);
  return probes === undefined ? '' : ` ${JSON.stringify(probes)}`;
}

/** `force` overrides beliefs, not what no packet can do: have no address, or no receiver. */
function forceable(candidate: Candidate): boolean {
  return candidate.exclusions.every(
    (exclusion) =>
      exclusion.code !== 'rule' &&
      exclusion.code !== 'no-outer-address' &&
      exclusion.code !== 'public' &&
      exclusion.code !== 'mtu' &&
      !(exclusion.code === 'accepts' && exclusion.plane === 'none'),
  );
}

/** How the two ends stand to each other over one family of outer (or bare) header. */
interface Way {
  /** None: they have no addresses of the family. */
  readonly ends: 'none' | 'private' | 'public';
  readonly near: boolean;
  readonly sameSubnet: boolean;
}

type Ways = Readonly<Record<Family, Way>>;

const noWay: Way = { ends: 'none', near: false, sameSubnet: false };

function wayOver(question: FeasibleQuestion, family: Family): Way {
  const { from, to, facts } = question;
  const ends = question.ends.find((entry) => entry.family === family);
  if (ends === undefined) return noWay;
  return {
    ends: ends.public ? 'public' : 'private',
    near: adjacent(from, to, {
      family,
      factsA: facts[from.zone.provider],
      factsB: facts[to.zone.provider],
    }),
    sameSubnet: sameSubject(from, to, 'subnet', family),
  };
}

function wayKey(way: Way): string {
  return `${way.ends}${way.near ? ' near' : ''}${way.sameSubnet ? ' same' : ''}`;
}

function assess(question: FeasibleQuestion, carriage: Carriage, way: Way): Candidate {
  const { from, to, rule, wanted } = question;
  const exclusions: Exclusion[] = [];
  const supporting: Fact[] = [];
  if (rule !== undefined && wanted !== 'auto' && wanted !== carriage.mode)
    exclusions.push({ code: 'rule', wanted, rule });
  let ledger: MtuLedger | undefined;
  if (way.ends === 'none') {
    exclusions.push({ code: 'no-outer-address', family: carriage.outer });
  } else {
    assessUnderlay(question, { carriage, way, exclusions, supporting });
    if (
      way.ends === 'public' &&
      linkBetween(question.cluster, from.zone, to.zone)?.allowPublic !== true
    )
      exclusions.push({ code: 'public' });
    ledger = mtuLedger(question, carriage);
    const minimum = carriage.inner === 6 ? minimumIpv6Mtu : minimumIpv4Mtu;
    if (ledger.inner < minimum) exclusions.push({ code: 'mtu', mtu: ledger.inner, minimum });
  }
  const plane = assessAccepts(question, carriage, exclusions);
  return {
    carriage,
    overheadBytes: overheadBytes(carriage),
    plane,
    exclusions,
    facts: supporting,
    adjacent: way.near,
    ledger,
  };
}

interface Underlay {
  readonly carriage: Carriage;
  readonly way: Way;
  readonly exclusions: Exclusion[];
  readonly supporting: Fact[];
}

function assessUnderlay(question: FeasibleQuestion, underlay: Underlay): void {
  const { cluster, facts, from, to } = question;
  const { carriage, exclusions, supporting } = underlay;
  const { near, sameSubnet } = underlay.way;
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
  for (const end of ['from', 'to'] as const) {
    const site = question[end];
    const table = facts[site.zone.provider];
    const passage = passageFor(table, carriage, near);
    const admitted = site.switches.firewall?.[traffic];
    const other = question[end === 'from' ? 'to' : 'from'].zone.name;
    if (admitted === 'blocked') exclusions.push({ code: 'firewall', end, traffic });
    // That a firewall admits it does not say that the platform carries it: only `blocked` counts.
    else if (admitted === undefined && site.node.observed?.admits[other]?.[traffic] === 'blocked')
      exclusions.push({ code: 'firewall', end, traffic, open: true });
    const base = { end, provider: table.provider, fact: passage.fact };
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
          end,
          need,
          actual,
          fact: passage.fact,
          ...(cluster.cloud !== undefined && !isWritten(site, need.switch) ? { open: true } : {}),
        });
    }
  }
}

/** Does the file say something of the switch, so that what is observed does not count? */
function isWritten({ zone, node }: Site, name: SwitchName): boolean {
  return (node.switches[name] ?? zone.switches[name]) !== undefined;
}

/** Nothing speaks against it that could not be otherwise without a change of the file's beliefs. */
export function mayBecomeFeasible({ exclusions }: Pick<Candidate, 'exclusions'>): boolean {
  return exclusions.every(
    (exclusion) =>
      exclusion.code === 'rule' ||
      exclusion.code === 'probe' ||
      ('open' in exclusion && exclusion.open),
  );
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

/** What limits a packet of this carriage, item by item. */
export function mtuLedger(
  question: PathContext & Pick<PathEnds, 'from' | 'to'>,
  carriage: Carriage,
): MtuLedger {
  const { from, to } = question;
  const limits = pathLimits(question, { from, to, family: carriage.outer });
  const path = pathMtu(limits);
  return { limits, path, overhead: overheadItems(carriage), inner: innerMtu(path, carriage) };
}

const planeRank: Readonly<Record<Plane, number>> = { kernel: 0, ebpf: 1, userspace: 2, none: 3 };

/** The worse plane of both ends; `auto` passes over userspace, a rule that names the mode does not. */
function assessAccepts(
  question: FeasibleQuestion,
  carriage: Carriage,
  exclusions: Exclusion[],
): Plane {
  let worst: Plane = 'kernel';
  for (const end of ['from', 'to'] as const) {
    const { node } = question[end];
    const plane = node.accepts[carriageKey(carriage)] ?? 'kernel';
    if (planeRank[plane] > planeRank[worst]) worst = plane;
    if (plane === 'none' || (plane === 'userspace' && question.wanted === 'auto'))
      exclusions.push({ code: 'accepts', end, plane });
    else if (end === 'to' && !accepts(node.live, carriage))
      exclusions.push({ code: 'accepts', end, plane: 'none' });
  }
  return worst;
}
