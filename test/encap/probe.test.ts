/**
 * The words of probes on the wire: golden bytes, every message there and back, and whatever bytes a
 * stranger may send.
 */
import fc from 'fast-check';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import {
  type Sighting,
  decodeCountsAnswer,
  decodeCountsQuestion,
  decodeSendAnswer,
  decodeSendQuestion,
  decodeViewAnswer,
  decodeViewQuestion,
  decodeWatchAnswer,
  decodeWatchQuestion,
  encodeCountsAnswer,
  encodeCountsQuestion,
  encodeSendAnswer,
  encodeSendQuestion,
  encodeViewAnswer,
  encodeViewQuestion,
  encodeWatchAnswer,
  encodeWatchQuestion,
  sightingPlaces,
  sightingWays,
} from '../../encap/probe/body.js';
import {
  type MessageType,
  datagramMinBytes,
  decodeDatagram,
  encodeDatagram,
  messageTypes,
} from '../../encap/probe/datagram.js';
import { decodeIcmpNews, encodeEchoRequest, isAbout } from '../../encap/probe/echo.js';
import {
  decodeMark,
  encodeMarkedPacket,
  markedMinBytes,
  markedOverheadBytes,
  markedPayload,
} from '../../encap/probe/mark.js';
import { decodeStack } from '../../encap/wire/stack.js';
import { hex, ipipPacket } from '../support/packets.js';
import { property } from '../support/property.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const family = fc.constantFrom(4 as const, 6 as const);
const u16 = fc.nat(0xffff);
const types = Object.keys(messageTypes) as MessageType[];

t.test('golden: a question to send a marked packet', (t) => {
  const body = encodeSendQuestion({
    family: 4,
    packetBytes: 1450,
    mark: { session: new Uint8Array(12).fill(0xaa), train: 2, sequence: 3 },
  });
  const datagram = encodeDatagram({
    type: 'send',
    kind: 'question',
    nonce: Uint8Array.from({ length: 16 }, (_, i) => i),
    timeMs: 1_700_000_000_000,
    sender: new Uint8Array(8).fill(0x11),
    receiver: new Uint8Array(8).fill(0x22),
    body,
  });
  t.equal(
    hex(datagram),
    '534c5650' + // SLVP
      '0105' + // version 1, question, send
      '0054' + // 84 bytes
      '000102030405060708090a0b0c0d0e0f' +
      '0000018bcfe56800' +
      '1111111111111111' +
      '2222222222222222' +
      '040005aa' + // IPv4, 1450 bytes
      'aaaaaaaaaaaaaaaaaaaaaaaa00020003' +
      '00000000000000000000000000000000',
  );
  t.equal(datagram.length, datagramMinBytes + body.length);
  t.end();
});

property(
  'a datagram is read as it was written, padded or not',
  [
    fc.constantFrom(...types),
    fc.boolean(),
    fc.tuple(bytes(16), bytes(8), bytes(8)),
    fc.nat(2 ** 47),
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(1200),
  ],
  (type, isAnswer, [nonce, sender, receiver], timeMs, body, total) => {
    const kind = isAnswer || type === 'clock' ? 'answer' : 'question';
    const wire = encodeDatagram({ type, kind, nonce, timeMs, sender, receiver, body }, total);
    const read = decodeDatagram(wire)!;
    const { tag, covered } = read;
    return (
      read.type === type &&
      read.kind === kind &&
      read.timeMs === timeMs &&
      hex(read.nonce) === hex(nonce) &&
      hex(read.sender) === hex(sender) &&
      hex(read.receiver) === hex(receiver) &&
      hex(read.body.subarray(0, body.length)) === hex(body) &&
      read.body.subarray(body.length).every((byte) => byte === 0) &&
      covered.length + tag.length === wire.length &&
      wire.length >= total
    );
  },
);

const decoders: readonly ((body: Uint8Array) => unknown)[] = [
  decodeDatagram,
  decodeMark,
  decodeViewQuestion,
  decodeViewAnswer,
  decodeWatchQuestion,
  decodeWatchAnswer,
  decodeCountsQuestion,
  decodeCountsAnswer,
  decodeSendQuestion,
  decodeSendAnswer,
  (body) => decodeIcmpNews(body, 4),
  (body) => decodeIcmpNews(body, 6),
];

property(
  'no bytes make a decoder throw, and no garbage is a datagram',
  [fc.uint8Array({ maxLength: 200 })],
  (garbage) => {
    for (const decode of decoders) decode(garbage);
    return decodeDatagram(garbage) === undefined;
  },
);

property(
  'a datagram with a byte changed in what makes it one, or cut, is none',
  [fc.nat(7), fc.integer({ min: 1, max: 255 }), fc.nat(datagramMinBytes - 1)],
  (at, change, length) => {
    const whole = encodeDatagram({
      type: 'echo',
      kind: 'question',
      nonce: new Uint8Array(16),
      timeMs: 1,
      sender: new Uint8Array(8),
      receiver: new Uint8Array(8),
      body: new Uint8Array(),
    });
    const broken = Uint8Array.from(whole);
    broken[at]! ^= change;
    const read = decodeDatagram(broken);
    // Byte 5 is the type: another one may be meant.
    const isNone =
      at === 5 ? read?.type !== 'echo' || read.kind !== 'question' : read === undefined;
    return isNone && decodeDatagram(whole.subarray(0, length)) === undefined;
  },
);

