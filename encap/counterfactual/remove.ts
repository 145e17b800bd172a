/**
 * What would take an exclusion away: for each, the changes any one of which does. None where it is
 * no matter of the file: a provider that drops the packets, an address that a node does not have.
 */
import type { Cluster, Link, LocalFacts } from '../cluster.js';
import { modes } from '../mode.js';
import type { Mode } from '../mode.js';
import { overheadBytes } from '../mtu.js';
import type { Site } from '../relation.js';
import { linkBetween } from '../relation.js';
import { carriageKey } from '../mode.js';
import type { Candidate, End, Exclusion } from '../trail.js';
import type { FirewallClass } from '../underlay/fact.js';
import type { UnderlayTable } from '../underlay/index.js';
import type { Change, LinkPlace, Place } from './change.js';

export interface Situation {
  readonly cluster: Cluster;
  readonly local: LocalFacts | undefined;
  readonly facts: UnderlayTable;
  readonly from: Site;
  readonly to: Site;
  /** All that the decision looked at. */
  readonly candidates: readonly Candidate[];
}

export function changesAgainst(
  exclusion: Exclusion,
  candidate: Candidate,
  situation: Situation,
): readonly Change[] {
  const { mode } = candidate.carriage;
  const site = (end: End): Site => situation[end];
  switch (exclusion.code) {
    case 'rule':
    case 'probe':
      // Which rule asks for what is a matter of the whole pair: see `steer.ts`.
      return [];
    case 'provider-forbids':
    case 'no-outer-address':
      return [];
    case 'switch': {
      const { need, actual, end } = exclusion;
      const place = switchPlace(site(end), (switches) => switches[need.switch]);
      return [{ kind: 'switch', place, need, actual }];
    }
    case 'firewall':
      return [firewallChange(site(exclusion.end), exclusion.traffic, 'blocked')];
    case 'unconfirmed': {
      const traffic = firewallClass(candidate);
      const admit = firewallChange(site(exclusion.end), traffic, undefined);
      return traffic === 'ipv6InIpv4' ? [admit] : [admit, ...listMode(mode, situation)];
    }
    case 'other-subnet':
      return (['from', 'to'] as const)
        .filter((end) => needsSubnet(site(end), situation))
        .map((end) => firewallChange(site(end), firewallClass(candidate), undefined));
    case 'foreign-fabric':
    case 'link':
      return listMode(mode, situation);
    case 'public':
      return linkPlace(situation).map((link) => ({ kind: 'link-public', link }));
    case 'accepts':
      return [
        {
          kind: 'accepts',
          node: site(exclusion.end).node.name,
          carriage: carriageKey(candidate.carriage),
        },
      ];
    case 'mtu':
      return widen(exclusion.minimum + overheadBytes(candidate.carriage), candidate, situation);
  }
}

/** A node that says something of its own overrides its zone, so it is the one to change. */
function switchPlace(site: Site, said: (switches: Site['switches']) => unknown): Place {
  return said(site.node.switches) === undefined
    ? { kind: 'zone', name: site.zone.name }
    : { kind: 'node', name: site.node.name };
}

function firewallChange(site: Site, traffic: FirewallClass, actual: 'blocked' | undefined): Change {
  const place = switchPlace(site, ({ firewall }) => firewall?.[traffic]);
  return { kind: 'firewall', place, traffic, actual };
}

function firewallClass({ carriage }: Candidate): FirewallClass {
  if (carriage.mode !== 'ipip') return carriage.mode;
  return carriage.inner === 4 ? 'ipip' : 'ipv6InIpv4';
}

function needsSubnet(site: Site, { facts }: Situation): boolean {
  return (
    facts[site.zone.provider].ipip.sameSubnetOnly === true &&
    site.switches.firewall?.ipip !== 'allowed'
  );
}

/** The link between the two zones, else one to be written. Inside of a zone there is none. */
function linkPlace({ cluster, from, to }: Situation): readonly LinkPlace[] {
  const link = linkBetween(cluster, from.zone, to.zone);
  if (link !== undefined) return nameable(cluster, link) ? [{ ends: link.ends, exists: true }] : [];
  if (from.zone.name === to.zone.name) return [];
  const ends = [
    { kind: 'zone', zone: from.zone.name },
    { kind: 'zone', zone: to.zone.name },
  ] as const;
  return [{ ends, exists: false }];
}

/** A provider's name that is a zone's name as well would be taken for the zone. */
function nameable(cluster: Cluster, link: Link): boolean {
  return link.ends.every((end) => end.kind === 'zone' || !cluster.zones.has(end.provider));
}

/**
 * A link that lists a mode excludes those that it does not list, and confirms those that it does:
 * so with the new one go those that nobody doubts.
 */
function listMode(mode: Mode, situation: Situation): readonly Change[] {
  const { cluster, from, to, candidates } = situation;
  const listed = linkBetween(cluster, from.zone, to.zone)?.modes;
  const undoubted = (one: Mode): boolean =>
    candidates.some(
      ({ carriage, exclusions }) =>
        carriage.mode === one &&
        !exclusions.some(
          ({ code }) =>
            code === 'unconfirmed' ||
            code === 'provider-forbids' ||
            code === 'foreign-fabric' ||
            code === 'no-outer-address',
        ),
    );
  const kept = modes.filter(
    (one) => one === mode || (listed === undefined ? undoubted(one) : listed.includes(one)),
  );
  return linkPlace(situation).map((link) => ({
    kind: 'link-modes',
    link,
    modes: kept,
    added: mode,
  }));
}

/** The first limit below what is needed; another one shows when that is gone. */
function widen(bytes: number, candidate: Candidate, situation: Situation): readonly Change[] {
  const limit = candidate.ledger?.limits.find((one) => one.bytes < bytes);
  switch (limit?.what) {
    case undefined:
    case 'measured':
      return [];
    case 'own-nic':
    case 'peer-nic': {
      const site = limit.what === 'own-nic' ? situation.from : situation.to;
      // What the kernel says of its NIC no file can change.
      const declared = site.node.mtu ?? site.zone.mtu;
      const believed = declared ?? situation.facts[site.zone.provider].mtu.bytes;
      if (limit.bytes !== believed) return [];
      const place: Place =
        site.node.mtu === undefined
          ? { kind: 'zone', name: site.zone.name }
          : { kind: 'node', name: site.node.name };
      return [{ kind: 'nic-mtu', place, bytes }];
    }
    case 'link':
    case 'inter-region':
    case 'external':
      return linkPlace(situation).map((link) => ({ kind: 'link-mtu', link, bytes }));
  }
}
