/**
 * What holds for every packet: round trips, checksums that notice damage, and decoders that survive
 * anything a stranger may send.
 */
import fc from 'fast-check';
import { type Address, addressFromBytes } from '../../encap/address.js';
import { decapsulateIpip, encapsulateIpip } from '../../encap/ipip/header.js';
import { internetChecksum, updateChecksum } from '../../encap/wire/checksum.js';
import type { Ecn } from '../../encap/wire/ecn.js';
import { decodeEthernet } from '../../encap/wire/ethernet.js';
import { type Ipv4Fields, decodeIpv4, encodeIpv4 } from '../../encap/wire/ipv4.js';
import { decodeIpv6, encodeIpv6 } from '../../encap/wire/ipv6.js';
import { decodeStack } from '../../encap/wire/stack.js';
import { decodeUdp, encodeUdp } from '../../encap/wire/udp.js';
import { headroom, hex, innerPacket, node1, node2, packets } from '../support/packets.js';
import { property } from '../support/property.js';

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const v4 = bytesOf(4).map((bytes): Address => addressFromBytes(bytes));
const v6 = bytesOf(16).map((bytes): Address => addressFromBytes(bytes));
const bits = (count: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** count - 1 });
const ecnField = fc.constantFrom<Ecn>(0, 1, 2, 3);
const ipv4Fields: fc.Arbitrary<Required<Ipv4Fields>> = fc.record({
  dscp: bits(6),
  ecn: ecnField,
  identification: bits(16),
  dontFragment: fc.boolean(),
  moreFragments: fc.boolean(),
  fragmentOffset: bits(13).map((units) => units * 8),
  ttl: bits(8),
  protocol: bits(8),
  source: v4,
  destination: v4,
  options: fc.integer({ min: 0, max: 10 }).chain((words) => bytesOf(words * 4)),
  payloadLength: fc.integer({ min: 0, max: 200 }),
});

property(
  'IPv4: what is encoded is decoded, at any offset',
  [ipv4Fields, bits(5)],
  (fields, offset) => {
    const bytes = new Uint8Array(offset + 60 + fields.payloadLength);
    const length = encodeIpv4(bytes, offset, fields);
    const result = decodeIpv4(bytes, { offset });
    if (!result.ok) throw new Error(result.problem.message);
    const { payloadLength, ...expected } = fields;
    const { totalLength, ...header } = result.header;
    if (JSON.stringify(sorted(header)) !== JSON.stringify(sorted(expected)))
      throw new Error('differs');
    if (totalLength !== length + payloadLength) throw new Error('total length');
    return result.payloadOffset === offset + length && result.payloadEnd === offset + totalLength;
  },
);

property(
  'IPv4: no flipped bit of the header goes unnoticed',
  [ipv4Fields, bits(6), bits(3)],
  (fields, at, bit) => {
    const bytes = new Uint8Array(60 + fields.payloadLength);
    const length = encodeIpv4(bytes, 0, fields);
    bytes[at % length]! ^= 1 << bit;
    return !decodeIpv4(bytes).ok;
  },
);

property(
  'IPv6: what is encoded is decoded',
  [
    fc.record({
      dscp: bits(6),
      ecn: ecnField,
      flowLabel: bits(20),
      nextHeader: fc.constantFrom(4, 6, 17, 41, 58, 59, 132),
      hopLimit: bits(8),
      source: v6,
      destination: v6,
      payloadLength: fc.integer({ min: 0, max: 200 }),
    }),
  ],
  (fields) => {
    const bytes = new Uint8Array(40 + fields.payloadLength);
    encodeIpv6(bytes, 0, fields);
    const result = decodeIpv6(bytes);
    if (!result.ok) throw new Error(result.problem.message);
    const { protocol, fragment, ...header } = result.header;
    return (
      JSON.stringify(sorted(header)) === JSON.stringify(sorted(fields)) &&
      protocol === fields.nextHeader &&
      fragment === undefined
    );
  },
);