property(
  'questions and answers are read as they were written',
  [family, bytes(12), bytes(8), u16, u16, fc.nat(31)],
  (inner, session, view, small, other, sequence) => {
    const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
    const viewQuestion = { family: inner, view, offset: small * 3 };
    const page = new Uint8Array(small % 500).fill(7);
    const viewAnswer = { status: 'page', view, offset: small, total: small + 500, page } as const;
    const watch = { session, durationMs: small, arrivalsOnly: other % 2 === 1 };
    const counts = { session, train: other };
    const mark = { session, train: other, sequence };
    const send = { family: inner, packetBytes: small, mark };
    return (
      same(decodeViewQuestion(encodeViewQuestion(viewQuestion)), viewQuestion) &&
      same(decodeViewAnswer(encodeViewAnswer(viewAnswer)), viewAnswer) &&
      same(decodeWatchQuestion(encodeWatchQuestion(watch)), watch) &&
      same(decodeCountsQuestion(encodeCountsQuestion(counts)), counts) &&
      same(decodeSendQuestion(encodeSendQuestion(send)), send) &&
      (['watching', 'busy', 'blind'] as const).every(
        (status) => decodeWatchAnswer(encodeWatchAnswer(status)) === status,
      ) &&
      (['sent', 'refused', 'too-big', 'failed'] as const).every(
        (status) => decodeSendAnswer(encodeSendAnswer(status)) === status,
      )
    );
  },
);

property(
  'counts keep the first sightings that there is room for',
  [
    fc.array(
      fc.record<Sighting>({
        place: fc.constantFrom(...sightingPlaces),
        way: fc.constantFrom(...sightingWays),
        device: fc.stringMatching(/^[a-z0-9@.-]{1,15}$/),
        packets: fc.nat(32),
      }),
      { maxLength: 40 },
    ),
    u16,
    fc.integer({ min: 7, max: 600 }),
  ],
  (sightings, delivered, room) => {
    const wire = encodeCountsAnswer(
      { status: 'counted', delivered, lost: 70_000, sightings },
      room,
    );
    const read = decodeCountsAnswer(wire)!;
    const next = sightings[read.sightings.length];
    return (
      wire.length <= room &&
      read.delivered === delivered &&
      read.lost === 0xffff &&
      JSON.stringify(read.sightings) ===
        JSON.stringify(sightings.slice(0, read.sightings.length)) &&
      (next === undefined || wire.length + 5 + next.device.length > room)
    );
  },
);

t.test('a marked packet is a sound UDP packet that ends in its mark', (t) => {
  const mark = { session: new Uint8Array(12).fill(5), train: 1, sequence: 2 };
  for (const [source, destination] of [
    ['10.64.1.0', '10.64.2.0'],
    ['fd64::', 'fd64:0:0:1::'],
  ] as const) {
    const ends = { source: parseAddress(source), destination: parseAddress(destination) };
    const { family: inner } = ends.source;
    const payload = markedPayload(mark, 1400 - markedOverheadBytes(inner));
    const packet = encodeMarkedPacket({ ...ends, port: 8473, payload, headroom: 9 });
    t.equal(packet.length, 1409);
    const { layers, problem } = decodeStack(packet.subarray(9), { link: 'ip' });
    t.equal(problem, undefined);
    t.match(layers[1], { kind: 'udp', sourcePort: 8473, destinationPort: 8473 });
    t.same(decodeMark(packet), mark);
    const smallest = encodeMarkedPacket({
      ...ends,
      port: 1,
      payload: markedPayload(mark, 0),
      headroom: 0,
    });
    t.equal(smallest.length, markedMinBytes(inner));
    t.ok(smallest.length >= 60, 'no padding of Ethernet can follow the mark');
  }
  t.end();
});

t.test('ICMP says what became of an echo', (t) => {
  const token = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  for (const [source, destination, header, reply, tooBig] of [
    ['192.0.2.1', '192.0.2.2', 20, 0, [3, 4]],
    ['2001:db8::1', '2001:db8::2', 40, 129, [2, 0]],
  ] as const) {
    const echo = {
      source: parseAddress(source),
      destination: parseAddress(destination),
      identifier: 0x1234,
      sequence: 77,
      token,
      packetBytes: 600,
    };
    const { family: of } = echo.source;
    const request = encodeEchoRequest(echo);
    t.equal(request.length, 600);
    t.equal(decodeStack(request, { link: 'ip' }).problem, undefined);
    const answer = Uint8Array.from(request.subarray(header));
    answer[0] = reply;
    t.match(decodeIcmpNews(answer, of), { kind: 'reply', identifier: 0x1234, sequence: 77, token });

    const error = Uint8Array.from([...tooBig, 0, 0, 0, 0, 0x05, 0x78, ...request.subarray(0, 60)]);
    const news = decodeIcmpNews(error, of);
    t.match(news, {
      kind: 'error',
      reason: 'too-big',
      mtu: 1400,
      destination: { text: destination },
    });
    if (news?.kind !== 'error') return t.fail('no error was read');
    t.ok(isAbout(news, echo));
    t.notOk(isAbout(news, { ...echo, sequence: 78 }));
    t.notOk(isAbout(news, { ...echo, destination: parseAddress('203.0.113.1') }));
    t.equal(decodeIcmpNews(error.subarray(0, 20), of), undefined, 'quotes too little');
  }
  const about = ipipPacket(4, 4);
  const refused = Uint8Array.from([3, 2, 0, 0, 0, 0, 0, 0, ...about]);
  t.match(decodeIcmpNews(refused, 4), { reason: 'protocol-unreachable', protocol: 4 });
  t.end();
});
