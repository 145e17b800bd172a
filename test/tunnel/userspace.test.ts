/**
 * The userspace data plane's packet logic: bytes in, bytes out, a clock that the test turns.
 *
 * Checksums are checked with a sum written here in another way, and fragments with a reassembly of
 * the test's own.
 */
import fc from 'fast-check';
import t from 'tap';
import { addressFromU32, parseAddress } from '../../encap/address.js';
import { parsePrefix, prefixContains, prefixOf } from '../../encap/prefix.js';
import { encodeIpv4 } from '../../encap/wire/ipv4.js';
import { AddressRanges } from '../../tunnel/userspace/address-ranges.js';
import { Forwarder } from '../../tunnel/userspace/forwarder.js';
import { fragmentPacket } from '../../tunnel/userspace/fragment.js';
import { completeTcpChecksum, unmergeTcp } from '../../tunnel/userspace/merged-tcp.js';
import { readU32, sealHeader } from '../../tunnel/userspace/packet.js';
import type { PlaneSpec } from '../../tunnel/userspace/plane.js';

const seed = 20_260_215;
t.comment(`seed ${seed}`);
const property = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => void): void =>
  // The limit ends a long search for the smallest counterexample.
  fc.assert(fc.property(arbitrary, check), { seed, numRuns: 300, interruptAfterTimeLimit: 15_000 });

function mustEqual(actual: Uint8Array | undefined, wanted: Uint8Array): void {
  if (actual === undefined || Buffer.compare(actual, wanted) !== 0) throw new Error('bytes differ');
}