property(
  'UDP: a checksum covers payload, ports and addresses',
  [v6, v6, bits(16), bits(16), fc.uint8Array({ maxLength: 65 }), bits(9)],
  (source, destination, sourcePort, destinationPort, payload, flip) => {
    const bytes = new Uint8Array(8 + payload.length);
    bytes.set(payload, 8);
    const addresses = { source, destination };
    const fields = { sourcePort, destinationPort, payloadLength: payload.length };
    encodeUdp(bytes, 0, { ...fields, checksumFor: addresses });
    const result = decodeUdp(bytes, { addresses });
    if (!result.ok) throw new Error(result.problem.message);
    if (result.header.checksum === 0) throw new Error('zero would mean none');
    if (result.header.sourcePort !== sourcePort || result.payloadEnd !== bytes.length) return false;
    const at = (flip >> 3) % bytes.length;
    bytes[at]! ^= 1 << (flip & 7);
    // Bytes 6 and 7 are the checksum, where a flip may make it zero: none.
    return at === 6 || at === 7 || !decodeUdp(bytes, { addresses }).ok;
  },
);

property(
  'a checksum updated for one word equals one computed anew',
  [bytesOf(20), bits(3), bits(16)],
  (bytes, word, to) => {
    const range = { offset: 0, end: bytes.length };
    const before = internetChecksum(bytes, range);
    const from = (bytes[word * 2]! << 8) | bytes[word * 2 + 1]!;
    bytes.set([to >> 8, to & 255], word * 2);
    const updated = updateChecksum(before, { from, to });
    const anew = internetChecksum(bytes, range);
    // One's complement has two zeros; a block of nothing but zeros is the one case that shows it.
    return updated === anew || (updated ^ anew) === 0xffff;
  },
);

property(
  'IP in IP: out comes what went in',
  [fc.constantFrom<4 | 6>(4, 6), fc.constantFrom<4 | 6>(4, 6), ecnField, bits(8)],
  (outer, inner, ecn, ttl) => {
    const bytes = innerPacket(inner, ecn);
    const before = hex(bytes.subarray(headroom));
    const ends = { source: node1[outer], destination: node2[outer] };
    const range = { innerOffset: headroom, innerEnd: bytes.length };
    const put = encapsulateIpip(bytes, { ...range, ...ends, ttl });
    if (!put.ok) return false;
    const got = decapsulateIpip(bytes, { offset: put.offset, end: put.end });
    if (!got.ok) throw new Error(got.problem.message);
    return got.innerEcn === ecn && hex(bytes.subarray(got.innerOffset, got.innerEnd)) === before;
  },
);

property(
  'no bytes make a decoder throw or read past the end',
  [
    fc.oneof(fc.uint8Array({ maxLength: 120 }), mutated()),
    fc.constantFrom<'ip' | 'ethernet'>('ip', 'ethernet'),
  ],
  (bytes, link) => {
    const stack = decodeStack(bytes, { link });
    decapsulateIpip(bytes);
    decodeEthernet(bytes);
    const last = stack.layers.at(-1);
    if (last?.kind === 'payload' && (last.length < 0 || last.offset + last.length > bytes.length))
      return false;
    return stack.problem === undefined || stack.problem.offset <= bytes.length;
  },
);

property(
  'every cut of a packet is noticed, or shows only in the last layer',
  [fc.constantFrom(...packets), bits(7)],
  ({ bytes }, cut) => {
    const kept = bytes.subarray(0, bytes.length - 1 - (cut % bytes.length));
    if (decapsulateIpip(kept).ok) return false;
    const whole = decodeStack(bytes, { link: 'ip' });
    const stack = decodeStack(kept, { link: 'ip' });
    return stack.problem === undefined
      ? stack.layers.length === whole.layers.length
      : stack.problem.kind === 'truncated' && stack.layers.length < whole.layers.length;
  },
);

/** A real packet with some bytes overwritten: it gets deeper into the decoders than noise does. */
function mutated(): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...packets), fc.array(fc.tuple(bits(7), bits(8)), { maxLength: 4 }))
    .map(([{ bytes }, changes]) => {
      const copy = Uint8Array.from(bytes);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy;
    });
}

function sorted(record: object): unknown[] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
