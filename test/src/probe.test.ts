/**
 * Who is answered, and who is not: endpoints on loopback addresses, and strangers who know parts of
 * what it takes.
 *
 *     127.83.0.1  node a, asks       127.83.0.2  node b, answers       127.83.0.9  a stranger
 *     tunnel addresses 127.84.1.0 and 127.84.2.0
 */
import { once } from 'node:events';
import { type Socket, createSocket } from 'node:dgram';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import {
  decodeSendAnswer,
  decodeWatchAnswer,
  encodeSendQuestion,
  encodeViewQuestion,
  encodeWatchQuestion,
} from '../../encap/probe/body.js';
import { type MessageType, datagramMinBytes, decodeDatagram } from '../../encap/probe/datagram.js';
import { markedMinBytes } from '../../encap/probe/mark.js';
import type { NodeView } from '../../routes/diagnose/evidence.js';
import { ProbeEndpoint } from '../../src/probe/endpoint.js';
import { generateClusterKey, readClusterKey } from '../../src/probe/key.js';
import { probeLimits } from '../../src/probe/limits.js';
import { Rates } from '../../src/probe/rates.js';
import { NonceMemory } from '../../src/probe/replay.js';
import { Seal, newNonce } from '../../src/probe/seal.js';
import { ViewTeller, fetchView } from '../../src/probe/view-pages.js';
import { sketchCluster } from '../support/cluster-builder.js';

const port = 20_000 + (process.pid % 20_000);
const key = new Uint8Array(32).fill(1);
const cluster = {
  ...sketchCluster({
    nodes: [
      { name: 'a', at: '127.83.0.1/24', overlay: '127.84.1.0/24' },
      { name: 'b', at: '127.83.0.2/24', overlay: '127.84.2.0/24' },
      { name: 'c', at: '127.83.0.3/24', overlay: '127.84.3.0/24' },
    ],
  }),
  probes: { policy: 'observe', port, packetsPerSecond: 50 },
} as const;
const addressB = parseAddress('127.83.0.2');

/** Large and hard to deflate: several pages. */
const noise = Array.from({ length: 200 }, (_, i) => Math.sin(i).toString(36));
const view: NodeView = {
  node: 'b',
  agent: 'running',
  terms: {
    configDigest: '00',
    vxlan: { vni: 1, port: 4789 },
    verdict: 'VXLAN',
    mtu: 1450,
    underlay: noise,
    overlay: [],
  },
  stages: [],
  guardDrops: {},
} as unknown as NodeView;

/** An asker that does what it is told, right or wrong. */
class Asker {
  readonly #socket: Socket;
  readonly heard: Buffer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes) => this.heard.push(bytes));
  }

  static async at(address: string): Promise<Asker> {
    const socket = createSocket('udp4');
    socket.bind(port, address);
    await once(socket, 'listening');
    return new Asker(socket);
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, port, addressB.text);
  }

  /** Everything that b says to this within the time that it needs for more than that. */
  async hears(bytes: readonly Uint8Array[], expected = 0): Promise<readonly Buffer[]> {
    const before = this.heard.length;
    for (const each of bytes) this.send(each);
    const deadline = performance.now() + (expected === 0 ? 60 : 5_000);
    while (performance.now() < deadline && this.heard.length - before < Math.max(expected, 1))
      await sleep(5);
    await sleep(20);
    return this.heard.slice(before);
  }

  #open = true;

  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }
}

interface Forged {
  readonly type?: MessageType;
  readonly sender?: string;
  readonly receiver?: string;
  readonly timeMs?: number;
  readonly body?: Uint8Array;
  readonly bytes?: number;
  readonly key?: Uint8Array;
  readonly nonce?: Uint8Array;
}

function question(of: Forged = {}): Uint8Array {
  const seal = new Seal(of.key ?? key);
  return seal.seal(
    {
      type: of.type ?? 'echo',
      kind: 'question',
      nonce: of.nonce ?? newNonce(),
      timeMs: of.timeMs ?? Date.now(),
      sender: seal.nodeId(of.sender ?? 'a'),
      receiver: seal.nodeId(of.receiver ?? 'b'),
      body: of.body ?? new Uint8Array(),
    },
    of.bytes,
  );
}