/** RFC 1071 by remainder: a block with its checksum in place is 0 modulo 65535. */
function sumsToZero(bytes: Uint8Array): boolean {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  if (bytes.length % 2 === 1) value <<= 8n;
  return value !== 0n && value % 65535n === 0n;
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!;
const headerOf = (packet: Uint8Array): Uint8Array => packet.subarray(0, (packet[0]! % 16) * 4);
const dataOf = (packet: Uint8Array): Uint8Array => packet.subarray((packet[0]! % 16) * 4);

interface Shape {
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: number;
  readonly tos?: number;
  readonly ttl?: number;
  readonly dontFragment?: boolean;
  readonly options?: Uint8Array;
  readonly id?: number;
  /** Payload; a number is a length. */
  readonly data?: Uint8Array | number;
}

/** An IPv4 packet; from a workload of ours to one of peer b's unless said otherwise. */
function packet(shape: Shape = {}): Uint8Array {
  const data = typeof shape.data === 'object' ? shape.data : noise(shape.data ?? 40);
  const options = shape.options ?? new Uint8Array(0);
  const bytes = new Uint8Array(20 + options.length + data.length);
  encodeIpv4(bytes, 0, {
    dscp: (shape.tos ?? 0) >> 2,
    ecn: ((shape.tos ?? 0) & 3) as 0,
    identification: shape.id ?? 7,
    dontFragment: shape.dontFragment ?? false,
    ttl: shape.ttl ?? 63,
    protocol: shape.protocol ?? 17,
    source: parseAddress(shape.source ?? '10.1.0.10'),
    destination: parseAddress(shape.destination ?? '10.2.0.10'),
    options,
    payloadLength: data.length,
  });
  bytes.set(data, 20 + options.length);
  return bytes;
}

function noise(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

const spec: PlaneSpec = {
  device: 'slip4',
  mtu: 1480,
  local: parseAddress('192.0.2.1'),
  addresses: [{ address: parseAddress('10.1.0.0'), length: 32 }],
  ttl: 64,
  peers: [
    {
      node: 'b',
      remote: parseAddress('192.0.2.2'),
      outerSources: [parseAddress('192.0.2.2'), parseAddress('203.0.113.2')],
      prefixes: [parsePrefix('10.2.0.0/24'), parsePrefix('10.3.0.0/16')],
      innerSources: [parsePrefix('10.2.0.0/24'), parsePrefix('192.0.2.2/32')],
      mtu: 1480,
    },
    {
      node: 'c',
      remote: parseAddress('192.0.2.3'),
      outerSources: [parseAddress('192.0.2.3'), parseAddress('203.0.113.2')],
      // Inside b's: the longer one wins.
      prefixes: [parsePrefix('10.3.7.0/24')],
      innerSources: [parsePrefix('10.3.7.0/24')],
      mtu: 1400,
    },
  ],
};

interface Bench {
  readonly forwarder: Forwarder;
  readonly sent: { readonly packet: Uint8Array; readonly to: string }[];
  readonly delivered: Uint8Array[];
  readonly clock: { nowMs: number };
  /** Counters that are not zero. */
  counted(): Record<string, number>;
}

function bench(planeSpec = spec): Bench {
  const sent: { packet: Uint8Array; to: string }[] = [];
  const delivered: Uint8Array[] = [];
  const clock = { nowMs: 1000 };
  const forwarder = new Forwarder({
    spec: planeSpec,
    nowMs: () => clock.nowMs,
    outputs: {
      send: (bytes, to) => sent.push({ packet: bytes, to }),
      deliver: (bytes) => delivered.push(bytes.slice()),
    },
  });
  const counted = (): Record<string, number> =>
    Object.fromEntries(Object.entries(forwarder.counters).filter(([, count]) => count > 0));
  return { forwarder, sent, delivered, clock, counted };
}

/** The inner packet as peer b would send it to us. */
function outer(inner: Uint8Array, shape: Shape = {}): Uint8Array {
  return packet({
    source: '192.0.2.2',
    destination: '192.0.2.1',
    protocol: 4,
    dontFragment: true,
    ...shape,
    data: inner,
  });
}
const fromB = (shape: Shape = {}): Uint8Array =>
  packet({ source: '10.2.0.10', destination: '10.1.0.10', ...shape });

void t.test('an inner packet leaves in an outer one of its peer', async (t) => {
  const { forwarder, sent, counted } = bench();
  const inner = packet({ tos: 0xb8 | 2, ttl: 17, data: 100 });
  forwarder.fromTun(inner.slice());
  forwarder.fromTun(packet({ destination: '10.3.7.1' }));
  t.equal(sent.length, 2);
  const [first, second] = sent;
  t.equal(first!.to, '192.0.2.2');
  t.equal(second!.to, '192.0.2.3', 'the longest prefix decides');
  const header = first!.packet.subarray(0, 20);
  t.same(
    [...header.subarray(0, 10)],
    [0x45, 0xba, 0, 140, 0, 0, 0x40, 0, 64, 4],
    'TOS inherited, length, no id (RFC 6864), DF, TTL 64, protocol 4',
  );
  t.same([...header.subarray(12)], [192, 0, 2, 1, 192, 0, 2, 2]);
  t.ok(sumsToZero(header));
  t.same(first!.packet.subarray(20), inner, 'the inner packet is untouched, its TTL too');
  t.same(counted(), { sent: 2 });
});

void t.test('what one side sends the other delivers unchanged', async () => {
  const there = bench();
  const here = bench({
    ...spec,
    local: parseAddress('192.0.2.2'),
    peers: [
      {
        node: 'a',
        remote: parseAddress('192.0.2.1'),
        outerSources: [parseAddress('192.0.2.1')],
        prefixes: [parsePrefix('10.1.0.0/24')],
        innerSources: [parsePrefix('10.1.0.0/24')],
        mtu: 1480,
      },
    ],
  });
  property(
    fc.tuple(
      fc.uint8Array({ maxLength: 1460, size: 'max' }),
      fc.nat(255),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
    ),
    ([data, tos, ttl, dontFragment]) => {
      const inner = packet({ data, tos, ttl, dontFragment, protocol: 253 });
      there.forwarder.fromTun(inner.slice());
      here.forwarder.fromUnderlay(there.sent.pop()!.packet);
      mustEqual(here.delivered.pop(), inner);
    },
  );
});

void t.test('every packet that may not pass is dropped under its own name', async (t) => {
  const broken = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    bytes[at] = value;
    return bytes;
  };
  const resealed = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    sealHeader(broken(bytes, at, value));
    return bytes;
  };
  const fromTun: readonly (readonly [string, Uint8Array])[] = [
    ['tun-malformed', new Uint8Array(0)],
    ['tun-malformed', packet().subarray(0, 12)],
    ['tun-malformed', packet().subarray(0, 40)],
    ['tun-malformed', broken(packet(), 10, 0)],
    ['tun-malformed', resealed(packet(), 0, 0x44)],
    ['tun-not-ipv4', Uint8Array.of(0x60, ...new Uint8Array(39))],
    ['tun-ttl-expired', packet({ ttl: 0 })],
    ['tun-not-unicast', packet({ destination: '224.0.0.22' })],
  ];
  for (const [name, bytes] of fromTun) {
    const { forwarder, sent, counted } = bench();
    forwarder.fromTun(bytes);
    t.same(counted(), { [name]: 1 }, name);
    t.equal(sent.length, 0);
  }
  const fromUnderlay: readonly (readonly [string, Uint8Array])[] = [
    ['outer-malformed', outer(fromB()).subarray(0, 50)],
    ['outer-malformed', broken(outer(fromB()), 10, 1)],
    ['outer-malformed', outer(fromB(), { protocol: 47 })],
    ['outer-malformed', resealed(outer(fromB()), 6, 0x20)],
    ['outer-not-local', outer(fromB(), { destination: '192.0.2.9' })],
    ['outer-foreign-source', outer(fromB(), { source: '192.0.2.77' })],
    ['inner-malformed', outer(new Uint8Array(0))],
    ['inner-malformed', outer(fromB().subarray(0, 19))],
    ['inner-malformed', outer(broken(fromB(), 10, 1))],
    ['inner-malformed', outer(Uint8Array.of(...fromB(), 0, 0, 0, 0))],
    ['inner-malformed', outer(fromB().subarray(0, 40))],
    ['inner-not-ipv4', outer(Uint8Array.of(0x60, ...new Uint8Array(39)))],
    ['inner-foreign-source', outer(fromB({ source: '10.3.7.1' }))],
    ['inner-foreign-source', outer(fromB({ source: '10.1.0.10' }))],
    ['inner-ttl-expired', outer(fromB({ ttl: 0 }))],
    ['ecn-dropped', outer(fromB({ tos: 0 }), { tos: 3 })],
  ];
  for (const [name, bytes] of fromUnderlay) {
    const { forwarder, delivered, counted } = bench();
    forwarder.fromUnderlay(bytes);
    t.same(counted(), { [name]: 1 }, name);
    t.equal(delivered.length, 0);
  }
});

