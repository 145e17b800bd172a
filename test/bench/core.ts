/** The pure core: full RIB, one node's change, longest-prefix match. */
import { addressFromU32 } from '../../encap/address.js';
import { Lpm } from '../../encap/lpm.js';
import { withNode } from '../../encap/node-table.js';
import { prefixOf } from '../../encap/prefix.js';
import { Rib } from '../../routes/rib.js';
import { fleet, self } from './fleet.js';
import { figure, heading, medianMs } from './report.js';

export async function benchRib(): Promise<void> {
  heading('RIB: every prefix decided, seen from one node');
  for (const nodes of [1_000, 10_000, 50_000]) {
    const cluster = fleet(nodes);
    const rib = new Rib(self);
    const build = await medianMs(5, () => rib.build({ cluster, local: undefined }));
    let label = 0;
    let current = cluster;
    const rounds = 200;
    const change = await medianMs(5, () => {
      for (let i = 0; i < rounds; i++) {
        const node = { ...current.nodes.get('n7')!, labels: { round: String(label++) } };
        current = { ...current, nodes: withNode(current.nodes, node) };
        rib.update({ cluster: current, local: undefined }, ['n7']);
      }
    });
    const one = change / rounds;
    const size = nodes.toLocaleString('en-US');
    figure({
      name: `full RIB, ${size} nodes`,
      value: build,
      unit: 'ms',
      ...(nodes === 10_000 ? { aim: 'under 250 ms' } : {}),
    });
    figure({ name: `one node's change, ${size} nodes`, value: one, unit: 'ms', aim: 'under 1 ms' });
    figure({ name: `full RIB ÷ one change, ${size} nodes`, value: build / one, unit: '×' });
  }
}

/** The slow obvious peer: one Map a prefix length, asked from the longest down. */
class MapsByLength {
  readonly #maps = new Map<number, Map<number, number>>();
  readonly #lengths: number[] = [];

  set(network: number, length: number, value: number): void {
    let map = this.#maps.get(length);
    if (map === undefined) {
      this.#maps.set(length, (map = new Map<number, number>()));
      this.#lengths.push(length);
      this.#lengths.sort((a, b) => b - a);
    }
    map.set(network, value);
  }

  lookup(address: number): number | undefined {
    for (const length of this.#lengths) {
      const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
      const found = this.#maps.get(length)!.get((address & mask) >>> 0);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

export async function benchLpm(): Promise<void> {
  heading('Longest-prefix match: 100,000 IPv4 prefixes of lengths 16 to 28');
  const trie = new Lpm<number>(4);
  const maps = new MapsByLength();
  let state = 1;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
  for (let i = 0; i < 100_000; i++) {
    const prefix = prefixOf(addressFromU32(random()), 16 + ((random() >>> 8) % 13));
    const network = Buffer.from(prefix.bytes).readUInt32BE();
    trie.set(prefix, i);
    maps.set(network, prefix.length, i);
  }
  const probes = Array.from({ length: 200_000 }, () => random());
  const bytes = probes.map((probe) => addressFromU32(probe).bytes);
  let hits = 0;
  const ours = await medianMs(5, () => {
    for (const probe of bytes) if (trie.lookup(probe) !== undefined) hits++;
  });
  const theirs = await medianMs(5, () => {
    for (const probe of probes) if (maps.lookup(probe) !== undefined) hits++;
  });
  if (hits === 0) throw new Error('no probe hit a prefix: the benchmark measures nothing');
  figure({ name: 'trie lookup', value: (ours * 1e6) / probes.length, unit: 'ns' });
  figure({ name: 'a Map a prefix length', value: (theirs * 1e6) / probes.length, unit: 'ns' });
  figure({ name: 'trie against Maps', value: theirs / ours, unit: '× as fast' });
}
