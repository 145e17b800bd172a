/**
 * The atomic changes of a cluster file that can take an exclusion away: one switch confirmed, one
 * class of packets admitted, one mode listed on a link, one rule that asks for something else.
 */
import type { Cluster, ClusterNode, Link, LinkEnd, Rule, Switches, Zone } from '../cluster.js';
import type { CarriageKey, Mode, RuleResult } from '../mode.js';
import type { Family } from '../address.js';
import { withNode } from '../node-table.js';
import type { FirewallClass, Need } from '../underlay/fact.js';

/** Where a switch or an MTU is said: of a zone, or of one node that overrides its zone. */
export interface Place {
  readonly kind: 'zone' | 'node';
  readonly name: string;
}

/** A link as the file names it; `exists` false: the change writes it. */
export interface LinkPlace {
  readonly ends: readonly [LinkEnd, LinkEnd];
  readonly exists: boolean;
}

export type Change =
  | {
      readonly kind: 'switch';
      readonly place: Place;
      readonly need: Need;
      /** What is said now; undefined: nobody has confirmed anything. */
      readonly actual: string | undefined;
    }
  | {
      readonly kind: 'firewall';
      readonly place: Place;
      readonly traffic: FirewallClass;
      readonly actual: 'blocked' | undefined;
    }
  | {
      readonly kind: 'link-modes';
      readonly link: LinkPlace;
      /** All that the link lists afterwards. */
      readonly modes: readonly Mode[];
      readonly added: Mode;
    }
  | { readonly kind: 'link-public'; readonly link: LinkPlace }
  | { readonly kind: 'link-mtu'; readonly link: LinkPlace; readonly bytes: number }
  | { readonly kind: 'nic-mtu'; readonly place: Place; readonly bytes: number }
  | { readonly kind: 'accepts'; readonly node: string; readonly carriage: CarriageKey }
  | {
      readonly kind: 'rule-mode';
      readonly rule: string;
      readonly mode: RuleResult;
      /** The rule says `force` now; what it asks for instead shall be what passes. */
      readonly unforce: boolean;
    }
  | {
      readonly kind: 'rule-added';
      /** Before all others, for just these two nodes, either way round. */
      readonly nodes: readonly [string, string];
      readonly family: Family | undefined;
      readonly mode: Mode;
    };

/** The cluster as it would be; it shares all that is not changed. */
export function applyChanges(cluster: Cluster, changes: readonly Change[]): Cluster {
  return changes.reduce(applyChange, cluster);
}

/** Equal changes have equal texts. */
export function changeKey(change: Change): string {
  return JSON.stringify(change);
}

function applyChange(cluster: Cluster, change: Change): Cluster {
  switch (change.kind) {
    case 'switch':
      return withSwitches(cluster, change.place, { [change.need.switch]: change.need.value });
    case 'firewall':
      return withSwitches(cluster, change.place, { firewall: { [change.traffic]: 'allowed' } });
    case 'nic-mtu':
      return withPlace(cluster, change.place, () => ({ mtu: change.bytes }));
    case 'link-modes':
      return withLink(cluster, change.link, { modes: change.modes });
    case 'link-public':
      return withLink(cluster, change.link, { allowPublic: true });
    case 'link-mtu':
      return withLink(cluster, change.link, { mtu: change.bytes });
    case 'accepts': {
      const node = cluster.nodes.get(change.node);
      if (node === undefined) return cluster;
      const accepts = { ...node.accepts, [change.carriage]: 'kernel' as const };
      return { ...cluster, nodes: withNode(cluster.nodes, { ...node, accepts }) };
    }
    case 'rule-mode':
      return {
        ...cluster,
        rules: cluster.rules.map((rule) =>
          rule.name === change.rule
            ? { ...rule, mode: change.mode, force: rule.force && !change.unforce }
            : rule,
        ),
      };
    case 'rule-added':
      return { ...cluster, rules: [pairRule(change), ...cluster.rules] };
  }
}

function pairRule(change: Extract<Change, { readonly kind: 'rule-added' }>): Rule {
  const [a, b] = change.nodes;
  return {
    name: 'what-if-1',
    between: [{ nodes: [a] }, { nodes: [b] }],
    relations: {},
    ...(change.family === undefined ? {} : { family: change.family }),
    mode: change.mode,
    force: false,
    reason: undefined,
  };
}

function withSwitches(cluster: Cluster, place: Place, changed: Switches): Cluster {
  return withPlace(cluster, place, ({ switches }) => ({
    switches: {
      ...switches,
      ...changed,
      ...(changed.firewall === undefined
        ? {}
        : { firewall: { ...switches.firewall, ...changed.firewall } }),
    },
  }));
}

function withPlace(
  cluster: Cluster,
  place: Place,
  change: (at: Zone | ClusterNode) => Partial<Pick<Zone, 'switches' | 'mtu'>>,
): Cluster {
  switch (place.kind) {
    case 'zone': {
      const zone = cluster.zones.get(place.name);
      if (zone === undefined) return cluster;
      const zones = new Map(cluster.zones).set(zone.name, { ...zone, ...change(zone) });
      return { ...cluster, zones };
    }
    case 'node': {
      const node = cluster.nodes.get(place.name);
      if (node === undefined) return cluster;
      return { ...cluster, nodes: withNode(cluster.nodes, { ...node, ...change(node) }) };
    }
  }
}

function withLink(cluster: Cluster, place: LinkPlace, change: Partial<Link>): Cluster {
  const at = cluster.links.findIndex((link) => sameEnds(link.ends, place.ends));
  const existing = cluster.links[at];
  if (existing !== undefined)
    return { ...cluster, links: cluster.links.with(at, { ...existing, ...change }) };
  const added: Link = {
    ends: place.ends,
    mtu: undefined,
    modes: undefined,
    allowPublic: false,
    note: undefined,
    ...change,
  };
  return { ...cluster, links: [...cluster.links, added] };
}

function sameEnds(a: Link['ends'], b: Link['ends']): boolean {
  return (
    (sameEnd(a[0], b[0]) && sameEnd(a[1], b[1])) || (sameEnd(a[0], b[1]) && sameEnd(a[1], b[0]))
  );
}

function sameEnd(a: LinkEnd, b: LinkEnd): boolean {
  return a.kind === b.kind && endName(a) === endName(b);
}

/** The name of the zone, or of the provider. */
export function endName(end: LinkEnd): string {
  return end.kind === 'zone' ? end.zone : end.provider;
}