void t.test(
  'peers behind one NAT share an outer source, and keep their own inner ones',
  async (t) => {
    const { forwarder, delivered, counted } = bench();
    forwarder.fromUnderlay(outer(fromB(), { source: '203.0.113.2' }));
    forwarder.fromUnderlay(outer(fromB({ source: '10.3.7.9' }), { source: '203.0.113.2' }));
    forwarder.fromUnderlay(outer(fromB({ source: '10.4.0.1' }), { source: '203.0.113.2' }));
    t.equal(delivered.length, 2);
    t.same(counted(), { received: 2, 'inner-foreign-source': 1 });
  },
);

void t.test('an outer header with options is taken off whole', async (t) => {
  const { forwarder, delivered } = bench();
  const inner = fromB();
  forwarder.fromUnderlay(outer(inner.slice(), { options: Uint8Array.of(1, 1, 1, 0) }));
  t.same(delivered, [inner]);
});

void t.test('congestion marks cross the tunnel by RFC 6040, figure 4', async (t) => {
  // Rows: arriving inner; columns: arriving outer Not-ECT, ECT(0), ECT(1), CE. As bits: 0, 2, 1, 3.
  const figure: readonly (readonly [number, readonly (number | 'drop')[]])[] = [
    [0, [0, 0, 0, 'drop']],
    [2, [2, 2, 1, 3]],
    [1, [1, 1, 1, 3]],
    [3, [3, 3, 3, 3]],
  ];
  for (const [innerMark, row] of figure) {
    for (const [column, outerMark] of [0, 2, 1, 3].entries()) {
      const { forwarder, delivered } = bench();
      const inner = fromB({ tos: 0x48 | innerMark });
      forwarder.fromUnderlay(outer(inner.slice(), { tos: 0xb8 | outerMark }));
      const wanted = row[column]!;
      const name = `inner ${innerMark} outer ${outerMark}`;
      if (wanted === 'drop') {
        t.same(delivered, [], name);
        continue;
      }
      t.equal(delivered[0]![1], 0x48 | wanted, `${name}: the inner DSCP stays`);
      t.ok(sumsToZero(headerOf(delivered[0]!)), name);
      t.same(dataOf(delivered[0]!), dataOf(inner));
    }
  }
  for (const mark of [0, 1, 2, 3]) {
    const { forwarder, sent } = bench();
    forwarder.fromTun(packet({ tos: 0x48 | mark }));
    t.equal(sent[0]!.packet[1], 0x48 | mark, 'normal mode on the way in');
  }
});

