/**
 * The kernel's own tunnels, with the devices and routes that this project makes: what is on the
 * wire byte by byte, and where the MTU's edge is. The facts that the rest is built on.
 */
import t from 'tap';
import { capture } from './capture.js';
import { type Way, applyAll, route, twoNodes, vni, vxlanPort } from './two-nodes.js';

interface Expectation {
  readonly way: Way;
  readonly inner: 4 | 6;
  /** Largest inner packet over a 1500-byte underlay. */
  readonly mtu: number;
  /** IP protocol of the outer header; undefined when there is none. */
  readonly protocol: number | undefined;
  readonly outer: 4 | 6;
  /**
   * What of the inner traffic class is on the outer header. A device in `external` mode takes the
   * DSCP of its route, 0 here, and inherits ECN alone.
   */
  readonly inherits: 'all' | 'ecn';
}

const expectations: readonly Expectation[] = [
  { way: 'ipip 4 in 4', inner: 4, mtu: 1480, protocol: 4, outer: 4, inherits: 'all' },
  { way: 'ipip 6 in 4', inner: 6, mtu: 1480, protocol: 41, outer: 4, inherits: 'all' },
  { way: 'ipip 4 in 6', inner: 4, mtu: 1460, protocol: 4, outer: 6, inherits: 'ecn' },
  { way: 'ipip 6 in 6', inner: 6, mtu: 1460, protocol: 41, outer: 6, inherits: 'ecn' },
  { way: 'vxlan 4 in 4', inner: 4, mtu: 1450, protocol: 17, outer: 4, inherits: 'all' },
  { way: 'vxlan 6 in 4', inner: 6, mtu: 1450, protocol: 17, outer: 4, inherits: 'all' },
  { way: 'native 4', inner: 4, mtu: 1500, protocol: undefined, outer: 4, inherits: 'all' },
];

const ethernetLength = 14;
const headerLength = { 4: 20, 6: 40 } as const;
const icmpHeaderLength = 8;
/** DSCP CS2 (RFC 2474) and ECN ECT(0) (RFC 3168). */
const trafficClass = 0x42;
const ecnOnly = 0x03;

/** The fields of an IPv4 or IPv6 header that matter here. */
function header(packet: Buffer) {
  return packet[0]! >> 4 === 4
    ? {
        version: 4,
        trafficClass: packet[1]!,
        length: packet.readUInt16BE(2),
        dontFragment: (packet[6]! & 0x40) !== 0,
        ttl: packet[8]!,
        protocol: packet[9]!,
        payload: packet.subarray(20),
      }
    : {
        version: 6,
        trafficClass: (packet.readUInt16BE(0) >> 4) & 0xff,
        length: 40 + packet.readUInt16BE(4),
        dontFragment: true,
        ttl: packet[7]!,
        protocol: packet[6]!,
        payload: packet.subarray(40),
      };
}

t.test('kernel tunnels between two nodes', async (t) => {
  const { a, b } = await twoNodes(t);
  // Neighbour discovery and router chatter are not part of what is measured.
  const wire = await capture(t, {
    namespace: b.namespace,
    device: 'eth0',
    filter: `icmp or ip proto 4 or ip proto 41 or udp port ${vxlanPort} or (ip6 and (ip6[6] == 4 or ip6[6] == 41))`,
  });
  for (const { way, inner, mtu, protocol, outer, inherits } of expectations) {
    await t.test(way, async (t) => {
      for (const [own, peer] of [
        [a, b],
        [b, a],
      ] as const)
        await applyAll(own.kernel, [{ verb: 'set', object: route(way, { own, peer }) }]);
      const target = (inner === 4 ? b.tunnel4 : b.tunnel6).text;
      const ping = (size: number) =>
        a.namespace.tryRun('ping', [
          ...[`-${inner}`, '-n', '-c1', '-W2', '-M', 'do', '-Q', String(trafficClass)],
          ...['-s', String(size - headerLength[inner] - icmpHeaderLength), target],
        ]);

      const from = wire.frames().length;
      const full = ping(mtu);
      t.equal(full.status, 0, `a packet of ${mtu} bytes passes`, { ping: full });
      const frames = await wire.take(2, { from });
      t.equal(frames.length, 2, 'one packet there and one back');
      for (const frame of frames) {
        const packet = header(frame.subarray(ethernetLength));
        t.match(
          packet,
          {
            version: outer,
            length: 1500,
            trafficClass: inherits === 'all' ? trafficClass : trafficClass & ecnOnly,
            // The kernel's own echo reply does not ask for it.
            dontFragment: protocol !== undefined || frame === frames[0],
            ttl: 64,
            protocol: protocol ?? 1,
          },
          'outer header',
        );
        if (protocol === undefined) continue;
        let payload = packet.payload;
        if (protocol === 17) {
          t.equal(payload.readUInt16BE(2), vxlanPort, 'UDP destination port');
          t.equal(payload.readUIntBE(8 + 4, 3), vni, 'VNI');
          payload = payload.subarray(8 + 8 + ethernetLength);
        }
        t.match(header(payload), { version: inner, length: mtu, trafficClass }, 'inner header');
      }

      const over = ping(mtu + 1);
      t.not(over.status, 0, `a packet of ${mtu + 1} bytes does not pass`);
      t.match(
        over.stdout + over.stderr,
        new RegExp(`mtu[ :=]+${mtu}`),
        'and the sender is told why',
      );
      t.equal(wire.frames().length, from + 2, 'nothing of it is on the wire');
    });
  }
});
