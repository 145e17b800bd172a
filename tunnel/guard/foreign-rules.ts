/**
 * Rules of others that break the tunnels. Accepting a packet in our table does not overrule a drop
 * in another, and a masquerade hides the overlay source that the peer's guard expects: both look
 * like a dead tunnel, so the rule is named together with the command that makes room for us.
 *
 * Imagined packets are walked through what the kernel holds: tunnel packets in (from ingress on) and
 * out, overlay packets through, overlay to overlay out. Best effort: what a rule hangs on that cannot be judged from
 * here makes a finding uncertain, and never silent.
 */
import { type Address, type Family, offsetAddress } from '../../encap/address.js';
import { type Prefix, firstAddress, prefixCovers } from '../../encap/prefix.js';
import { type GuardFacts, guardFacts, ofFamily } from './facts.js';
import {
  type DeviceGuess,
  type FilterChain,
  type FilterTable,
  type ImaginedPacket,
  fateOf,
} from './filter-model.js';
import { parseForeignIptables } from './foreign-iptables.js';
import { parseNftRuleset } from './foreign-nft.js';
import type { GuardSpec } from './guard.js';
import type { PacketFilterOptions } from './nftables.js';
import { type Blocked, remedyFor } from './remedy.js';
import { type Rulesets, RulesetReader } from './ruleset-reader.js';

export type { Rulesets };

export interface ForeignRule {
  readonly kind: 'drops-tunnel' | 'drops-forwarded' | 'masquerades-overlay';
  /** E.g. `inet firewalld` or `iptables nat`. */
  readonly table: string;
  readonly chain: string;
  /** The rule, or the chain's policy. */
  readonly rule: string;
  /** Of tunnel packets: those that arrive, or those that leave. */
  readonly way?: 'in' | 'out';
  /** What of ours it hits. */
  readonly hits: string;
  /** The exact command that makes room for it. */
  readonly remedy: string;
  /** False when the rule hangs on something that cannot be judged from here. */
  readonly certain: boolean;
}

/** Reads the rules of all tools that are there and looks for trouble. */
export async function findForeignRules(
  spec: GuardSpec,
  options: PacketFilterOptions = {},
): Promise<readonly ForeignRule[]> {
  return judgeRulesets(spec, await readRulesets(options));
}

export function readRulesets(options: PacketFilterOptions = {}): Promise<Rulesets> {
  return new RulesetReader(options).read();
}

/** The pure part: what these rulesets would do to the spec's packets. */
export function judgeRulesets(spec: GuardSpec, rulesets: Rulesets): readonly ForeignRule[] {
  const found = new Map<string, ForeignRule>();
  for (const table of parsed(rulesets)) {
    for (const { packet, blocked } of imagined(spec)) {
      if (!covers(table, packet.family)) continue;
      for (const base of table.chains.values()) {
        if (base.base?.hook !== packet.hook || !sees(base, packet)) continue;
        if ((base.base.type === 'nat') !== (packet.hook === 'postrouting')) continue;
        const fate = fateOf(packet, { table, base });
        if (fate.kind !== (packet.hook === 'postrouting' ? 'masquerade' : 'drop')) continue;
        const rule = fate.rule ?? `policy drop`;
        const name =
          table.tool === 'nft' ? `${table.family} ${table.name}` : `${table.tool} ${table.name}`;
        const key = `${name} ${fate.chain} ${rule} ${blocked.what}`;
        if (found.get(key)?.certain === true) continue;
        found.set(key, {
          kind: blocked.kind,
          table: name,
          chain: fate.chain,
          rule,
          ...(blocked.kind === 'drops-tunnel' ? { way: blocked.way } : {}),
          hits: blocked.what,
          remedy: remedyFor(blocked, { table, base: base.name }),
          certain: fate.certain && seesSurely(base),
        });
      }
    }
  }
  return [...found.values()];
}

/** Rules of which nothing has changed are asked about again and again. */
const parsedBefore = new WeakMap<Rulesets, readonly FilterTable[]>();

function parsed(rulesets: Rulesets): readonly FilterTable[] {
  let tables = parsedBefore.get(rulesets);
  if (tables === undefined) parsedBefore.set(rulesets, (tables = tablesOf(rulesets)));
  return tables;
}

function tablesOf({ nft, iptables }: Rulesets): readonly FilterTable[] {
  const tables = nft === undefined ? [] : parseNftRuleset(nft);
  const others = Object.entries(iptables ?? {}).flatMap(([tool, text]) =>
    parseForeignIptables(text, tool as Exclude<FilterTable['tool'], 'nft'>),
  );
  // A table of iptables-nft is also in nft's listing: judge it once, in the tool that manages it.
  const key = ({ family, name }: FilterTable): string => `${family} ${name}`;
  const managed = new Map(
    others.filter(({ tool }) => !tool.endsWith('-legacy')).map((table) => [key(table), table]),
  );
  const isManaged = (table: FilterTable): boolean =>
    [...(managed.get(key(table))?.chains.keys() ?? [])].some((name) => table.chains.has(name));
  const native = tables.filter((table) => !isManaged(table));
  const nativeKeys = new Set(native.map(key));
  return [
    ...native,
    ...others.filter((table) => table.tool.endsWith('-legacy') || !nativeKeys.has(key(table))),
  ];
}