void t.test('a packet that does not fit and may not be cut is answered', async (t) => {
  const { forwarder, sent, counted } = bench();
  forwarder.fromTun(packet({ dontFragment: true, data: 1460 }));
  t.equal(sent.length, 1, '1480 bytes fit exactly');
  const tooBig = packet({ dontFragment: true, data: 1461 });
  forwarder.fromTun(tooBig);
  const error = sent[1]!;
  t.equal(error.to, '10.1.0.10');
  t.equal(error.packet.length, 576, 'RFC 1812: as much as fits in 576 bytes');
  t.same([...error.packet.subarray(0, 10)], [0x45, 0xc0, 0x02, 0x40, 0, 0, 0x40, 0, 64, 1]);
  t.same(
    [...error.packet.subarray(12, 20)],
    [10, 1, 0, 0, 10, 1, 0, 10],
    'from the tunnel address',
  );
  t.same([...error.packet.subarray(20, 22)], [3, 4]);
  t.equal(u16(error.packet, 26), 1480, 'next-hop MTU');
  t.same(error.packet.subarray(28), tooBig.subarray(0, 548));
  t.ok(sumsToZero(error.packet.subarray(0, 20)));
  t.ok(sumsToZero(error.packet.subarray(20)));
  t.same(counted(), { sent: 1, 'tun-too-big': 1, 'icmp-sent': 1 });
  const small = packet({ dontFragment: true, destination: '10.9.9.9', data: 12 });
  forwarder.fromTun(small);
  t.same(sent[2]!.packet.subarray(28), small, 'a short packet is quoted whole');
  t.same([...sent[2]!.packet.subarray(20, 22)], [3, 1], 'no peer: host unreachable');
});

void t.test('no error is sent about what RFC 1812 section 4.3.2.7 exempts', async (t) => {
  const laterFragment = packet({ destination: '10.9.9.9' });
  laterFragment[7] = 1;
  sealHeader(laterFragment);
  const cases: readonly (readonly [string, Uint8Array])[] = [
    [
      'an ICMP error',
      packet({ destination: '10.9.9.9', protocol: 1, data: Uint8Array.of(3, 1, 0, 0, 0, 0, 0, 0) }),
    ],
    [
      'a redirect',
      packet({ destination: '10.9.9.9', protocol: 1, data: Uint8Array.of(5, 1, 0, 0, 0, 0, 0, 0) }),
    ],
    ['a later fragment', laterFragment],
    ['source 0.0.0.0', packet({ destination: '10.9.9.9', source: '0.0.0.0' })],
    ['a loopback source', packet({ destination: '10.9.9.9', source: '127.0.0.1' })],
    ['a multicast source', packet({ destination: '10.9.9.9', source: '224.0.0.1' })],
  ];
  for (const [name, bytes] of cases) {
    const { forwarder, sent, counted } = bench();
    forwarder.fromTun(bytes);
    t.equal(sent.length, 0, name);
    t.same(counted(), { 'tun-no-peer': 1 }, name);
  }
  const { forwarder, sent } = bench();
  forwarder.fromTun(
    packet({ destination: '10.9.9.9', protocol: 1, data: Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0) }),
  );
  t.equal(sent.length, 1, 'an echo request is answered');
});

void t.test('errors are limited in rate, each kind by itself', async (t) => {
  const { forwarder, clock, counted } = bench();
  for (let i = 0; i < 80; i++) forwarder.fromTun(packet({ destination: '10.9.9.9' }));
  t.match(counted(), { 'tun-no-peer': 80, 'icmp-sent': 50, 'icmp-rate-limited': 30 });
  forwarder.fromTun(packet({ dontFragment: true, data: 1470 }));
  t.match(counted(), { 'icmp-sent': 51 }, 'path MTU discovery goes on');
  clock.nowMs += 10;
  for (let i = 0; i < 80; i++) forwarder.fromTun(packet({ destination: '10.9.9.9' }));
  t.match(counted(), { 'icmp-sent': 61 }, 'ten more in 10 ms');
  clock.nowMs += 60_000;
  for (let i = 0; i < 80; i++) forwarder.fromTun(packet({ destination: '10.9.9.9' }));
  t.match(counted(), { 'icmp-sent': 111 }, 'a quiet minute saves up no more than the burst');
});

