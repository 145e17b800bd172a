/**
 * The wire formats. Golden packets are held to three decoders, ours, scapy's and tshark's, so that
 * an error common to our encoder and decoder cannot hide.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { decapsulateIpip, encapsulateIpip } from '../../encap/ipip/header.js';
import { decodeVxlan, encodeVxlan } from '../../encap/vxlan/header.js';
import { internetChecksum } from '../../encap/wire/checksum.js';
import { type Ecn, ecnAfterDecapsulation, rewriteEcn } from '../../encap/wire/ecn.js';
import { decodeIp } from '../../encap/wire/ip.js';
import type { WireProblemKind } from '../../encap/wire/problem.js';
import { type Layer, decodeStack, seenCarriage } from '../../encap/wire/stack.js';
import { decodeUdp } from '../../encap/wire/udp.js';
import { skipReason } from '../support/capabilities.js';
import {
  families,
  headroom,
  hex,
  innerPacket,
  ipipPacket,
  node1,
  node2,
  packets,
  pairs,
  pod1,
  pod2,
  vxlanPacket,
} from '../support/packets.js';
import { fromRoot } from '../support/root.js';

t.test('the encoders write the golden bytes', (t) => {
  const file = fromRoot('test', 'golden', 'wire.json');
  const written = Object.fromEntries(packets.map(({ name, bytes }) => [name, hex(bytes)]));
  if (process.env['SELVAGE_UPDATE_GOLDEN'] === '1')
    writeFileSync(file, `${JSON.stringify(written, null, 2)}\n`);
  t.same(written, JSON.parse(readFileSync(file, 'utf8')));
  t.end();
});

t.test('a packet taken apart shows how it travelled', (t) => {
  for (const { name, carriage, bytes } of packets) {
    const stack = decodeStack(bytes, { link: 'ip' });
    t.equal(stack.problem, undefined, name);
    const seen = seenCarriage(stack);
    t.same(seen?.carriage, carriage, name);
    t.equal(seen?.vni, carriage.mode === 'vxlan' ? 0xabcdef : undefined, name);
    t.equal(seen?.inner.source.text, pod1[carriage.inner].text, name);
    const ends = carriage.mode === 'native' ? pod2 : node2;
    t.equal(seen?.outer.destination.text, ends[carriage.outer].text, name);
    t.match(stack.layers.at(-1), { kind: 'icmp', echo: { identifier: 0x1234, sequence: 7 } }, name);
  }
  const vxlan = packets.find(({ name }) => name === 'vxlan 4 over 4');
  const elsewhere = decodeStack(vxlan!.bytes, { link: 'ip', vxlanPorts: [8472] });
  t.equal(seenCarriage(elsewhere)?.carriage.mode, 'native', 'on another port it is just UDP');
  t.end();
});

interface ScapyAnswer {
  readonly decoded: readonly Record<string, unknown>[][];
  readonly built: readonly { readonly name: string; readonly hex: string }[];
}

t.test(
  'scapy reads our packets as we do, and we read its own',
  { skip: skipReason('scapy') },
  (t) => {
    const result = spawnSync('/usr/bin/python3', [fromRoot('test', 'encap', 'wire-scapy.py')], {
      input: JSON.stringify({ decode: packets.map(({ bytes }) => hex(bytes)) }),
      encoding: 'utf8',
    });
    t.equal(result.status, 0, result.stderr);
    const answer = JSON.parse(result.stdout) as ScapyAnswer;
    for (const [i, { name, bytes }] of packets.entries()) {
      const ours = decodeStack(bytes, { link: 'ip' }).layers.map(asScapySees);
      t.same(answer.decoded[i], ours, name);
    }
    const summaries = Object.fromEntries(
      answer.built.map(({ name, hex }) => {
        const stack = decodeStack(Buffer.from(hex, 'hex'), { link: 'ethernet' });
        t.equal(stack.problem, undefined, name);
        return [name, stack.layers.map(summary).join(' | ')];
      }),
    );
    const echo = '10.1.1.2 > 10.1.2.3 proto 1 ttl 63 tos ba | icmp 8 id 4660 seq 7';
    const dns = 'fd00:1::2 > fd00:2::3 proto 17 ttl 61 tos 29 | udp 4000 > 53 | payload 3';
    const tcp = '10.1.1.2 > 10.1.2.3 proto 6 ttl 64 tos 00 | tcp 40000 > 443';
    const mac = '02:00:00:00:00:01 > 02:00:00:00:00:02';
    const outer4 = (protocol: number): string =>
      `${mac} 0800 | 192.0.2.1 > 198.51.100.2 proto ${protocol} ttl 64 tos 00`;
    const outer6 = (protocol: number): string =>
      `${mac} 86dd | 2001:db8::1 > 2001:db8::2 proto ${protocol} ttl 64 tos 00`;
    t.same(summaries, {
      'native 4': `${mac} 0800 | ${echo}`,
      'native 6 behind a VLAN tag': `${mac} vlan 42 86dd | ${dns}`,
      'ipip 4 in 4': `${outer4(4)} | ${echo}`,
      'ipip 6 in 4': `${outer4(41)} | ${dns}`,
      'ipip 4 in 6 behind an encapsulation limit': `${outer6(4)} | ${tcp}`,
      'vxlan 4 over 4': `${outer4(17)} | udp 50123 > 4789 | vni 11259375 | ${mac} 0800 | ${echo}`,
      'vxlan 6 over 4': `${outer4(17)} | udp 50123 > 4789 | vni 11259375 | ${mac} 86dd | ${dns}`,
      'vxlan 4 over 6': `${outer6(17)} | udp 50123 > 4789 | vni 1 | ${mac} 0800 | ${tcp}`,
      'vxlan of an ARP frame': `${outer4(17)} | udp 50123 > 4789 | vni 11259375 | ${mac} 0806 | payload 28`,
      'the middle of a fragmented packet': `${outer4(17)} | payload 64`,
      'an IPv6 fragment': `${outer6(17)} | payload 64`,
    });
    t.end();
  },
);

/** Our layer in the words of wire-scapy.py. */
function asScapySees(layer: Layer): Record<string, unknown> {
  switch (layer.kind) {
    case 'ip':
      return {
        kind: 'ip',
        family: layer.family,
        source: layer.source.text,
        destination: layer.destination.text,
        protocol: layer.protocol,
        trafficClass: (layer.dscp << 2) | layer.ecn,
        ...(layer.family === 4
          ? {
              hops: layer.ttl,
              dontFragment: layer.dontFragment,
              length: layer.totalLength,
              checksumRight: true,
            }
          : { hops: layer.hopLimit, flowLabel: layer.flowLabel, length: layer.payloadLength }),
      };
    case 'udp': {
      const { sourcePort, destinationPort, length } = layer;
      return { kind: 'udp', sourcePort, destinationPort, length, checksumRight: true };
    }
    case 'vxlan':
      return { kind: 'vxlan', vni: layer.vni, flags: 8 };
    case 'ethernet': {
      const { source, destination, etherType } = layer;
      return { kind: 'ethernet', source, destination, etherType };
    }
    case 'icmp':
      return { kind: 'icmp', type: layer.type, ...layer.echo };
    case 'tcp':
    case 'payload':
      return layer;
  }
}

