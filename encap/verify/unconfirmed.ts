/**
 * What a decision owes to something that nobody has confirmed: a cheaper mode that was left out, a
 * mode that is only believed to pass, an MTU that is a guess.
 */
import type { Link } from '../cluster.js';
import { describeCarriage, describeFact, describeNeed } from '../describe.js';
import type { Candidate, Exclusion } from '../trail.js';
import { stepOf } from '../trail.js';
import { linkBetween, siteOf } from '../relation.js';
import type { Fact, UnderlayFacts } from '../underlay/fact.js';
import type { PairFinding } from './finding.js';
import type { PairView } from './pair-view.js';

export function unconfirmedFindings(view: PairView): readonly PairFinding[] {
  const step = stepOf(view.decision, 'feasible');
  const { verdict } = view.decision;
  if (step?.chosen === undefined || verdict.kind !== 'forward') return [];
  const { chosen } = step;
  const found: PairFinding[] = [
    ...cheaper(step.candidates, chosen),
    ...believedMode(view, chosen),
    ...guessedMtu(chosen),
  ];
  if (verdict.ends?.public === true)
    found.push({
      code: 'public-underlay',
      severity: 'note',
      text: `${describeCarriage(chosen.carriage)} to a public address: packets travel unencrypted over the internet, as the link allows`,
      remedy: 'a private path (VPN, peering) would keep them private',
    });
  if (chosen.plane === 'userspace')
    found.push({
      code: 'userspace-plane',
      severity: 'note',
      text: `${describeCarriage(chosen.carriage)} is carried by a userspace process at one end, which is slow`,
      remedy: 'load the kernel module, or let a rule choose a mode that the kernel has',
    });
  return found;
}

/** Cheaper candidates that only a missing word keeps out. */
function cheaper(candidates: readonly Candidate[], chosen: Candidate): readonly PairFinding[] {
  for (const candidate of candidates) {
    if (candidate === chosen) return [];
    const missing = candidate.exclusions.map(missingWord);
    if (missing.length === 0 || missing.some((word) => word === undefined)) continue;
    const words = [...new Set(missing)].sort().join(', ');
    return [
      {
        code: 'unconfirmed-cheaper',
        severity: 'note',
        text: `auto takes ${describeCarriage(chosen.carriage)} because nobody confirmed what ${describeCarriage(candidate.carriage)} needs: ${words}`,
        remedy: 'confirm it in the file for the zones of both ends if it is so',
      },
    ];
  }
  return [];
}

/** What somebody would have to confirm; undefined where no word helps. */
function missingWord(exclusion: Exclusion): string | undefined {
  if (exclusion.code === 'switch' && exclusion.actual === undefined)
    return describeNeed(exclusion.need);
  if (exclusion.code === 'unconfirmed') return `that it passes, as ${describeFact(exclusion.fact)}`;
  return undefined;
}

/** The chosen mode rests on general knowledge, and no switch and no link says more. */
function believedMode(view: PairView, chosen: Candidate): readonly PairFinding[] {
  const { cluster, facts } = view;
  const { carriage } = chosen;
  const sites = [siteOf(cluster, view.from), siteOf(cluster, view.to)] as const;
  const link = linkBetween(cluster, sites[0].zone, sites[1].zone);
  if (link?.modes?.includes(carriage.mode) === true) return [];
  const word =
    carriage.mode === 'ipip' && carriage.inner === 6 ? ('ipv6InIpv4' as const) : carriage.mode;
  const guesses = new Set<Fact>();
  for (const { zone, switches } of sites) {
    if (switches.firewall?.[word] === 'allowed') continue;
    for (const fact of chosen.facts)
      if (fact.mark === 'G' && isFactOf(facts[zone.provider], fact)) guesses.add(fact);
  }
  if (guesses.size === 0) return [];
  return [
    {
      code: 'unconfirmed-mode',
      severity: 'note',
      text: `${describeCarriage(carriage)} is only believed to pass: ${[...guesses].map(describeFact).join('; ')}`,
      remedy: `probe it, then say "firewall: { ${word}: allowed }" for the zone`,
    },
  ];
}

function isFactOf(facts: UnderlayFacts, fact: Fact): boolean {
  const { nativeAdjacent, nativeRouted, ipip, ipv6InIpv4, vxlan } = facts;
  return [nativeAdjacent, nativeRouted, ipip, ipv6InIpv4, vxlan].some(
    (passage) => passage.fact === fact,
  );
}

function guessedMtu({ ledger }: Candidate): readonly PairFinding[] {
  const guess = ledger?.limits.find(
    ({ bytes, because }) => bytes === ledger.path && isGuess(because),
  );
  const known = ledger?.limits.some(
    ({ bytes, because }) => bytes === ledger.path && !isGuess(because),
  );
  if (guess === undefined || known === true || ledger === undefined) return [];
  return [
    {
      code: 'unconfirmed-mtu',
      severity: 'note',
      text: `the path MTU of ${ledger.path} bytes is a guess: ${describeFact(guess.because as Fact)}`,
      remedy: 'describe the path as a link between the zones, with its "mtu"',
    },
  ];
}

function isGuess(because: Fact | Link | object | undefined): because is Fact {
  return because !== undefined && 'mark' in because && because.mark === 'G';
}