void t.test('our own outer packet, routed back into the tunnel, ends there', async (t) => {
  const { forwarder, sent, counted } = bench({
    ...spec,
    peers: [{ ...spec.peers[0]!, prefixes: [parsePrefix('0.0.0.0/0')] }],
  });
  forwarder.fromTun(packet());
  forwarder.fromTun(sent[0]!.packet);
  t.same(counted(), { sent: 1, 'tun-loop': 1 });
});

void t.test('fragments are put together to the original', async (t) => {
  const options = fc.constantFrom(
    new Uint8Array(0),
    Uint8Array.of(1, 1, 1, 0),
    // Copied (router alert, 0x94) and not copied (record route, 7) side by side.
    Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0),
  );
  property(
    fc.tuple(
      fc.uint8Array({ maxLength: 4000, size: 'max' }),
      fc.integer({ min: 68, max: 1500 }),
      options,
      fc.integer({ min: 68, max: 1500 }),
    ),
    ([data, mtu, optionBytes, secondMtu]) => {
      const whole = packet({ data, options: optionBytes, id: 4711 });
      const pieces = fragmentPacket(whole, mtu).flatMap((piece) =>
        fragmentPacket(piece, secondMtu),
      );
      for (const piece of pieces) {
        if (piece.length > Math.min(mtu, secondMtu))
          throw new Error(`a piece of ${piece.length} bytes`);
        if (u16(piece, 2) !== piece.length) throw new Error('length field');
        if (!sumsToZero(headerOf(piece))) throw new Error('checksum');
      }
      mustEqual(reassemble(pieces), whole);
    },
  );
  const alert = Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0);
  const [first, later] = fragmentPacket(packet({ data: 200, options: alert }), 120);
  t.equal(first![0], 0x48, 'all options in the first');
  t.same([...later!.subarray(20, 24)], [0x94, 4, 0, 0], 'only the copied one in later ones');
  t.throws(() => fragmentPacket(packet(), 67), /67/);
});

/** RFC 791's reassembly, the slow way. */
function reassemble(pieces: readonly Uint8Array[]): Uint8Array {
  const first = pieces.find((piece) => (u16(piece, 6) & 0x1fff) === 0)!;
  const end = pieces.find((piece) => (u16(piece, 6) & 0x2000) === 0)!;
  const length = (u16(end, 6) & 0x1fff) * 8 + dataOf(end).length;
  const seen = new Uint8Array(length);
  const header = headerOf(first);
  const whole = new Uint8Array(header.length + length);
  whole.set(header);
  for (const piece of pieces) {
    const at = (u16(piece, 6) & 0x1fff) * 8;
    whole.set(dataOf(piece), header.length + at);
    seen.fill(1, at, at + dataOf(piece).length);
  }
  if (seen.includes(0)) throw new Error('a hole');
  whole[2] = whole.length >> 8;
  whole[3] = whole.length & 0xff;
  whole[6] = 0;
  whole[7] = 0;
  sealHeader(whole);
  return whole;
}

void t.test('a packet that may be cut crosses in pieces that each fit', async (t) => {
  const { forwarder, sent, counted } = bench();
  const inner = packet({ data: 3000, destination: '10.3.7.1' });
  forwarder.fromTun(inner.slice());
  t.ok(sent.every((entry) => entry.packet.length <= 1420 && entry.to === '192.0.2.3'));
  t.same(reassemble(sent.map((entry) => entry.packet.subarray(20))), inner);
  t.same(counted(), { sent: 3, 'tun-fragmented': 1, 'tun-fragments': 3 });
});

interface ErrorShape {
  readonly type?: number;
  readonly code?: number;
  readonly mtu?: number;
  /** How much of the packet the router quotes. */
  readonly quote?: number;
}

/** An ICMP error of a router about an outer packet. */
function routerError(
  about: Uint8Array,
  { type = 3, code = 4, mtu = 0, quote = 548 }: ErrorShape = {},
): Uint8Array {
  const icmp = Uint8Array.of(
    type,
    code,
    0,
    0,
    0,
    0,
    mtu >> 8,
    mtu & 0xff,
    ...about.subarray(0, quote),
  );
  const padded = icmp.length % 2 === 0 ? icmp : Uint8Array.of(...icmp, 0);
  let sum = 0;
  for (let i = 0; i < padded.length; i += 2) sum += u16(padded, i);
  const checksum = 65535 - (sum % 65535);
  icmp[2] = checksum >> 8;
  icmp[3] = checksum & 0xff;
  return packet({ source: '198.51.100.1', destination: '192.0.2.1', protocol: 1, data: icmp });
}