t.test('an endpoint', async (t) => {
  const b = new ProbeEndpoint({
    self: 'b',
    key,
    nics: () => [],
    viewOf: () => Promise.resolve(view),
  });
  await b.update(cluster);
  const [a, c, stranger] = (await Promise.all(
    ['127.83.0.1', '127.83.0.3', '127.83.0.9'].map((address) => Asker.at(address)),
  )) as [Asker, Asker, Asker];
  t.teardown(() => {
    b.close();
    for (const asker of [a, c, stranger]) asker.close();
  });
  const dropped = () => ({ ...b.drops });

  await t.test('answers a genuine question, and never with more than was asked', async (t) => {
    t.same(b.problems, []);
    const bodies: readonly Forged[] = [
      { type: 'echo' },
      { type: 'view', body: encodeViewQuestion({ family: 4, view: new Uint8Array(8), offset: 0 }) },
      {
        type: 'watch',
        body: encodeWatchQuestion({ session: new Uint8Array(12).fill(3), durationMs: 50 }),
      },
      { type: 'counts', body: new Uint8Array(14) },
      {
        type: 'send',
        body: encodeSendQuestion({
          family: 4,
          packetBytes: 68,
          mark: { session: new Uint8Array(12), train: 0, sequence: 0 },
        }),
      },
    ];
    for (const of of bodies)
      for (const bytes of [undefined, 200, 1232]) {
        const asked = question({ ...of, ...(bytes === undefined ? {} : { bytes }) });
        const heard = await a.hears([asked], 1);
        const what = `${of.type}, ${asked.length} bytes`;
        // Where there is no room for an answer there is none.
        for (const answer of heard) t.ok(answer.length <= asked.length, what);
        if (asked.length >= 200) t.equal(heard.length, 1, `${what}: answered`);
        const read = heard[0] && decodeDatagram(heard[0]);
        if (read !== undefined) t.match(read, { type: of.type, kind: 'answer' }, what);
      }
  });

  await t.test('says nothing to strangers, liars and players of old records', async (t) => {
    const genuine = question();
    t.equal((await a.hears([genuine], 1)).length, 1, 'the first time');
    const refused: readonly (readonly [string, Asker, Uint8Array, string])[] = [
      ['the same again', a, genuine, 'replay'],
      ['from an address of no node', stranger, question(), 'source'],
      ['from the address of another node', c, question(), 'identity'],
      ['as a node that does not exist', a, question({ sender: 'x' }), 'identity'],
      ['as the node itself', a, question({ sender: 'b' }), 'identity'],
      ['a view for another node', a, question({ type: 'view', receiver: 'c' }), 'identity'],
      ['an echo for no node', stranger, question({ receiver: 'c' }), 'source'],
      ['with another key', a, question({ key: new Uint8Array(32).fill(2) }), 'tag'],
      ['with one bit changed', a, flipped(question({ bytes: 200 }), 100), 'tag'],
      ['with its tag cut to nothing', a, question().fill(0, datagramMinBytes - 16), 'tag'],
      ['shorter than it says', a, question({ bytes: 200 }).subarray(0, 150), 'garbage'],
      ['longer than it says', a, Uint8Array.from([...question(), 0]), 'garbage'],
      ['of another version', a, flipped(question(), 4), 'garbage'],
      ['nothing', a, new Uint8Array(), 'garbage'],
      ['65,000 bytes of something', a, new Uint8Array(65_000).fill(0x53), 'garbage'],
      ['a watch without a session', a, question({ type: 'watch' }), 'body'],
    ];
    for (const [what, asker, bytes, reason] of refused) {
      const before: Readonly<Record<string, number>> = dropped();
      t.same(await asker.hears([bytes]), [], what);
      const now: Readonly<Record<string, number>> = dropped();
      t.equal((now[reason] ?? 0) - (before[reason] ?? 0), 1, `${what}: ${reason}`);
    }
  });

  await t.test('tells its time to those whose clock is wrong, and nothing else', async (t) => {
    for (const offMs of [-probeLimits.clockWindowMs - 5_000, 3_600_000]) {
      const asked = question({ type: 'view', bytes: 1232, timeMs: Date.now() + offMs });
      const [answer] = await a.hears([asked], 1);
      const read = decodeDatagram(answer!)!;
      t.match(read, { type: 'clock', kind: 'answer' });
      t.ok(Math.abs(read.timeMs - Date.now()) < 5_000, 'its own time');
      t.equal(answer!.length, datagramMinBytes);
    }
  });

  await t.test('sends no marked packet that is larger than the question', async (t) => {
    const ask = async (packetBytes: number, bytes: number): Promise<string | undefined> => {
      const mark = { session: new Uint8Array(12), train: 0, sequence: 0 };
      const body = encodeSendQuestion({ family: 4, packetBytes, mark });
      const [answer] = await a.hears([question({ type: 'send', body, bytes })], 1);
      return decodeSendAnswer(decodeDatagram(answer!)!.body);
    };
    const target = await Asker.at('127.84.1.0');
    t.equal(await ask(500, 500), 'sent');
    t.equal(await ask(600, 500), 'refused');
    t.equal(await ask(65_535, 1232), 'refused');
    t.equal(await ask(1, 100), 'sent', 'the smallest there is');
    await sleep(30);
    t.same(
      target.heard.map(({ length }) => length + 28),
      [500, markedMinBytes(4)],
    );
    target.close();
  });

  await t.test('watches only so much at a time', async (t) => {
    const statuses: (string | undefined)[] = [];
    for (let i = 0; i < probeLimits.taps.perPeer + 1; i++) {
      const body = encodeWatchQuestion({
        session: new Uint8Array(12).fill(0x40 + i),
        durationMs: 9_999,
      });
      const [answer] = await c.hears([question({ type: 'watch', sender: 'c', body })], 1);
      statuses.push(decodeWatchAnswer(decodeDatagram(answer!)!.body));
    }
    t.equal(statuses.pop(), 'busy');
    t.notOk(statuses.includes('busy'), statuses.join());
    // One that is over makes room, if the same node says so.
    for (const [asker, sender, status] of [
      [a, 'a', 'busy'],
      [c, 'c', 'watching'],
    ] as const) {
      const over = encodeWatchQuestion({ session: new Uint8Array(12).fill(0x40), durationMs: 0 });
      await asker.hears([question({ type: 'watch', sender, body: over })], 1);
      const body = encodeWatchQuestion({ session: new Uint8Array(12).fill(0x60), durationMs: 99 });
      const [answer] = await c.hears([question({ type: 'watch', sender: 'c', body })], 1);
      const found = decodeWatchAnswer(decodeDatagram(answer!)!.body);
      t.equal(found === 'blind' ? 'watching' : found, status, `ended by ${sender}`);
    }
  });

  await t.test('two of them: a view in pages, and clocks that differ', async (t) => {
    a.close();
    const other = new ProbeEndpoint({
      self: 'a',
      key,
      nics: () => [],
      viewOf: () => Promise.reject(new Error('none')),
      // An hour behind.
      nowMs: () => Date.now() - 3_600_000,
    });
    await sleep(20);
    await other.update(cluster);
    t.teardown(() => other.close());
    const from = parseAddress('127.83.0.1');
    const reply = await other.ask({
      peer: 'b',
      type: 'echo',
      body: new Uint8Array(),
      from,
      to: addressB,
      bytes: datagramMinBytes,
      timeoutMs: 5_000,
    });
    t.equal(reply.kind, 'answer', 'asked again by the clock of the other');
    t.ok(Math.abs(other.clockOffsetMs('b')! - 3_600_000) < 5_000);
    t.equal(b.clockOffsetMs('a'), undefined);
    await t.resolves(
      other.update({ ...cluster, nodes: { ...cluster.nodes, get: () => undefined } }),
    );
    t.notOk(other.listensOn(from), 'a node that is no longer in the file does not listen');
  });

  await t.test('tells who it is where an echo was meant for another', async (t) => {
    // By this file the address of b is that of c.
    const { nodes } = sketchCluster({
      nodes: [
        { name: 'a', at: '127.83.0.1/24', overlay: '127.84.1.0/24' },
        { name: 'b', at: '127.83.0.7/24', overlay: '127.84.7.0/24' },
        { name: 'c', at: '127.83.0.2/24', overlay: '127.84.2.0/24' },
      ],
    });
    const other = new ProbeEndpoint({
      self: 'a',
      key,
      nics: () => [],
      viewOf: () => Promise.reject(new Error('none')),
    });
    t.teardown(() => other.close());
    await other.update({ ...cluster, nodes });
    const ask = (peer: string) =>
      other.ask({
        peer,
        type: 'echo',
        body: new Uint8Array(),
        from: parseAddress('127.83.0.1'),
        to: addressB,
        bytes: datagramMinBytes,
        timeoutMs: 5_000,
      });
    t.same(await ask('c'), { kind: 'other', node: 'b' });
  });

  await t.test('answers no more than its rate', async (t) => {
    const { perPeer } = probeLimits;
    const many = Array.from({ length: perPeer.burst + 400 }, () => question({ sender: 'c' }));
    const started = performance.now();
    const before = c.heard.length;
    for (const bytes of many) c.send(bytes);
    // A process that gives way to all others may not be let run for longer than it sleeps.
    for (let i = 0; i < 400 && c.heard.length === before; i++) await sleep(50);
    await sleep(500);
    const allowed =
      perPeer.burst + Math.ceil(((performance.now() - started) / 1000) * perPeer.perSecond);
    const answered = c.heard.length - before;
    t.ok(answered > 0 && answered <= allowed, `${answered} of ${many.length}, ${allowed} allowed`);
  });
});

