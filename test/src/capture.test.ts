/** Captured frames: taken apart, matched across places, whatever happened to them on the way. */
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import { encodeIpv4 } from '../../encap/wire/ipv4.js';
import { encodeIpv6 } from '../../encap/wire/ipv6.js';
import { writeU16 } from '../../encap/wire/bytes.js';
import { withoutComments } from '../../src/snapshot/config-text.js';
import { withoutNotes } from '../../src/snapshot/rulesets.js';
import { capturePlan } from '../../src/capture/path.js';
import { Grouping } from '../../src/capture/group.js';
import { sightingOf } from '../../src/capture/sighting.js';
import type { CapturedFrame } from '../../src/capture/sighting.js';

const plan = capturePlan({
  schema: 'selvage.capture-terms/1',
  node: 'a',
  peer: 'b',
  destination: '10.64.2.0/24',
  outer: ['192.0.2.2'],
  nics: ['eth0'],
  vxlanPorts: [4789],
  probePort: 8473,
  modes: { there: 'ipip', back: 'native' },
});

/** A TCP segment of this many bytes of data, from a workload to the peer's. */
function segment(options: {
  sequence: number;
  data: number;
  ttl?: number;
  back?: boolean;
}): Uint8Array {
  const [near, far] = [parseAddress('10.64.1.5'), parseAddress('10.64.2.7')];
  const bytes = new Uint8Array(20 + 20 + options.data).fill(options.sequence & 255, 40);
  encodeIpv4(bytes, 0, {
    source: options.back === true ? far : near,
    destination: options.back === true ? near : far,
    protocol: 6,
    ttl: options.ttl ?? 64,
    payloadLength: 20 + options.data,
  });
  writeU16(bytes, 20, 33_000);
  writeU16(bytes, 22, 80);
  new DataView(bytes.buffer).setUint32(24, options.sequence);
  bytes[32] = 5 << 4;
  return bytes;
}

/** IP in IP around it, or the piece of that from `offset` on. */
function inIpip(inner: Uint8Array, piece?: { offset: number; length: number }): Uint8Array {
  const { offset, length } = piece ?? { offset: 0, length: inner.length };
  const bytes = new Uint8Array(20 + length);
  encodeIpv4(bytes, 0, {
    source: parseAddress('192.0.2.1'),
    destination: parseAddress('192.0.2.2'),
    protocol: 4,
    identification: 7,
    fragmentOffset: offset,
    moreFragments: offset + length < inner.length,
    payloadLength: length,
  });
  bytes.set(inner.subarray(offset, offset + length), 20);
  return bytes;
}

function grouped(frames: readonly (readonly [string, CapturedFrame['way'], Uint8Array])[]) {
  const grouping = new Grouping({ count: 10, expected: plan.expected });
  frames.forEach(([device, way, bytes], at) => {
    const sighting = sightingOf({ device, way, link: 'ip', bytes }, plan.path, at);
    if (sighting !== undefined) grouping.add(sighting);
  });
  return grouping.rest();
}

t.test('one packet at three places, with hops and checksums changed', (t) => {
  const routed = segment({ sequence: 1, data: 100, ttl: 63 });
  writeU16(routed, 36, 0xbeef);
  const [packet, ...more] = grouped([
    ['veth1', 'in', segment({ sequence: 1, data: 100 })],
    ['slip4', 'out', routed],
    ['eth0', 'out', inIpip(routed)],
  ]);
  t.same(more, []);
  t.match(packet, {
    number: 1,
    direction: 'there',
    source: '10.64.1.5',
    destination: '10.64.2.7',
    what: 'TCP 33000 → 80',
    innerBytes: 140,
    missing: [],
  });
  t.same(
    packet!.seen.map(({ place, bytes, deltaMs }) => [place, bytes, deltaMs]),
    [
      ['workload', 140, 0],
      ['tunnel', 140, 1],
      ['nic', 160, 2],
    ],
  );
  t.same(packet!.seen[2]!.layers, [
    'IPv4 192.0.2.1 → 192.0.2.2 (TTL 64)',
    'IPv4 10.64.1.5 → 10.64.2.7 (TTL 63)',
    'TCP 33000 → 80',
  ]);
  t.end();
});

t.test("agents' own probes are not what is looked for", (t) => {
  const datagram = (sourcePort: number): Uint8Array => {
    const bytes = new Uint8Array(20 + 8 + 40);
    encodeIpv4(bytes, 0, {
      source: parseAddress('10.64.1.0'),
      destination: parseAddress('10.64.2.0'),
      protocol: 17,
      ttl: 64,
      payloadLength: 48,
    });
    writeU16(bytes, 20, sourcePort);
    writeU16(bytes, 22, 8473);
    writeU16(bytes, 24, 48);
    return bytes;
  };
  const found = grouped([
    ['slip4', 'out', datagram(8473)],
    ['slip4', 'out', datagram(33_000)],
  ]);
  t.same(
    found.map(({ what }) => what),
    ['UDP 33000 → 8473'],
  );
  t.end();
});

