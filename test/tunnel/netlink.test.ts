/**
 * The netlink codecs against bytes of others: requests as iproute2 sends them, answers as the
 * kernel gives them (`test/golden/netlink.json`). Attributes may come in any order.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { addressFromBytes, parseAddress as A } from '../../encap/address.js';
import { parsePrefix as P, prefixOf } from '../../encap/prefix.js';
import { formatObject } from '../../tunnel/format.js';
import type { IpTunnelLink, Op, RouteObject, RouteTarget, VxlanLink } from '../../tunnel/kernel.js';
import { readAddress, writeAddress } from '../../tunnel/netlink/address.js';
import { macBytes, readAttributes } from '../../tunnel/netlink/attributes.js';
import { kernelFailure } from '../../tunnel/netlink/error.js';
import { linkObject, readLink, writeChangeLink, writeNewLink } from '../../tunnel/netlink/link.js';
import { type Message, forEachMessage, readAcknowledgement } from '../../tunnel/netlink/message.js';
import {
  fdbObject,
  neighbourObject,
  readNeighbour,
  writeFdb,
  writeNeighbour,
} from '../../tunnel/netlink/neighbour.js';
import { readRoute, routeObject, writeRoute } from '../../tunnel/netlink/route.js';
import { MessageWriter } from '../../tunnel/netlink/writer.js';
import { property } from '../support/property.js';
import { fromRoot } from '../support/root.js';

interface Golden {
  readonly requests: readonly { readonly command: string; readonly request: string }[];
  readonly answers: readonly { readonly command: string; readonly datagrams: readonly string[] }[];
}

const golden = JSON.parse(readFileSync(fromRoot('test/golden/netlink.json'), 'utf8')) as Golden;
const names = new Map([
  [3, 'eth0'],
  [4, 'slv4a'],
]);
const nameOf = (index: number): string | undefined => names.get(index);

/** Messages of the only entry whose command begins so. */
function requestOf(command: string): Message {
  const found = golden.requests.filter((entry) => entry.command.startsWith(command));
  if (found.length !== 1) throw new Error(`${found.length} entries begin with ${command}`);
  return messages(Buffer.from(found[0]!.request, 'hex'))[0]!;
}

function answersOf(command: string): readonly Message[] {
  const found = golden.answers.find((entry) => entry.command.startsWith(command));
  return found!.datagrams.flatMap((datagram) => messages(Buffer.from(datagram, 'hex')));
}

function messages(bytes: Uint8Array): Message[] {
  const found: Message[] = [];
  forEachMessage(bytes, { start: 0, end: bytes.length, each: (message) => found.push(message) });
  return found;
}

/** What was written, as messages of a copy. */
function written(write: (writer: MessageWriter) => void): Message[] {
  const writer = new MessageWriter();
  write(writer);
  return messages(writer.bytes.slice(0, writer.length));
}

/** Type, body and attributes in order of their type, nested ones too; the flags of asking left out. */
function canonical(message: Message, bodyBytes: number, nests: readonly string[]): unknown {
  const list = (bytes: Uint8Array, path: string): unknown =>
    [...readAttributes(bytes)]
      .sort(([a], [b]) => a - b)
      .map(([type, value]) => {
        const here = `${path}/${type}`;
        const hex = Buffer.from(value).toString('hex');
        // iproute2 leaves out the final zero of a device kind; the kernel takes both.
        if (here === '/18/1') return [type, hex.replace(/(00)+$/, '')];
        return [type, nests.includes(here) ? list(value, here) : hex];
      });
  const ackFlag = 4;
  return {
    type: message.type,
    flags: message.flags & ~ackFlag,
    body: Buffer.from(message.bytes.subarray(message.start, message.start + bodyBytes)).toString(
      'hex',
    ),
    attributes: list(message.bytes.subarray(message.start + bodyBytes, message.end), ''),
  };
}

const vxlan: VxlanLink = {
  type: 'link',
  kind: 'vxlan',
  name: 'slv4a',
  mtu: 1450,
  up: true,
  mac: '02:11:22:33:44:55',
  vni: 4_242_424,
  port: 4789,
  local: A('192.0.2.1'),
  parent: 'eth0',
  learning: false,
  df: 'set',
  ttl: 64,
  tos: 'inherit',
};