t.test('pages of one state are never joined with those of another', async (t) => {
  let state = 1;
  let nowMs = 0;
  const teller = new ViewTeller(
    () => Promise.resolve({ ...view, guardDrops: { state: state++ } }),
    () => nowMs,
  );
  const ask = (pageBytes: number) => (of: { readonly view: Uint8Array; readonly offset: number }) =>
    teller.page({ ...of, family: 4 }, { peer: 'a', pageBytes });
  const whole = await fetchView('b', ask(100));
  t.match(whole, { node: 'b', guardDrops: { state: 1 }, terms: { underlay: noise } });
  let asked = 0;
  const interrupted = await fetchView('b', async (of) => {
    // Somebody else asks for the present state in between, once.
    if (asked++ === 2) await ask(100)({ view: new Uint8Array(8), offset: 0 });
    return ask(100)(of);
  });
  t.match(interrupted, { guardDrops: { state: 4 } }, 'begun anew');
  asked = 0;
  t.match(
    await fetchView('b', (of) => Promise.resolve(asked++ > 1 ? undefined : ask(100)(of))),
    /told 200 of \d+ bytes of its view of the pair and fell silent/,
  );
  t.match(await fetchView('other', ask(5_000)), /in a form that this version does not know/);
  nowMs += probeLimits.viewKeptMs + 1;
  const old = await ask(100)({ view: new Uint8Array(8).fill(9), offset: 100 });
  t.equal(old.status, 'gone');
  const none = new ViewTeller(
    () => Promise.reject(new Error('no plan')),
    () => 0,
  );
  const from = await fetchView('b', (of) =>
    none.page({ ...of, family: 4 }, { peer: 'a', pageBytes: 99 }),
  );
  t.match(from, /has no view of the pair to tell yet/);
});

