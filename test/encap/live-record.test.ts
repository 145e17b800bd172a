/** Live records, seen by each node when it likes: is anything ever sent that is not received? */
import fc from 'fast-check';
import t from 'tap';
import type { LiveRecord, RecordView, Term } from '../../encap/live-record.js';
import { accepts, nextRecord, segmentTo, stillReceived, termOf } from '../../encap/live-record.js';
import type { Carriage, VxlanId } from '../../encap/mode.js';
import { property } from '../support/property.js';

const vxlan: Carriage = { mode: 'vxlan', outer: 4, inner: 4 };
const ipip: Carriage = { mode: 'ipip', outer: 4, inner: 4 };

/** What a configuration asks for: a mode for all, and the segment. Both modes are always received. */
interface Asked {
  readonly mode: 'vxlan' | 'ipip';
  readonly receives: readonly Carriage[];
  readonly vxlan: VxlanId;
}

const asked = (number: number): Asked => {
  const mode = number % 2 === 0 ? 'vxlan' : 'ipip';
  const both = number % 3 !== 0;
  return {
    mode,
    receives: both ? [vxlan, ipip] : [mode === 'vxlan' ? vxlan : ipip],
    vxlan: { vni: 1 + (number % 4), port: number % 5 === 0 ? 8472 : 4789 },
  };
};

/** A node: its configuration, the records as they have reached it, its kernel. */
class Node {
  /** In its file, and by the pass that is under way. */
  asked = asked(0);
  #now = this.asked;
  record: LiveRecord | undefined;
  readonly seen = new Map<string, LiveRecord>();
  received: ReadonlySet<Term> = new Set();
  sent = new Map<string, Term>();
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  get view(): RecordView {
    return { self: this.name, own: this.record, others: this.seen };
  }

  get wanted(): readonly Term[] {
    return this.#now.receives.map((carriage) => termOf(carriage, this.#now.vxlan));
  }

  /** As a pass does it: receive more, send by what is seen, say so, receive less. */
  *pass(): Generator<LiveRecord | undefined> {
    this.#now = this.asked;
    this.received = new Set([...this.received, ...stillReceived(this.view), ...this.wanted]);
    yield undefined;
    for (const [peer, record] of this.seen) {
      const term = this.termTo(record);
      if (term === undefined) this.sent.delete(peer);
      else this.sent.set(peer, term);
    }
    yield undefined;
    const sends = [...new Set(this.sent.values())];
    this.record = nextRecord(this.view, { wanted: this.wanted, sends });
    yield this.record;
    this.received = new Set([...stillReceived(this.view), ...this.wanted]);
  }

  termTo(record: LiveRecord): Term | undefined {
    const first = this.#now.mode === 'vxlan' ? vxlan : ipip;
    for (const carriage of [first, first === vxlan ? ipip : vxlan]) {
      if (!accepts(record, carriage)) continue;
      const id = segmentTo(record, { carriage, wanted: this.#now.vxlan });
      if (carriage.mode !== 'vxlan') return termOf(carriage, this.#now.vxlan);
      if (id !== undefined) return termOf(carriage, id);
    }
    return undefined;
  }
}

/** One thing that happens to one node. */
type Event =
  | { readonly kind: 'configure'; readonly node: number; readonly number: number }
  | { readonly kind: 'deliver'; readonly node: number; readonly from: number }
  | { readonly kind: 'step'; readonly node: number };

const names = ['a', 'b', 'c'];

class World {
  readonly nodes = names.map((name) => new Node(name));
  readonly #published = names.map(() => [] as LiveRecord[]);
  readonly #passes = new Map<Node, Generator<LiveRecord | undefined>>();
  /** Of each publisher, how many of its records have reached each node. */
  readonly #delivered = names.map(() => names.map(() => 0));

  constructor() {
    this.settle();
  }

  run(event: Event): void {
    const node = this.nodes[event.node]!;
    switch (event.kind) {
      case 'configure':
        node.asked = asked(event.number);
        return;
      case 'deliver':
        if (event.from !== event.node) this.#deliver(event.from, event.node);
        return;
      case 'step': {
        const pass = this.#passes.get(node) ?? node.pass();
        const { done, value } = pass.next();
        if (value !== undefined) this.#published[event.node]!.push(value as LiveRecord);
        if (done === true) this.#passes.delete(node);
        else this.#passes.set(node, pass);
      }
    }
  }

  /** Records reach a node in order, and none is left out. */
  #deliver(from: number, to: number): void {
    const next = this.#published[from]![this.#delivered[from]![to]!];
    // Mid-pass the node works with what it had seen; the store hands over between passes.
    if (next === undefined || this.#passes.has(this.nodes[to]!)) return;
    this.#delivered[from]![to]!++;
    this.nodes[to]!.seen.set(names[from]!, next);
  }

  /** Everything is delivered and acted upon until nothing is new. */
  settle(): void {
    for (let round = 0; round < 8; round++)
      for (const [node] of this.nodes.entries()) {
        do this.run({ kind: 'step', node });
        while (this.#passes.has(this.nodes[node]!));
        for (const [to] of this.nodes.entries())
          for (let left = this.#published[node]!.length; to !== node && left > 0; left--)
            this.run({ kind: 'deliver', node: to, from: node });
      }
  }

  /** What is sent somewhere that does not receive it. */
  lost(): readonly string[] {
    return this.nodes.flatMap((sender) =>
      [...sender.sent].flatMap(([peer, term]) => {
        const receiver = this.nodes[names.indexOf(peer)]!;
        return receiver.received.has(term) ? [] : [`${sender.name} to ${peer}: ${term}`];
      }),
    );
  }
}

const node = fc.nat(names.length - 1);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('configure' as const), node, number: fc.nat(30) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), node, from: node }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('step' as const), node }) },
);

property(
  'records and configurations in any order: what is sent is received, and everybody is sent to',
  [fc.array(event, { minLength: 20, maxLength: 150 })],
  (events) => {
    const world = new World();
    for (const one of events) {
      world.run(one);
      const lost = world.lost();
      if (lost.length > 0) throw new Error(lost.join('; '));
      for (const { sent, name } of world.nodes)
        if (sent.size !== names.length - 1) throw new Error(`${name} has no term for somebody`);
    }
    return true;
  },
);

property(
  'once all nodes have one configuration, only that is sent and received',
  [fc.array(event, { minLength: 1, maxLength: 80 }), fc.nat(30)],
  (events, number) => {
    const world = new World();
    for (const one of events) world.run(one);
    for (const [index] of names.entries()) world.run({ kind: 'configure', node: index, number });
    world.settle();
    const { mode, vxlan: id } = asked(number);
    const term = termOf(mode === 'vxlan' ? vxlan : ipip, id);
    return world.nodes.every(
      ({ sent, received, wanted }) =>
        [...sent.values()].every((entry) => entry === term) &&
        [...received].sort().join() === [...wanted].sort().join(),
    );
  },
);

t.test('without a record the wanted segment is used; with one, an older that it accepts', (t) => {
  const wanted = { vni: 8, port: 4789 };
  t.same(segmentTo(undefined, { carriage: vxlan, wanted }), wanted);
  const record: LiveRecord = {
    accepts: ['vxlan:4:4/7/8472', 'native:4:4'],
    sends: [],
    version: 0,
    retired: [],
    acknowledged: {},
  };
  t.same(segmentTo(record, { carriage: vxlan, wanted }), { vni: 7, port: 8472 });
  t.equal(segmentTo(record, { carriage: { ...vxlan, outer: 6 }, wanted }), undefined);
  t.equal(accepts(record, ipip), false);
  t.end();
});