function route(prefix: string, target: RouteTarget, more: Partial<RouteObject> = {}): RouteObject {
  return {
    type: 'route',
    prefix: P(prefix),
    table: 254,
    metric: 512,
    protocol: 83,
    target,
    ...more,
  };
}

const route4 = route('10.1.1.0/24', {
  kind: 'unicast',
  device: 'slv4a',
  gateway: A('10.1.1.0'),
  onlink: true,
  mtu: 1400,
  preferredSource: A('10.1.0.0'),
});
const route6 = route('fd00:1:1::/64', {
  kind: 'unicast',
  device: 'slv4a',
  gateway: A('fe80::aa:ff:fe00:2'),
  onlink: false,
  mtu: 1380,
  preferredSource: A('fd00:1::'),
});
const encap6 = route('fd00:8::/64', {
  kind: 'unicast',
  device: 'slv4a',
  gateway: undefined,
  onlink: false,
  mtu: undefined,
  preferredSource: undefined,
  encapDestination: A('2001:db8::2'),
});
const prohibit = route('10.66.0.0/16', { kind: 'prohibit' }, { table: 4711 });
const mac = '02:aa:00:00:00:02';

t.test('requests are those that iproute2 sends', (t) => {
  const IFINFO = 16;
  const link = ['/18', '/18/2'];
  const [made, brought] = written((writer) =>
    writeNewLink(writer, { sequence: 0, link: vxlan, parentIndex: 3 }),
  );
  t.same(
    canonical(made!, IFINFO, link),
    canonical(requestOf('ip link add slv4a'), IFINFO, link),
    'make a VXLAN device',
  );
  t.equal(brought!.type, 16, 'bring it up');
  const [changed] = written((writer) => {
    const actual = { ...vxlan, up: false };
    writeChangeLink(writer, {
      sequence: 0,
      index: 4,
      actual,
      link: { ...vxlan, mtu: 1400 },
      parentIndex: 3,
    });
  });
  t.same(
    canonical(changed!, IFINFO, []),
    canonical(requestOf('ip link set slv4a mtu'), IFINFO, []),
    'change it',
  );

  const options = { verb: 'set', index: 4, sequence: 0 } as const;
  const gone = { ...options, verb: 'delete' } as const;
  const own = (text: string, length: number) =>
    ({ type: 'address', device: 'slv4a', address: { address: A(text), length } }) as const;
  const neighbour = (text: string) =>
    ({ type: 'neighbour', device: 'slv4a', address: A(text), mac }) as const;
  const fdb = { type: 'fdb', device: 'slv4a', mac, remote: A('192.0.2.2') } as const;
  const cases: readonly [string, number, (writer: MessageWriter) => void][] = [
    ['ip addr replace 10.1.0.0/32', 8, (w) => writeAddress(w, own('10.1.0.0', 32), options)],
    ['ip addr replace fd00:1::', 8, (w) => writeAddress(w, own('fd00:1::', 128), options)],
    ['ip addr del', 8, (w) => writeAddress(w, own('10.1.0.0', 32), gone)],
    ['ip neigh replace 10.1.1.0', 12, (w) => writeNeighbour(w, neighbour('10.1.1.0'), options)],
    [
      'ip neigh replace fe80',
      12,
      (w) => writeNeighbour(w, neighbour('fe80::aa:ff:fe00:2'), options),
    ],
    ['bridge fdb replace', 12, (w) => writeFdb(w, fdb, options)],
    ['ip route replace 10.1.1.0/24', 12, (w) => writeRoute(w, route4, options)],
    ['ip route replace fd00:1:1::/64', 12, (w) => writeRoute(w, route6, options)],
    ['ip route replace fd00:8::/64', 12, (w) => writeRoute(w, encap6, options)],
    ['ip route replace prohibit', 12, (w) => writeRoute(w, prohibit, { ...options, index: 0 })],
    [
      'ip route replace unreachable',
      12,
      (w) => {
        const pool = route('10.0.0.0/8', { kind: 'unreachable' }, { metric: 8192 });
        writeRoute(w, pool, { ...options, index: 0 });
      },
    ],
    ['ip route del', 12, (w) => writeRoute(w, prohibit, { ...gone, index: 0 })],
  ];
  for (const [command, bodyBytes, write] of cases) {
    const nests = ['/8', '/22'];
    t.same(
      canonical(written(write)[0]!, bodyBytes, nests),
      canonical(requestOf(command), bodyBytes, nests),
      command,
    );
  }
  t.end();
});