t.test('what is remembered is bounded', (t) => {
  const nonces = new NonceMemory({ keptMs: 100, max: 3 });
  const nonce = (n: number) => new Uint8Array(16).fill(n);
  t.same(
    [1, 2, 1, 3].map((n) => nonces.isNew(nonce(n), 0)),
    [true, true, false, true],
  );
  t.notOk(nonces.isNew(nonce(4), 99), 'full: refused rather than forgetting one');
  t.ok(nonces.isNew(nonce(4), 100), 'the others are too old to come again');
  const { total, clockWindowMs } = { ...probeLimits };
  t.ok(
    probeLimits.nonces > total.burst + (total.perSecond * 2 * clockWindowMs) / 1000,
    'all questions that the rate lets through are remembered',
  );
  const rates = new Rates();
  const { perPeer } = probeLimits;
  let answered = 0;
  for (let i = 0; i < perPeer.burst * 2; i++) if (rates.mayAnswer('one', 0)) answered++;
  t.equal(answered, perPeer.burst);
  t.ok(rates.mayAnswer('two', 0), 'one loud node does not silence the others');
  t.end();
});

t.test('the cluster key: made once, for its owner alone, and refused otherwise', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-key-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'cluster.key');
  t.equal(readClusterKey(file).bytes, undefined, 'no file is no key');
  generateClusterKey(file);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(readClusterKey(file).bytes?.length, 44, '32 bytes as text');
  t.throws(() => generateClusterKey(file), /is there already; move it away first/);
  const before = readFileSync(file, 'utf8');
  t.throws(() => generateClusterKey(join(folder, 'no', 'key')), /ENOENT; make its directory first/);
  t.equal(readFileSync(file, 'utf8'), before);
  for (const mode of [0o640, 0o604, 0o620, 0o601]) {
    chmodSync(file, mode);
    t.throws(() => readClusterKey(file), /others than its owner may open it/, mode.toString(8));
  }
  for (const [text, reason] of [
    ['short', /it has 5 bytes, 32 to 4096 are right/],
    [`${'x'.repeat(31)}\n`, /it has 31 bytes/],
    ['x'.repeat(5000), /more than 4096 bytes/],
  ] as const) {
    writeFileSync(file, text);
    chmodSync(file, 0o600);
    t.throws(() => readClusterKey(file), reason);
  }
  t.throws(() => readClusterKey(folder), /not a regular file/);
  writeFileSync(file, `${'k'.repeat(32)}\r\n`);
  const link = join(folder, 'link');
  symlinkSync(file, link);
  t.equal(Buffer.from(readClusterKey(link).bytes!).toString(), 'k'.repeat(32));
  t.end();
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= 1;
  return copy;
}