void t.test(
  'frag-needed from the underlay lowers the path to that peer, for ten minutes',
  async (t) => {
    const { forwarder, sent, clock, counted } = bench();
    const inner = packet({ dontFragment: true, data: 1400 });
    forwarder.fromTun(inner.slice());
    const outerPacket = sent.pop()!.packet;
    forwarder.fromIcmp(routerError(outerPacket, { mtu: 1300 }));
    t.same(forwarder.learnedMtus(), { '192.0.2.2': 1300 });
    const relayed = sent.pop()!;
    t.equal(relayed.to, '10.1.0.10', 'RFC 2003 section 4.1: relayed to the inner sender');
    t.same([...relayed.packet.subarray(20, 22)], [3, 4]);
    t.equal(u16(relayed.packet, 26), 1280, 'less our own header');
    t.ok(sumsToZero(relayed.packet.subarray(20)));
    t.same(relayed.packet.subarray(28), inner.subarray(0, 528));
    t.match(counted(), { 'icmp-received': 1, 'icmp-relayed': 1, 'path-mtu-lowered': 1 });

    forwarder.fromTun(packet({ dontFragment: true, data: 1260 }));
    t.equal(sent.pop()!.packet.length, 1300, 'exactly that fits');
    forwarder.fromTun(packet({ dontFragment: true, data: 1261 }));
    t.equal(u16(sent.pop()!.packet, 26), 1280);
    forwarder.fromTun(packet({ dontFragment: true, data: 1380, destination: '10.3.7.1' }));
    t.equal(sent.pop()!.to, '192.0.2.3', 'the path to another peer is as it was');

    forwarder.fromIcmp(routerError(outerPacket, { mtu: 1350 }));
    t.same(forwarder.learnedMtus(), { '192.0.2.2': 1300 }, 'a larger value raises nothing');

    clock.nowMs += 10 * 60 * 1000 - 1;
    forwarder.configure(spec);
    t.same(forwarder.learnedMtus(), { '192.0.2.2': 1300 }, 'a reconfiguration keeps it');
    clock.nowMs += 1;
    t.same(forwarder.learnedMtus(), {});
    forwarder.fromTun(inner.slice());
    t.equal(sent.pop()!.packet.length, 1440, 'the whole path is tried again');
  },
);

void t.test('what frag-needed may and may not do', async (t) => {
  const learn = (error: ErrorShape, shape: Shape = {}): Bench => {
    const made = bench();
    made.forwarder.fromTun(packet({ data: 1400, ...shape }));
    const about = made.sent.pop()!.packet;
    made.forwarder.fromIcmp(routerError(about, error));
    return made;
  };
  t.same(learn({ mtu: 100 }).forwarder.learnedMtus(), { '192.0.2.2': 576 }, 'never below 576');
  t.same(
    learn({ mtu: 0 }).forwarder.learnedMtus(),
    { '192.0.2.2': 1006 },
    'an old router: the next plateau',
  );
  t.match(
    learn({ mtu: 1440 }).counted(),
    { 'icmp-ignored': 1 },
    'an MTU that it fitted is nonsense',
  );
  t.same(learn({ mtu: 1300 }).sent, [], 'not relayed for a packet that may be cut');
  const short = learn({ mtu: 1300, quote: 28 }, { dontFragment: true });
  t.same(
    short.forwarder.learnedMtus(),
    { '192.0.2.2': 1300 },
    'a quote of 28 bytes is enough to learn',
  );
  t.same(short.sent, [], 'but not to relay');

  const { forwarder, counted } = bench();
  const foreign = packet({
    source: '192.0.2.1',
    destination: '192.0.2.99',
    protocol: 4,
    data: packet(),
  });
  forwarder.fromIcmp(routerError(foreign, { mtu: 600 }));
  const notOurs = packet({
    source: '192.0.2.9',
    destination: '192.0.2.2',
    protocol: 4,
    data: packet(),
  });
  forwarder.fromIcmp(routerError(notOurs, { mtu: 600 }));
  const udp = packet({ source: '192.0.2.1', destination: '192.0.2.2', protocol: 17, data: 700 });
  forwarder.fromIcmp(routerError(udp, { mtu: 600 }));
  const damaged = routerError(outer(packet(), { source: '192.0.2.1', destination: '192.0.2.2' }), {
    mtu: 600,
  });
  damaged[30] = damaged[30]! ^ 1;
  forwarder.fromIcmp(damaged);
  forwarder.fromIcmp(
    packet({ protocol: 1, data: Uint8Array.of(0, 0, 0, 0, ...new Uint8Array(60)) }),
  );
  t.same(forwarder.learnedMtus(), {});
  t.same(counted(), { 'icmp-ignored': 5 }, 'errors about others’ packets teach nothing');

  const forged = bench();
  const never = packet({
    source: '203.0.113.1',
    destination: '10.3.7.1',
    dontFragment: true,
    data: 600,
  });
  forged.forwarder.fromIcmp(
    routerError(outer(never, { source: '192.0.2.1', destination: '192.0.2.2' }), { mtu: 600 }),
  );
  t.same(forged.sent, [], 'nothing is relayed about a packet that would not go to that peer');
});