t.test('what must have passed a place and was not seen there', (t) => {
  const found = grouped([
    ['slip4', 'out', segment({ sequence: 1, data: 10 })],
    ['eth0', 'in', segment({ sequence: 1, data: 10, back: true })],
    ['eth0', 'out', inIpip(segment({ sequence: 2, data: 10 }))],
  ]);
  t.same(
    found.map(({ direction, missing }) => [direction, missing]),
    [
      ['there', ['nic']],
      ['back', []],
      ['there', ['tunnel']],
    ],
    'natively back: the NIC is all',
  );
  t.end();
});

t.test('a packet again at the same place is another one', (t) => {
  const once = segment({ sequence: 1, data: 10 });
  const found = grouped([
    ['slip4', 'out', once],
    ['slip4', 'out', once],
    ['eth0', 'out', inIpip(once)],
    ['eth0', 'out', inIpip(once)],
  ]);
  t.same(
    found.map(({ seen }) => seen.length),
    [2, 2],
  );
  t.end();
});

t.test('segments of one large packet belong to it, also where sequence numbers wrap', (t) => {
  const start = 0xffff_ff00;
  const found = grouped([
    ['slip4', 'out', segment({ sequence: start, data: 1_000 })],
    ['eth0', 'out', inIpip(segment({ sequence: start, data: 500 }))],
    ['eth0', 'out', inIpip(segment({ sequence: (start + 500) >>> 0, data: 500 }))],
    ['eth0', 'out', inIpip(segment({ sequence: (start + 1_000) >>> 0, data: 500 }))],
  ]);
  t.same(
    found.map(({ seen, innerBytes }) => [innerBytes, seen.length]),
    [
      [1_040, 3],
      [540, 1],
    ],
  );
  t.end();
});

t.test('pieces of an outer packet belong to what the first one holds', (t) => {
  const inner = segment({ sequence: 1, data: 1_400 });
  const [packet, ...more] = grouped([
    ['slip4', 'out', inner],
    ['eth0', 'out', inIpip(inner, { offset: 0, length: 1_200 })],
    ['eth0', 'out', inIpip(inner, { offset: 1_200, length: 240 })],
  ]);
  t.same(more, []);
  t.equal(packet!.seen.length, 3);
  t.match(packet!.seen[1]!.layers[0], /piece at 0, more follow/);
  t.match(packet!.seen[2]!.layers[0], /piece at 1200, the last/);
  t.end();
});

t.test('others are let by', (t) => {
  const other = segment({ sequence: 1, data: 10 });
  // To 10.64.3.7.
  other[18] = 3;
  const neighbour = new Uint8Array(60);
  encodeIpv6(neighbour, 0, {
    source: parseAddress('fe80::1'),
    destination: parseAddress('ff02::1'),
    nextHeader: 58,
    payloadLength: 20,
  });
  t.same(
    grouped([
      ['slip4', 'out', other],
      ['lo', 'in', segment({ sequence: 1, data: 10 })],
      ['eth0', 'in', neighbour],
      ['eth0', 'in', Uint8Array.of(0x45)],
      ['eth0', 'in', new Uint8Array()],
    ]),
    [],
  );
  t.ok(plan.filter.some(({ text }) => text === parsePrefix('192.0.2.2/32').text));
  t.end();
});

t.test('a snapshot has the file without its comments, line by line', (t) => {
  const text = [
    '# hunter2',
    'cluster: pair # hunter2',
    'links:',
    '  - note: "a # b" # hunter2',
    '    other: |',
    '      # kept: a text of its own',
    "  - [a#b, 'c # d'] #hunter2",
    '',
  ].join('\n');
  const kept = withoutComments(text);
  t.same(kept.split('\n'), [
    '',
    'cluster: pair',
    'links:',
    '  - note: "a # b"',
    '    other: |',
    '      # kept: a text of its own',
    "  - [a#b, 'c # d']",
    '',
  ]);
  t.end();
});

t.test('and others’ packet-filter rules without their notes, but for those it quotes', (t) => {
  const quoted = '-A INPUT -m comment --comment "shown" -j DROP';
  const { nft, iptables } = withoutNotes(
    {
      nft: '{"nftables":[{"rule":{"comment":"hunter2","expr":[{"drop":null}]}}]}',
      iptables: {
        iptables: [
          '# hunter2',
          '*filter',
          quoted,
          '-A INPUT -m comment --comment "say \\"hunter2\\"" -j ACCEPT',
          '-A INPUT -m comment --comment hunter2 -p tcp -j ACCEPT',
        ].join('\n'),
      },
    },
    new Set([quoted]),
  );
  t.equal(nft, '{"nftables":[{"rule":{"expr":[{"drop":null}]}}]}');
  t.same(iptables?.iptables?.split('\n'), [
    '*filter',
    quoted,
    '-A INPUT -j ACCEPT',
    '-A INPUT -p tcp -j ACCEPT',
  ]);
  t.end();
});