function summary(layer: Layer): string {
  switch (layer.kind) {
    case 'ip': {
      const hops = layer.family === 4 ? layer.ttl : layer.hopLimit;
      const tos = ((layer.dscp << 2) | layer.ecn).toString(16).padStart(2, '0');
      const ends = `${layer.source.text} > ${layer.destination.text}`;
      return `${ends} proto ${layer.protocol} ttl ${hops} tos ${tos}`;
    }
    case 'ethernet': {
      const vlans = layer.vlans.map((vlan) => ` vlan ${vlan}`).join('');
      const type = layer.etherType.toString(16).padStart(4, '0');
      return `${layer.source} > ${layer.destination}${vlans} ${type}`;
    }
    case 'udp':
    case 'tcp':
      return `${layer.kind} ${layer.sourcePort} > ${layer.destinationPort}`;
    case 'vxlan':
      return `vni ${layer.vni}`;
    case 'icmp':
      return `icmp ${layer.type} id ${layer.echo?.identifier} seq ${layer.echo?.sequence}`;
    case 'payload':
      return `payload ${layer.length}`;
  }
}

t.test('tshark agrees on every field', { skip: skipReason('tshark') }, (t) => {
  const file = join(t.testdir({}), 'packets.pcap');
  writeFileSync(file, pcap(packets.map(({ bytes }) => bytes)));
  const fields = [
    'frame.protocols',
    'ip.src',
    'ip.proto',
    'ip.dsfield',
    'ip.flags.df',
    'ip.checksum.status',
    'ipv6.src',
    'ipv6.nxt',
    'udp.checksum.status',
    'vxlan.vni',
    'icmp.seq',
    'icmpv6.echo.sequence_number',
  ];
  const result = spawnSync(
    'tshark',
    [
      ...['-r', file, '-n', '-T', 'fields', '-E', 'separator=;', '-E', 'occurrence=a'],
      ...['-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE'],
      ...fields.flatMap((field) => ['-e', field]),
    ],
    { encoding: 'utf8' },
  );
  t.equal(result.status, 0, result.stderr);
  const rows = result.stdout.trimEnd().split('\n');
  // Checksum status: 1 good, 2 bad, 3 not sent.
  t.same(Object.fromEntries(packets.map(({ name }, i) => [name, rows[i]])), {
    'native 4': 'raw:ip:icmp:data;10.1.1.2;1;0xba;0;1;;;;;7;',
    'native 6': 'raw:ipv6:icmpv6:data;;;;;;fd00:1::2;58;;;;7',
    'ipip 4 in 4': 'raw:ip:ip:icmp:data;192.0.2.1,10.1.1.2;4,1;0xba,0xba;1,0;1,1;;;;;7;',
    'ipip 6 in 4': 'raw:ip:ipv6:icmpv6:data;192.0.2.1;41;0x2a;1;1;fd00:1::2;58;;;;7',
    'ipip 4 in 6': 'raw:ipv6:ip:icmp:data;10.1.1.2;1;0xba;0;1;2001:db8::1;4;;;7;',
    'ipip 6 in 6': 'raw:ipv6:ipv6:icmpv6:data;;;;;;2001:db8::1,fd00:1::2;41,58;;;;7',
    'vxlan 4 over 4':
      'raw:ip:udp:vxlan:eth:ethertype:ip:icmp:data;192.0.2.1,10.1.1.2;17,1;0xba,0xba;1,0;1,1;;;3;11259375;7;',
    'vxlan 6 over 4':
      'raw:ip:udp:vxlan:eth:ethertype:ipv6:icmpv6:data;192.0.2.1;17;0x2a;1;1;fd00:1::2;58;3;11259375;;7',
    'vxlan 4 over 6':
      'raw:ipv6:udp:vxlan:eth:ethertype:ip:icmp:data;10.1.1.2;1;0xba;0;1;2001:db8::1;17;1;11259375;7;',
    'vxlan 6 over 6':
      'raw:ipv6:udp:vxlan:eth:ethertype:ipv6:icmpv6:data;;;;;;2001:db8::1,fd00:1::2;17,58;1;11259375;;7',
  });
  t.end();
});