void t.test(
  'other errors of the underlay look like an unreachable host (RFC 2003 section 4)',
  async (t) => {
    const relayed = (error: ErrorShape): number[] | undefined => {
      const { forwarder, sent } = bench();
      forwarder.fromTun(packet());
      forwarder.fromIcmp(routerError(sent.pop()!.packet, error));
      const packetSent = sent.pop()?.packet;
      return packetSent === undefined ? undefined : [...packetSent.subarray(20, 22)];
    };
    t.same(relayed({ code: 0 }), [3, 0], 'network');
    t.same(relayed({ code: 1 }), [3, 1], 'host');
    t.same(relayed({ code: 2 }), [3, 1], 'protocol: the peer does not decapsulate');
    t.same(relayed({ code: 3 }), undefined, 'port');
    t.same(relayed({ code: 5 }), undefined, 'source route failed');
    t.same(relayed({ code: 13 }), [3, 1], 'administratively prohibited');
    t.same(relayed({ type: 11, code: 0 }), [3, 1], 'time exceeded');
    t.same(relayed({ type: 12, code: 0 }), undefined, 'parameter problem');
  },
);

void t.test('a packet that the NIC refuses lowers the path by one plateau', async (t) => {
  const { forwarder, sent, counted } = bench();
  forwarder.fromTun(packet({ dontFragment: true, data: 1460 }));
  forwarder.sendWasTooBig(sent.pop()!.packet);
  t.same(forwarder.learnedMtus(), { '192.0.2.2': 1492 });
  t.equal(u16(sent.pop()!.packet, 26), 1472);
  t.match(counted(), { 'send-too-big': 1, 'path-mtu-lowered': 1, 'icmp-relayed': 1 });
});

void t.test('a configuration is replaced whole', async (t) => {
  const { forwarder, sent, delivered, counted } = bench();
  forwarder.configure({ ...spec, peers: [spec.peers[1]!] });
  forwarder.fromTun(packet());
  t.equal(sent.pop()!.to, '10.1.0.10', 'b is gone: host unreachable');
  forwarder.fromUnderlay(outer(fromB()));
  t.same(delivered, []);
  t.match(counted(), { 'tun-no-peer': 1, 'outer-foreign-source': 1 });
});

/** A TCP segment as a NIC merges it: long, with the pseudo header's sum as its checksum. */
function mergedTcp(data: Uint8Array, flags: number): Uint8Array {
  const header = Uint8Array.of(
    0x1f,
    0x90,
    0xc0,
    0x01,
    0xff,
    0xff,
    0xff,
    0x00,
    0,
    0,
    0,
    9,
    0x80,
    flags,
    0x10,
    0,
    0,
    0,
    0,
    0,
    1,
    1,
    8,
    10,
    0,
    0,
    0,
    5,
    0,
    0,
    0,
    6,
  );
  const bytes = fromB({ protocol: 6, data: Uint8Array.of(...header, ...data) });
  let sum = 6 + bytes.length - 20;
  for (let at = 12; at < 20; at += 2) sum += u16(bytes, at);
  sum = sum % 65535 || 65535;
  bytes[36] = sum >> 8;
  bytes[37] = sum & 0xff;
  return bytes;
}

function tcpChecksumHolds(segment: Uint8Array): boolean {
  const pseudo = Uint8Array.of(
    ...segment.subarray(12, 20),
    0,
    6,
    (segment.length - 20) >> 8,
    (segment.length - 20) & 0xff,
  );
  return sumsToZero(Uint8Array.of(...pseudo, ...segment.subarray(20)));
}

