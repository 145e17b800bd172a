/**
 * The filter of a zone as an nftables script: one chain for what comes from each node, one for
 * what goes to it. Only the bridge family is used, and nothing in it that a 6.1 kernel lacks.
 *
 * Every drop has a counter and its reason as the comment, so that a lost packet can be explained.
 */
import { type Address, type Family, addressToBigInt, familyBits } from '../../encap/address.js';
import { type Prefix, firstAddress, prefixCovers } from '../../encap/prefix.js';
import type { LabPlan, NodePlan } from './plan.js';
import type { Drop } from './underlay/underlay.js';

export const rulesetTable = 'selvage_lab';

const families = [4, 6] as const;
const keyword = { 4: 'ip', 6: 'ip6' } as const;
/** Sources that a NIC uses beside and before its own address. */
const alwaysFrom: Readonly<Record<Family, readonly string[]>> = { 4: [], 6: ['fe80::/10', '::'] };
/** Destinations that every NIC receives. */
const alwaysTo: Readonly<Record<Family, readonly string[]>> = {
  4: ['224.0.0.0/4', '255.255.255.255'],
  6: ['fe80::/10', 'ff00::/8'],
};

/** The script for `nft -f` in the zone's namespace. */
export function zoneRuleset(plan: LabPlan, zone: string): string {
  const nodes = plan.nodes.filter((node) => node.zone === zone);
  const chains = nodes.flatMap((node) => {
    const from = node.drops.filter((drop) => drop.direction === 'from-node');
    const to = node.drops.filter((drop) => drop.direction === 'to-node');
    return [
      chain(
        `from_${node.port}`,
        from.flatMap((drop) => render(drop, node)),
      ),
      chain(`to_${node.port}`, [
        ...to.flatMap((drop) => render(drop, node)),
        ...blackHoles(plan, node),
      ]),
    ];
  });
  const hooks = [
    chain('from_nodes', [
      'type filter hook prerouting priority -200; policy accept;',
      ...nodes.map((node) => `iifname "${node.port}" jump from_${node.port}`),
    ]),
    chain('to_nodes', [
      'type filter hook postrouting priority 200; policy accept;',
      ...nodes.map((node) => `oifname "${node.port}" jump to_${node.port}`),
    ]),
  ];
  return [`table bridge ${rulesetTable} {`, ...chains, ...hooks, '}', ''].join('\n');
}

function chain(name: string, rules: readonly string[]): string {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }'].join('\n');
}

function render(drop: Drop, node: NodePlan): readonly string[] {
  return matches(drop, node).map((match) => `${match} ${dropBecause(drop.because)}`);
}

function matches(drop: Drop, node: NodePlan): readonly string[] {
  switch (drop.when) {
    case 'foreign-mac':
      return [`ether saddr != ${node.mac}`];
    case 'foreign-address':
      return drop.direction === 'from-node'
        ? [
            ...families.map((family) =>
              noneOf(family, 'saddr', [...own(node, family), ...alwaysFrom[family]]),
            ),
            `arp saddr ip != ${set([...own(node, 4), '0.0.0.0'])}`,
          ]
        : families.map((family) =>
            noneOf(family, 'daddr', [...own(node, family), ...alwaysTo[family]]),
          );
    case 'protocol':
      return drop.outside === undefined
        ? [`meta l4proto ${drop.protocol}`]
        : byFamily(drop.outside).map(
            ([family, near]) =>
              `meta l4proto ${drop.protocol} ${noneOf(family, 'saddr', texts(near))}`,
          );
    case 'udp-port':
      return [`udp dport ${drop.port}`];
    case 'overlay-source':
      return byFamily(drop.pools).map(
        ([family, pools]) => `${keyword[family]} saddr ${set(texts(pools))}`,
      );
  }
}

/**
 * A link that swallows: the router does answer a packet that is too big, and the answer is lost on
 * its way to the node. The packet it is about is quoted in it, so only answers about the other end
 * of that link are taken: its destination is 8 bytes of ICMP and 16 (IPv4) or 24 (IPv6) bytes of
 * the quoted header into the transport header (RFC 792, RFC 4443 section 3.2).
 */
function blackHoles(plan: LabPlan, node: NodePlan): readonly string[] {
  const zones = plan.paths
    .filter((path) => path.blackHole && path.zones.includes(node.zone))
    .map((path) => path.zones.find((zone) => zone !== node.zone));
  return plan.nodes
    .filter((other) => zones.includes(other.zone))
    .flatMap((other) => [
      ...other.addresses.map((entry) => hostBits(entry.address)),
      ...other.overlay.map(prefixBits),
    ])
    .map(({ family, value, mask }) => {
      const quoted =
        family === 4
          ? 'icmp type destination-unreachable icmp code frag-needed @th,192,32'
          : 'icmpv6 type packet-too-big @th,256,128';
      return `${quoted} & ${hex(mask)} == ${hex(value)} ${dropBecause('link swallows oversize packets')}`;
    });
}

interface Bits {
  readonly family: Family;
  readonly value: bigint;
  readonly mask: bigint;
}

function hostBits(address: Address): Bits {
  const all = (1n << BigInt(familyBits(address.family))) - 1n;
  return { family: address.family, value: addressToBigInt(address), mask: all };
}

function prefixBits(prefix: Prefix): Bits {
  const bits = BigInt(familyBits(prefix.family));
  const rest = bits - BigInt(prefix.length);
  const mask = ((1n << bits) - 1n) ^ ((1n << rest) - 1n);
  return { family: prefix.family, value: addressToBigInt(firstAddress(prefix)), mask };
}

function dropBecause(because: string): string {
  return `counter drop comment "${because.replaceAll('"', "'")}"`;
}

function noneOf(family: Family, field: 'saddr' | 'daddr', members: readonly string[]): string {
  return members.length === 0
    ? `ether type ${keyword[family]}`
    : `${keyword[family]} ${field} != ${set(members)}`;
}

function own(node: NodePlan, family: Family): readonly string[] {
  return node.addresses
    .filter((entry) => entry.address.family === family)
    .map((entry) => entry.address.text);
}

/** By family, without what another one of the list covers: nft refuses overlapping members. */
function byFamily(prefixes: readonly Prefix[]): readonly (readonly [Family, readonly Prefix[]])[] {
  const distinct = [...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values()];
  const widest = distinct.filter(
    (prefix) => !distinct.some((other) => other !== prefix && prefixCovers(other, prefix)),
  );
  return families
    .map((family) => [family, widest.filter((prefix) => prefix.family === family)] as const)
    .filter(([, members]) => members.length > 0);
}

function texts(prefixes: readonly Prefix[]): readonly string[] {
  return prefixes.map((prefix) => prefix.text);
}

function set(members: readonly string[]): string {
  return `{ ${members.join(', ')} }`;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