/** A capture file of IP packets: the classic pcap header with LINKTYPE_RAW (101). */
function pcap(contents: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(101, 20);
  const records = contents.map((bytes) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([header, ...records]);
}

t.test('congestion marks are combined as in RFC 6040 figure 4', (t) => {
  const names = ['Not-ECT', 'ECT(1)', 'ECT(0)', 'CE'];
  const values: readonly Ecn[] = [0, 2, 1, 3];
  const table = values.map((inner) =>
    values.map((outer) => {
      const after = ecnAfterDecapsulation(inner, outer);
      return after === 'drop' ? 'drop' : names[after];
    }),
  );
  t.same(table, [
    ['Not-ECT', 'Not-ECT', 'Not-ECT', 'drop'],
    ['ECT(0)', 'ECT(0)', 'ECT(1)', 'CE'],
    ['ECT(1)', 'ECT(1)', 'ECT(1)', 'CE'],
    ['CE', 'CE', 'CE', 'CE'],
  ]);
  for (const family of families) {
    const bytes = innerPacket(family, 2);
    rewriteEcn(bytes, headroom, { family, to: 3 });
    const result = decodeIp(bytes, { offset: headroom });
    t.ok(result.ok, `the rewritten IPv${family} header is whole, checksum included`);
    t.match(result.ok && result.header, { ecn: 3, dscp: family === 4 ? 46 : 10 });
  }
  t.end();
});

t.test('IP in IP leaves the inner packet as it was and says what it must become', (t) => {
  for (const { outer, inner } of pairs) {
    const original = innerPacket(inner).subarray(headroom);
    const packet = ipipPacket(outer, inner);
    t.equal(packet.length - original.length, outer === 4 ? 20 : 40);
    const result = decapsulateIpip(packet);
    if (!result.ok) throw new Error(result.problem.message);
    t.equal(hex(packet.subarray(result.innerOffset, result.innerEnd)), hex(original));
    t.equal(result.innerEcn, 2);
    t.match(result.outer, { dscp: inner === 4 ? 46 : 10, ecn: 2 }, 'traffic class is inherited');
    if (result.outer.family === 4) t.equal(result.outer.dontFragment, true);
    rewriteEcn(packet, 0, { family: outer, to: 3 });
    t.match(decapsulateIpip(packet), { ok: true, innerEcn: 3 }, 'a mark outside comes inside');
  }
  t.end();
});

t.test('what must not be delivered is refused, with layer, kind and place', (t) => {
  const valid = (): Uint8Array => Uint8Array.from(ipipPacket(4, 4));
  const fix = (bytes: Uint8Array, offset: number): Uint8Array => {
    bytes.set([0, 0], offset + 10);
    const sum = internetChecksum(bytes, { offset, end: offset + 20 });
    bytes.set([sum >> 8, sum & 255], offset + 10);
    return bytes;
  };
  const changed = (change: Record<number, number>, fixAt: readonly number[] = [0]): Uint8Array => {
    const bytes = valid();
    for (const [at, value] of Object.entries(change)) bytes[Number(at)] = value;
    for (const offset of fixAt) fix(bytes, offset);
    return bytes;
  };
  const cases: readonly [string, Uint8Array, string, WireProblemKind, number][] = [
    ['no hops left inside', changed({ 28: 0 }, [20]), 'ipip', 'ttl', 20],
    ['a fragment', changed({ 6: 0x20 }), 'ipip', 'fragment', 0],
    ['another protocol', changed({ 9: 47 }), 'ipip', 'protocol', 0],
    ['IPv6 inside protocol 4', changed({ 20: 0x65 }, []), 'ipv4', 'version', 20],
    ['CE outside, Not-ECT inside', changed({ 1: 3, 21: 0 }, [0, 20]), 'ipip', 'ecn', 20],
    ['a wrong outer checksum', changed({ 8: 9 }, []), 'ipv4', 'checksum', 10],
    ['a wrong inner checksum', changed({ 28: 9 }, []), 'ipv4', 'checksum', 30],
    ['an impossible header length', changed({ 0: 0x44 }, []), 'ipv4', 'header-length', 0],
    ['an impossible total length', changed({ 2: 0, 3: 19 }), 'ipv4', 'total-length', 2],
    ['a cut packet', valid().subarray(0, 50), 'ipv4', 'truncated', 0],
    ['no inner packet', valid().subarray(0, 0), 'ipv4', 'truncated', 0],
  ];
  for (const [name, bytes, layer, kind, offset] of cases)
    t.match(decapsulateIpip(bytes), { ok: false, problem: { layer, kind, offset } }, name);

  const spent = innerPacket(4);
  spent[headroom + 8] = 0;
  fix(spent, headroom);
  const range = { innerOffset: headroom, innerEnd: spent.length };
  const ends = { source: node1[4], destination: node2[4] };
  t.match(encapsulateIpip(spent, { ...range, ...ends, ttl: 64 }), {
    ok: false,
    problem: { layer: 'ipip', kind: 'ttl' },
  });
  t.throws(
    () =>
      encapsulateIpip(innerPacket(4).subarray(headroom), {
        ...range,
        innerOffset: 0,
        ...ends,
        ttl: 64,
      }),
    {
      message: /needs 20 bytes more/,
    },
  );

  t.match(decodeVxlan(new Uint8Array(8)), { problem: { layer: 'vxlan', kind: 'flags' } });
  t.match(decodeVxlan(new Uint8Array(7)), { problem: { layer: 'vxlan', kind: 'truncated' } });
  t.throws(() => encodeVxlan(new Uint8Array(8), 0, { vni: 0x1000000 }), { message: /0–16777215/ });
  const reserved = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 5, 0xff);
  t.match(decodeVxlan(reserved), { ok: true, header: { vni: 5 } }, 'reserved bits are ignored');

  const udp = vxlanPacket(6, 4);
  const addresses = { source: node1[6], destination: node2[6] };
  t.match(decodeUdp(udp, { offset: 40, addresses }), { ok: true });
  udp[udp.length - 1]! ^= 1;
  t.match(decodeUdp(udp, { offset: 40, addresses }), {
    problem: { layer: 'udp', kind: 'checksum' },
  });
  t.end();
});
