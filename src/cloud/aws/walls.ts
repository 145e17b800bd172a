/**
 * What stands in front of a node's interface: its security groups, which every packet meets, and
 * the ACL of its subnet, which only those from or to other subnets meet.
 */
import type { Prefix } from '../../../encap/prefix.js';
import { parsePrefix, prefixCovers } from '../../../encap/prefix.js';
import { type FirewalledBlock, type Firewall, admitsPrefix } from '../admission.js';
import type { NetworkAcl } from './acls.js';
import { type FirewallBounds, type SecurityGroup, groupsFirewall } from './groups.js';
import type { NetworkInterface } from './interfaces.js';

export interface Wall {
  /** Equal for interfaces with the same groups in the same subnet. */
  readonly key: string;
  /** Undefined: one of the groups could not be read. */
  readonly groups: FirewallBounds | undefined;
  /** Undefined: none, or one that lets everything pass. */
  readonly acl: NetworkAcl | undefined;
  readonly aclKnown: boolean;
  readonly subnetId: string | undefined;
}

export interface WallSources {
  readonly groups: ReadonlyMap<string, SecurityGroup> | undefined;
  readonly acls: ReadonlyMap<string, NetworkAcl> | undefined;
}

export type Passing = 'passes' | 'blocked' | 'unknown';

/** One wall for all interfaces that it is the same for. */
export class Walls {
  readonly #sources: WallSources;
  readonly #walls = new Map<string, Wall>();

  constructor(sources: WallSources) {
    this.#sources = sources;
  }

  of(entry: NetworkInterface): Wall {
    const ids = [...entry.groups].sort();
    const key = `${ids.join()} ${entry.subnetId ?? ''}`;
    let wall = this.#walls.get(key);
    if (wall === undefined) this.#walls.set(key, (wall = this.#build(key, { ids, entry })));
    return wall;
  }

  #build(
    key: string,
    parts: { readonly ids: readonly string[]; readonly entry: NetworkInterface },
  ): Wall {
    const { groups, acls } = this.#sources;
    const { ids, entry } = parts;
    const known = ids.flatMap((id) => groups?.get(id) ?? []);
    const acl = acls?.get(entry.subnetId ?? '');
    return {
      key,
      groups: known.length === ids.length && known.length > 0 ? groupsFirewall(known) : undefined,
      acl: acl !== undefined && letsAllPass(acl.firewall) ? undefined : acl,
      aclKnown: acl !== undefined,
      subnetId: entry.subnetId,
    };
  }
}

export interface WallPacket extends FirewalledBlock {
  /** Where the other end is attached; undefined: not in this VPC. */
  readonly peerSubnet: string | undefined;
}

export function passes(wall: Wall, packet: WallPacket): Passing {
  const { acl, groups } = wall;
  const sameSubnet = wall.subnetId !== undefined && wall.subnetId === packet.peerSubnet;
  if (acl !== undefined && !sameSubnet && !admitsPrefix(acl.firewall, packet).admitted)
    return 'blocked';
  if (groups === undefined) return 'unknown';
  if (admitsPrefix(groups.least, packet).admitted) return 'passes';
  return groups.most !== groups.least && admitsPrefix(groups.most, packet).admitted
    ? 'unknown'
    : 'blocked';
}

/** The ACL of a VPC that nobody has touched: rule 100 allows everything, both ways. */
function letsAllPass(firewall: Firewall): boolean {
  return (['ingress', 'egress'] as const).every((direction) =>
    [0, 1].every((v6) => {
      const first = firewall.rules
        .filter((rule) => rule.direction === direction && speaksOf(rule.prefixes, v6 === 1))
        .sort((a, b) => a.priority - b.priority)[0];
      // A VPC without IPv6 has no rule for it at all.
      if (v6 === 1 && first === undefined) return true;
      return (
        first?.action === 'allow' &&
        first.protocol === 'all' &&
        first.prefixes.some((prefix) => prefixCovers(prefix, v6 === 1 ? everything6 : everything4))
      );
    }),
  );
}

const everything4 = parsePrefix('0.0.0.0/0');
const everything6 = parsePrefix('::/0');

function speaksOf(prefixes: readonly Prefix[], v6: boolean): boolean {
  return prefixes.some((prefix) => (prefix.family === 6) === v6);
}
