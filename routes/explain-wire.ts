/**
 * The packet as a capture on the underlay would show it: every header with its real addresses,
 * outermost first, and where each byte of the path's MTU goes.
 */
import type { Address, Family } from '../encap/address.js';
import type { Cluster, ClusterNode } from '../encap/cluster.js';
import { describeStep } from '../encap/describe.js';
import type { Carriage } from '../encap/mode.js';
import {
  ethernetHeaderBytes,
  ipv4HeaderBytes,
  ipv6HeaderBytes,
  overheadBytes,
  overheadItems,
  tcpMss,
  udpHeaderBytes,
  vxlanHeaderBytes,
} from '../encap/mtu.js';
import type { Decision, NextHop, OuterEnds, Verdict } from '../encap/trail.js';
import { stepOf } from '../encap/trail.js';
import { outerTtl } from './desired.js';
import { headerBytes } from './explain-hex.js';
import type { HeaderReport, LedgerReport, WireReport } from './explain-report.js';
import { tunnelAddress, vtepMac } from './vtep.js';

/** IANA protocol numbers: IPv4 encapsulation (RFC 2003), UDP, IPv6 encapsulation (RFC 2473). */
const protocols = { ipv4: '4 (IPv4)', udp: '17 (UDP)', ipv6: '41 (IPv6)' } as const;
/** ICMP echo header: RFC 792, RFC 4443 section 4.1. */
const echoHeaderBytes = 8;

export interface WireInput {
  readonly cluster: Cluster;
  readonly from: ClusterNode;
  readonly owner: ClusterNode;
  readonly destination: Address;
}

type Header = Omit<HeaderReport, 'hex'>;
type Forward = Extract<Verdict, { readonly kind: 'forward' }>;

export function explainWire(decision: Decision, input: WireInput): WireReport | null {
  const { verdict } = decision;
  const ledger = ledgerReport(decision);
  if (verdict.kind !== 'forward' || ledger === undefined) return null;
  const headers = [...outerHeaders(verdict, input), innerPacket(input, verdict.carriage)];
  const hex = exampleBytes(verdict, input);
  return {
    headers: headers.map((header, i) => ({ ...header, hex: hex[i] ?? null })),
    outer: outerReport(verdict),
    nextHop: nextHopText(verdict.nextHop, verdict),
    ledger,
  };
}

function outerReport({ ends, carriage }: Forward): WireReport['outer'] {
  if (ends === undefined || carriage.mode === 'native') return null;
  const why = ends.public
    ? 'a link lets tunnels go to the public address (allowPublic)'
    : `the IPv${ends.family} underlay addresses of both nodes, as both have one`;
  return { local: ends.local.text, remote: ends.remote.text, why };
}

function exampleBytes(verdict: Forward, input: WireInput): readonly string[] {
  const { cluster, from, owner, destination } = input;
  const source = tunnelAddress(from, destination.family);
  if (source === undefined) return [];
  const macs = {
    source: vtepMac(cluster.name, from.name),
    destination: vtepMac(cluster.name, owner.name),
  };
  return headerBytes({ verdict, source, destination, vxlan: cluster.vxlan, macs });
}

function outerHeaders(verdict: Forward, input: WireInput): readonly Header[] {
  const { carriage, ends } = verdict;
  if (ends === undefined) return [];
  switch (carriage.mode) {
    case 'native':
      return [];
    case 'ipip':
      return [outerIp(ends, carriage.inner === 4 ? protocols.ipv4 : protocols.ipv6)];
    case 'vxlan':
      return [outerIp(ends, protocols.udp), ...vxlanHeaders(input, carriage.inner)];
  }
}

function outerIp(ends: OuterEnds, protocol: string): Header {
  const v4 = ends.family === 4;
  return {
    header: `outer IPv${ends.family}`,
    bytes: v4 ? ipv4HeaderBytes : ipv6HeaderBytes,
    source: ends.local.text,
    destination: ends.remote.text + (ends.public ? ' (public)' : ''),
    fields: [
      { name: v4 ? 'protocol' : 'next header', value: protocol },
      { name: v4 ? 'TTL' : 'hop limit', value: String(outerTtl) },
      ...(v4 ? [{ name: 'DF', value: 'set' }] : []),
      { name: 'DSCP', value: 'inherited' },
      { name: 'ECN', value: 'inherited (RFC 6040)' },
    ],
  };
}

function vxlanHeaders(input: WireInput, inner: Family): readonly Header[] {
  const { cluster, from, owner } = input;
  return [
    {
      header: 'UDP',
      bytes: udpHeaderBytes,
      source: 'port from the inner flow',
      destination: `port ${cluster.vxlan.port}`,
      fields: [{ name: 'source port', value: 'a hash of it in net.ipv4.ip_local_port_range' }],
    },
    {
      header: 'VXLAN',
      bytes: vxlanHeaderBytes,
      source: null,
      destination: null,
      fields: [{ name: 'VNI', value: String(cluster.vxlan.vni) }],
    },
    {
      header: 'inner Ethernet',
      bytes: ethernetHeaderBytes,
      source: vtepMac(cluster.name, from.name),
      destination: vtepMac(cluster.name, owner.name),
      fields: [{ name: 'type', value: inner === 4 ? '0x0800' : '0x86dd' }],
    },
  ];
}

/** The node's own packets carry its tunnel address; a workload's carry its own. */
function innerPacket(input: WireInput, carriage: Carriage): Header {
  const { mode, inner: family } = carriage;
  const own = input.from.overlay.filter((prefix) => prefix.family === family);
  const tunnel = tunnelAddress(input.from, family);
  return {
    header: mode === 'native' ? `IPv${family}` : `inner IPv${family}`,
    bytes: null,
    source: own.length === 0 ? 'any' : own.map((prefix) => prefix.text).join(', '),
    destination: input.destination.text,
    fields:
      tunnel === undefined ? [] : [{ name: 'the node itself sends from', value: tunnel.text }],
  };
}

function nextHopText(nextHop: NextHop, verdict: Forward): string {
  switch (nextHop.kind) {
    case 'adjacent':
      return `${nextHop.via.text} itself, on the same segment${nextHop.device === undefined ? '' : `, by ${nextHop.device}`}`;
    case 'routed':
      return nextHop.via === undefined
        ? 'a router of the fabric; which one only the node itself knows'
        : `${nextHop.via.text} by ${nextHop.device}`;
    case 'tunnel':
      return `${nextHop.ends.remote.text} through the underlay${verdict.plane === 'userspace' ? ' (userspace data plane)' : ''}`;
  }
}

function ledgerReport(decision: Decision): LedgerReport | undefined {
  const step = stepOf(decision, 'mtu');
  if (step === undefined || decision.verdict.kind !== 'forward') return undefined;
  const { ledger } = step;
  const { carriage } = decision.verdict;
  const { lines } = describeStep(step);
  const ipBytes = carriage.inner === 4 ? ipv4HeaderBytes : ipv6HeaderBytes;
  return {
    limits: ledger.limits.map((limit, i) => ({
      what: limit.what,
      bytes: limit.bytes,
      text: lines[i]!,
    })),
    pathMtu: ledger.path,
    overhead: overheadItems(carriage).map(({ header, bytes }) => ({ header, bytes })),
    overheadBytes: overheadBytes(carriage),
    largestInnerPacket: ledger.inner,
    tcpMss: tcpMss(ledger.inner, carriage.inner),
    pingPayload: ledger.inner - ipBytes - echoHeaderBytes,
  };
}