t.test('devices as iproute2 asks for them are read as the objects that ask the same', (t) => {
  const tunnel = (kind: IpTunnelLink['kind'], name: string, local: string): IpTunnelLink => ({
    type: 'link',
    kind,
    name,
    mtu: 0,
    up: false,
    local: A(local),
    ttl: 64,
    tos: 'inherit',
    pmtudisc: true,
  });
  for (const [command, expected] of [
    ['ip link add slip4', tunnel('ipip', 'slip4', '192.0.2.1')],
    ['ip link add slsit4', tunnel('sit', 'slsit4', '192.0.2.1')],
  ] as const) {
    // Unless told otherwise, iproute2 asks for a device that takes any inner protocol.
    t.same(linkObject(readLink(requestOf(command)), nameOf), {
      ...expected,
      extra: ['protocol 0'],
    });
    const [own] = written((writer) =>
      writeNewLink(writer, { sequence: 0, link: { ...expected, mtu: 1480 }, parentIndex: 0 }),
    );
    t.same(linkObject(readLink(own!), nameOf), { ...expected, mtu: 1480 });
  }
  t.end();
});

t.test("the kernel's answers are read as the objects they describe", (t) => {
  const [link] = answersOf('ip -d link show');
  t.same(linkObject(readLink(link!), nameOf), { ...vxlan, mtu: 1400 });
  t.ok(readLink(link!).attributes.has(43), 'unknown attributes are kept (IFLA_XDP)');

  t.same(
    answersOf('ip addr show').map((message) => {
      const { index, address, length } = readAddress(message);
      return `${nameOf(index)} ${address?.text}/${length}`;
    }),
    ['slv4a 10.1.0.0/32', 'slv4a fd00:1::/128', 'slv4a fe80::11:22ff:fe33:4455/64'],
  );

  const device = (message: Message) => nameOf(readNeighbour(message).index) ?? 'other';
  t.same(
    answersOf('ip neigh show').map(
      (m) => neighbourObject(readNeighbour(m), device(m))?.address.text,
    ),
    ['10.1.1.0', 'fe80::aa:ff:fe00:2', undefined, undefined],
    'permanent neighbours; the multicast ones are not',
  );
  t.same(
    answersOf('bridge fdb show').map((m) => fdbObject(readNeighbour(m), device(m))),
    [{ type: 'fdb', device: 'slv4a', mac, remote: A('192.0.2.2') }],
  );

  const routes = ['ip route show', 'ip -6 route show'].flatMap((command) =>
    answersOf(command).map((message) => routeObject(readRoute(message)!, nameOf)!),
  );
  t.same(
    routes.map(formatObject),
    [route('10.0.0.0/8', { kind: 'unreachable' }, { metric: 8192 }), route4, route6, encap6].map(
      formatObject,
    ),
  );
  t.end();
});