/** Some releases of nft leave out which device a chain on ingress belongs to. */
function seesSurely({ base }: FilterChain): boolean {
  return base?.hook !== 'ingress' || base.devices !== undefined;
}

/** A chain on ingress belongs to a device. */
function sees({ base }: FilterChain, { inDevice }: ImaginedPacket): boolean {
  return base?.devices?.some((name) => name === inDevice) ?? true;
}

function covers(table: FilterTable, family: Family): boolean {
  return (
    table.family === 'inet' ||
    table.family === 'netdev' ||
    table.family === (family === 4 ? 'ip' : 'ip6')
  );
}

/** Peers whose packets are imagined: the rules of others rarely know single peers of ours. */
const peersTried = 4;

function* imagined(spec: GuardSpec): Generator<{ packet: ImaginedPacket; blocked: Blocked }> {
  const facts = guardFacts(spec);
  const workload: DeviceGuess = { noneOf: [...facts.nics, ...facts.tunnelDevices, 'lo'] };
  for (const family of [4, 6] as const) {
    const local = ofFamily(facts.local, family)[0];
    const sender = ofFamily(facts.outers, family)[0];
    if (local !== undefined && sender !== undefined) {
      const ends = { family, local, peer: sender };
      for (const nic of facts.nics) yield* tunnelPackets(facts, { ...ends, nic, workload });
    }
    const pools = ofFamily(facts.pools, family);
    const inside = (prefix: Prefix): boolean => pools.some((pool) => prefixCovers(pool, prefix));
    const own = ofFamily(facts.own, family)[0];
    const peers = spec.peers.flatMap(({ innerSources }) =>
      ofFamily(innerSources, family).filter(inside),
    );
    if (own === undefined) continue;
    for (const peer of peers.slice(0, peersTried)) {
      for (const device of [...facts.tunnelDevices, ...facts.nics]) {
        const [here, there] = [workloadOf(own), workloadOf(peer)];
        const out = { source: here, destination: there, inDevice: workload, outDevice: device };
        const back = { source: there, destination: here, inDevice: device, outDevice: workload };
        for (const way of [out, back]) {
          // TCP, as what a workload most often speaks.
          const packet = { family, protocol: 6, destinationPort: 80, ...way };
          yield {
            packet: { ...packet, hook: 'forward' },
            blocked: {
              kind: 'drops-forwarded',
              what: `forwarded overlay packets over IPv${family}`,
              family,
              pools,
            },
          };
          yield {
            packet: { ...packet, hook: 'postrouting' },
            blocked: {
              kind: 'masquerades-overlay',
              what: `overlay to overlay over IPv${family}`,
              family,
              pools,
            },
          };
        }
      }
    }
  }
}

/** Where rules meet what arrives for this node, and what it sends; in the order of the packet. */
const tunnelHooks = [
  { hook: 'ingress', way: 'in' },
  { hook: 'prerouting', way: 'in' },
  { hook: 'input', way: 'in' },
  { hook: 'output', way: 'out' },
] as const;

/** Tunnel packets of the peer to this node, and of this node to the peer. */
function* tunnelPackets(
  facts: GuardFacts,
  of: {
    readonly family: Family;
    readonly local: Address;
    readonly peer: Address;
    readonly nic: string;
    readonly workload: DeviceGuess;
  },
): Generator<{ packet: ImaginedPacket; blocked: Blocked }> {
  const { family, local, peer, nic, workload } = of;
  const kinds = [
    ...facts.ports.map((port) => ({ what: `VXLAN (UDP ${port})`, protocol: 17, port })),
    ...([4, 41] as const).map((protocol) => ({
      what: `IP in IP (protocol ${protocol})`,
      protocol,
      port: undefined,
    })),
  ];
  for (const { what, protocol, port } of kinds)
    for (const { hook, way } of tunnelHooks) {
      const ends =
        way === 'in'
          ? { source: peer, destination: local, inDevice: nic, outDevice: workload }
          : { source: local, destination: peer, inDevice: 'none', outDevice: nic };
      yield {
        packet: { hook, family, protocol, destinationPort: port, ...ends },
        blocked: {
          kind: 'drops-tunnel',
          what: `${what} over IPv${family}${hook === 'input' ? '' : ` on ${hook}`}`,
          nic,
          way,
          family,
          protocol,
          port,
        },
      };
    }
}

/** An address that a workload of the prefix could have. */
function workloadOf(prefix: Prefix): Address {
  const first = firstAddress(prefix);
  return prefix.length > (prefix.family === 4 ? 29 : 125)
    ? first
    : (offsetAddress(first, 5n) ?? first);
}
