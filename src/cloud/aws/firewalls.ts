/**
 * The firewalls in front of the cluster's nodes, for those who evaluate them packet by packet. A
 * packet of the same subnet does not meet the subnet's ACL, which here is a rule in front of all
 * others: it admits the addresses and overlay prefixes of the nodes in that subnet.
 */
import { tryParseAddress } from '../../../encap/address.js';
import { type Prefix, hostPrefix } from '../../../encap/prefix.js';
import type { Firewall, FirewallRule } from '../admission.js';
import type { AppliedFirewall, FirewallReading } from '../control.js';
import type { NetworkAcl } from './acls.js';
import type { NetworkInterface } from './interfaces.js';
import type { Place } from './places.js';
import type { Sight } from './sight.js';
import { Walls } from './walls.js';

export function firewallsOf(sight: Sight): FirewallReading {
  const walls = new Walls(sight);
  const firewalls: AppliedFirewall[] = [];
  const groups = new Map<string, readonly string[]>();
  const problems = new Set<string>(sight.problems);
  const neighbours = neighboursBySubnet(sight);
  for (const place of sight.places.values()) {
    const { name } = place.node;
    groups.set(name, [...new Set(place.interfaces.flatMap((entry) => entry.groups))]);
    for (const entry of place.interfaces) {
      const wall = walls.of(entry);
      const text = `security groups ${entry.groups.join(', ')} of ${entry.id}`;
      if (wall.groups === undefined) {
        if (sight.groups !== undefined) problems.add(`not all ${text} (${name}) could be read`);
      } else {
        const id = entry.groups[0] ?? entry.id;
        firewalls.push({ node: name, id, text, firewall: wall.groups.least });
        if (wall.groups.most !== wall.groups.least)
          problems.add(
            `${text} (${name}) name prefix lists, whose entries are not read and count as empty`,
          );
      }
      const { acl } = wall;
      if (acl !== undefined)
        firewalls.push({
          node: name,
          id: acl.id,
          text: `network ACL ${acl.id} of ${entry.subnetId ?? 'the subnet'}`,
          firewall: betweenSubnets(acl, neighbours.get(entry.subnetId ?? '') ?? []),
        });
    }
  }
  return { firewalls, groups, problems: [...problems] };
}

function betweenSubnets(acl: NetworkAcl, neighbours: readonly Prefix[]): Firewall {
  const inside = (direction: 'ingress' | 'egress'): FirewallRule => ({
    name: `${acl.id} is not asked within a subnet`,
    direction,
    action: 'allow',
    protocol: 'all',
    prefixes: neighbours,
    groups: [],
    priority: -1,
  });
  return {
    ...acl.firewall,
    rules: [inside('ingress'), inside('egress'), ...acl.firewall.rules],
  };
}

function neighboursBySubnet(sight: Sight): ReadonlyMap<string, readonly Prefix[]> {
  const found = new Map<string, Prefix[]>();
  for (const place of sight.places.values())
    for (const entry of place.interfaces) {
      if (entry.subnetId === undefined) continue;
      const prefixes = found.get(entry.subnetId) ?? [];
      prefixes.push(...prefixesOf(place, entry));
      found.set(entry.subnetId, prefixes);
    }
  return found;
}

function prefixesOf(place: Place, entry: NetworkInterface): readonly Prefix[] {
  const addresses = entry.addresses.flatMap((text) => tryParseAddress(text) ?? []);
  return [
    ...addresses.map(hostPrefix),
    ...place.node.overlay.filter(({ family }) => place.byFamily[family] === entry),
  ];
}