void t.test('TCP segments that a NIC merged are cut and summed again', async (t) => {
  const { forwarder, delivered, counted } = bench();
  const finPshAckCwr = 0x99;
  const data = noise(4000);
  forwarder.fromUnderlay(outer(mergedTcp(data, finPshAckCwr)));
  t.equal(delivered.length, 3);
  t.same(counted(), { received: 3, 'inner-checksum-completed': 1, 'inner-unmerged': 1 });
  t.same(
    delivered.map((segment) => segment[33]),
    [0x90, 0x10, 0x19],
    'CWR first, PSH and FIN last',
  );
  t.same(
    delivered.map((segment) => u16(segment, 4)),
    [7, 8, 9],
  );
  t.same(
    delivered.map((segment) => readU32(segment, 24)),
    [0xffffff00, (0xffffff00 + 1428) >>> 0, (0xffffff00 + 2856) >>> 0],
  );

  property(
    fc.tuple(
      fc.uint8Array({ minLength: 1, maxLength: 9000, size: 'max' }),
      fc.integer({ min: 576, max: 9000 }),
    ),
    ([bytes, mtu]) => {
      const merged = mergedTcp(bytes, 0x18);
      if (!completeTcpChecksum(merged)) throw new Error('not recognised');
      if (!tcpChecksumHolds(merged)) throw new Error('not completed');
      const segments = unmergeTcp(merged, mtu);
      for (const segment of segments) {
        if (segment.length > mtu || u16(segment, 2) !== segment.length) throw new Error('length');
        if (!sumsToZero(headerOf(segment)) || !tcpChecksumHolds(segment))
          throw new Error('checksum');
      }
      mustEqual(Buffer.concat(segments.map((segment) => segment.subarray(52))), bytes);
      if (completeTcpChecksum(merged.slice()) && !tcpChecksumHolds(merged))
        throw new Error('harmed');
    },
  );
  const long = fromB({ protocol: 17, data: 3000 });
  t.same(unmergeTcp(long, 1480), [long], 'other protocols are left alone');
});

void t.test('a set of ranges holds what its prefixes hold', async (t) => {
  const prefixes = fc.array(
    fc
      .tuple(fc.nat(0xffff), fc.integer({ min: 0, max: 32 }))
      .map(([low, length]) => prefixOf(addressFromU32(((0x0a00 << 16) | low) >>> 0), length)),
    { maxLength: 8 },
  );
  property(fc.tuple(prefixes, fc.array(fc.nat(0x1ffff), { maxLength: 20 })), ([list, probes]) => {
    const ranges = new AddressRanges(list);
    const edges = list.flatMap((prefix) => [
      readU32(prefix.bytes, 0),
      readU32(prefix.bytes, 0) - 1,
    ]);
    for (const probe of [...probes.map((low) => 0x0a000000 + low), ...edges, 0, 0xffffffff]) {
      if (probe < 0) continue;
      const wanted = list.some((prefix) => prefixContains(prefix, addressFromU32(probe)));
      if (ranges.has(probe) !== wanted) throw new Error(`${probe}: ${!wanted}`);
    }
  });
  t.equal(new AddressRanges([parsePrefix('fd00::/8')]).has(0), false);
});

void t.test('no packet of strangers makes it throw', async (t) => {
  const { forwarder } = bench();
  const mutated = fc.tuple(
    fc.constantFrom(
      outer(fromB()),
      outer(mergedTcp(noise(3000), 0x18)),
      routerError(outer(packet(), { source: '192.0.2.1', destination: '192.0.2.2' })),
      packet({ data: 2000, options: Uint8Array.of(0x94, 4, 0, 0) }),
    ),
    fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }),
    fc.nat(200),
    fc.boolean(),
  );
  property(mutated, ([base, changes, cut, seal]) => {
    const bytes = base.slice(0, cut < 100 ? base.length : base.length - (cut - 100));
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    if (seal && bytes.length > 60) sealHeader(bytes);
    forwarder.fromTun(bytes.slice());
    forwarder.fromUnderlay(bytes.slice());
    forwarder.fromIcmp(bytes.slice());
    forwarder.sendWasTooBig(bytes.length >= 20 ? bytes : packet());
  });
  t.pass('none did');
});