t.test('a refusal carries op, errno, text and place', (t) => {
  const failureOf = (command: string, action: string) =>
    kernelFailure(action, readAcknowledgement(answersOf(command)[0]!));
  t.same(failureOf('ip route add 10.9.0.0/24', 'set route 10.9.0.0/24'), {
    code: 'ENETUNREACH',
    errno: 101,
    extendedAck: 'Nexthop has invalid gateway',
    message:
      'set route 10.9.0.0/24: ENETUNREACH (network is unreachable): Nexthop has invalid gateway',
  });
  t.equal(failureOf('ip link set slv4a type', 'set slv4a').extendedAck, 'Cannot change VNI');
  // Capped, with an offset: as NETLINK_CAP_ACK answers.
  const capped = Buffer.from(
    '40000000' +
      '02000003' +
      '00000000' +
      '00000000' + // nlmsghdr: ERROR, CAPPED | ACK_TLVS
      'a1ffffff' +
      '94000000' +
      '10000506' +
      '00000000' +
      '00000000' + // -95, header of the request
      '0e000100' +
      '6e6f20726f6f6d210000' +
      '0000' + // NLMSGERR_ATTR_MSG "no room!"
      '08000200' +
      '20000000', // NLMSGERR_ATTR_OFFS 32
    'hex',
  );
  capped.writeUInt32LE(capped.length, 0);
  const [message] = messages(capped);
  t.same(readAcknowledgement(message!), { errno: 95, extendedAck: 'no room!', offset: 32 });
  t.match(
    kernelFailure('set x', readAcknowledgement(message!)).message,
    'set x: EOPNOTSUPP (operation not supported): no room! (attribute at byte 32 of the request)',
  );
  t.end();
});

t.test('a MAC that is none is refused', (t) => {
  t.same([...macBytes('02:AA:00:0f:00:f2')], [2, 170, 0, 15, 0, 242]);
  for (const text of [
    '',
    '02:aa:00:00:00',
    '02:aa:00:00:00:0g',
    '02-aa-00-00-00-02',
    '2:aa:0:0:0:02',
  ])
    t.throws(() => macBytes(text), { message: /not a MAC address/ }, text);
  t.end();
});

const address = (family: 4 | 6) =>
  fc
    .uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 })
    .map((bytes) => addressFromBytes(bytes));
const anyRoute = fc.constantFrom(4 as const, 6 as const).chain((family) =>
  fc.record({
    type: fc.constant('route' as const),
    prefix: fc
      .tuple(address(family), fc.nat(family === 4 ? 32 : 128))
      .map(([base, length]) => prefixOf(base, length)),
    table: fc.integer({ min: 1, max: 0xffffffff }),
    metric: fc.integer({ min: 1, max: 0xffffffff }),
    protocol: fc.integer({ min: 1, max: 255 }),
    target: fc.oneof<fc.Arbitrary<RouteTarget>[]>(
      fc.constantFrom('blackhole', 'unreachable', 'prohibit').map((kind) => ({ kind })),
      fc.record({
        kind: fc.constant('unicast' as const),
        device: fc.constantFrom('eth0', 'slv4a'),
        gateway: fc.option(address(family), { nil: undefined }),
        onlink: fc.boolean(),
        mtu: fc.option(fc.integer({ min: 68, max: 65535 }), { nil: undefined }),
        preferredSource: fc.option(address(family), { nil: undefined }),
      }),
    ),
  }),
);

property('every route is read back as it was written', [anyRoute], (object) => {
  const [message] = written((writer) =>
    writeRoute(writer, object, {
      verb: 'set',
      index: object.target.kind === 'unicast' && object.target.device === 'eth0' ? 3 : 4,
      sequence: 1,
    }),
  );
  const back = routeObject(readRoute(message!)!, nameOf)!;
  return formatObject(back) === formatObject(object);
});

const datagrams = golden.answers.flatMap((entry) => entry.datagrams);
property(
  'damaged answers are read to their end without an error',
  [
    fc.constantFrom(...datagrams),
    fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 8 }),
    fc.nat(4000),
  ],
  (hex, damage, cut) => {
    const bytes = Buffer.from(hex, 'hex');
    for (const [at, value] of damage) if (at < bytes.length) bytes[at] = value;
    const read: Op['object']['type'][] = [];
    for (const message of messages(bytes.subarray(0, Math.max(16, bytes.length - (cut % 64))))) {
      if (message.end - message.start < 16) continue;
      linkObject(readLink(message), nameOf);
      readAddress(message);
      fdbObject(readNeighbour(message), 'slv4a');
      readAcknowledgement(message);
      readRoute(message);
      read.push('route');
    }
    return read.length <= bytes.length / 16;
  },
);
