/** Addresses, prefixes, the trie and the node table, against slow obvious equivalents. */
import fc from 'fast-check';
import { Address4, Address6 } from 'ip-address';
import t from 'tap';
import {
  addressFromBigInt,
  addressFromU32,
  addressToBigInt,
  compareAddresses,
  isLinkLocal,
  isUnusable,
  offsetAddress,
  parseAddress,
  tryParseAddress,
} from '../../encap/address.js';
import { Lpm } from '../../encap/lpm.js';
import { nodeTable, withNode, withoutNode } from '../../encap/node-table.js';
import type { Prefix } from '../../encap/prefix.js';
import {
  comparePrefixes,
  firstAddress,
  lastAddress,
  parsePrefix,
  prefixContains,
  prefixCovers,
  prefixOf,
  prefixesOverlap,
  tryParseInterfaceAddress,
  tryParsePrefix,
} from '../../encap/prefix.js';
import { sketchNode } from '../support/cluster-builder.js';

const seed = 20261122;
const check = <T>(property: fc.IProperty<T>): void => fc.assert(property, { seed, numRuns: 300 });
const v4 = fc.bigInt(0n, 2n ** 32n - 1n).map((value) => addressFromBigInt(value, 4));
const v6 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  // Long runs of zeros are where the short form goes wrong.
  .chain((bytes) =>
    fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((mask) => bytes.map((byte, i) => (mask[i]! < 150 ? 0 : byte))),
  )
  .map((bytes) => addressFromBigInt(BigInt(`0x${Buffer.from(bytes).toString('hex')}`), 6));

t.test('addresses print as RFC 5952 says and read back', (t) => {
  for (const [text, canonical] of [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['fe80::1:0:0:0', 'fe80::1:0:0:0'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ] as const)
    t.equal(parseAddress(text).text, canonical);
  check(
    fc.property(fc.oneof(v4, v6), (address) => parseAddress(address.text).text === address.text),
  );
  check(fc.property(v6, (address) => new Address6(address.text).correctForm() === address.text));
  check(fc.property(v4, (address) => new Address4(address.text).correctForm() === address.text));
  t.end();
});

t.test('text that is no address is refused', (t) => {
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1 ',
    '0x0a.0.0.1',
    ':::',
    '1::2::3',
    '12345::',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7::8:9',
    '1:2:3:4:5:6:7:8:',
    ':1:2:3:4:5:6:7',
    '1.2.3.4::',
  ])
    t.equal(tryParseAddress(text), undefined, `"${text}"`);
  t.throws(() => parseAddress('nonsense'), /not an IP address: "nonsense"/);
  t.end();
});

t.test('arithmetic, order and special addresses', (t) => {
  t.equal(addressFromU32(0x0a400105).text, '10.64.1.5');
  t.equal(offsetAddress(parseAddress('10.0.0.255'), 1n)?.text, '10.0.1.0');
  t.equal(offsetAddress(parseAddress('0.0.0.0'), -1n), undefined);
  t.equal(offsetAddress(parseAddress('fd00::'), 2n)?.text, 'fd00::2');
  check(
    fc.property(v4, v4, (a, b) => {
      const difference = addressToBigInt(a) - addressToBigInt(b);
      return Math.sign(compareAddresses(a, b)) === (difference > 0n ? 1 : difference < 0n ? -1 : 0);
    }),
  );
  t.ok(compareAddresses(parseAddress('255.0.0.0'), parseAddress('::')) < 0);
  t.same(
    ['169.254.1.1', 'fe80::1', 'febf::1', 'fec0::1', '10.0.0.1'].map((text) =>
      isLinkLocal(parseAddress(text)),
    ),
    [true, true, true, false, false],
  );
  t.same(
    ['0.1.2.3', '127.0.0.1', '224.0.0.1', '::', '::1', 'ff02::1', '10.0.0.1', '::2'].map((text) =>
      isUnusable(parseAddress(text)),
    ),
    [true, true, true, true, true, true, false, false],
  );
  t.end();
});

t.test('prefixes keep to their bits', (t) => {
  t.equal(parsePrefix('10.1.0.0/16').text, '10.1.0.0/16');
  t.equal(tryParsePrefix('10.1.0.1/16'), 'host-bits');
  t.equal(tryParsePrefix('10.1.0.0'), 'no-length');
  t.equal(tryParsePrefix('10.1.0.0/33'), 'bad-length');
  t.equal(tryParsePrefix('10.1.0.0/016'), 'bad-length');
  t.equal(tryParsePrefix('x/16'), 'not-a-prefix');
  t.equal(tryParseInterfaceAddress('10.1.0.1/16') instanceof Object, true);
  t.throws(() => prefixOf(parseAddress('10.0.0.0'), 33), /outside 0–32/);
  t.equal(lastAddress(parsePrefix('10.1.2.0/23')).text, '10.1.3.255');
  t.equal(firstAddress(parsePrefix('fd00:0:0:8::/61')).text, 'fd00:0:0:8::');
  t.equal(prefixOf(parseAddress('10.1.2.3'), 9).text, '10.0.0.0/9');
  check(
    fc.property(fc.oneof(v4, v6), fc.nat(128), fc.oneof(v4, v6), (address, bits, other) => {
      const prefix = prefixOf(address, Math.min(bits, address.bytes.length * 8));
      const inside =
        other.family === prefix.family &&
        addressToBigInt(other) >= addressToBigInt(firstAddress(prefix)) &&
        addressToBigInt(other) <= addressToBigInt(lastAddress(prefix));
      return prefixContains(prefix, other) === inside && prefixContains(prefix, address);
    }),
  );
  const [wide, narrow, far] = ['10.0.0.0/8', '10.1.0.0/16', '11.0.0.0/8'].map(parsePrefix) as [
    Prefix,
    Prefix,
    Prefix,
  ];
  t.same(
    [prefixCovers(wide, narrow), prefixCovers(narrow, wide), prefixCovers(wide, wide)],
    [true, false, true],
  );
  t.same([prefixesOverlap(narrow, wide), prefixesOverlap(wide, far)], [true, false]);
  t.same(
    [far, narrow, wide].sort(comparePrefixes).map((p) => p.text),
    ['10.0.0.0/8', '10.1.0.0/16', '11.0.0.0/8'],
  );
  t.end();
});

t.test('the trie equals a linear scan, after any mixture of additions and removals', (t) => {
  for (const family of [4, 6] as const) {
    // Few distinct bytes and all lengths, so that prefixes nest and collide.
    const bytes = fc.array(fc.constantFrom(0, 1, 10, 128, 255), {
      minLength: family === 4 ? 4 : 16,
      maxLength: family === 4 ? 4 : 16,
    });
    const address = bytes.map((list) =>
      addressFromBigInt(BigInt(`0x${Buffer.from(list).toString('hex')}`), family),
    );
    const change = fc.record({
      address,
      bits: fc.nat(family === 4 ? 32 : 128),
      remove: fc.boolean(),
    });
    check(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        fc.array(address, { minLength: 20, maxLength: 20 }),
        (changes, probes) => {
          const trie = new Lpm<number>(family);
          const list = new Map<string, { prefix: Prefix; value: number }>();
          for (const [value, { address: at, bits, remove }] of changes.entries()) {
            const prefix = prefixOf(at, bits);
            if (remove) {
              if (trie.delete(prefix) !== list.delete(prefix.text)) return false;
            } else {
              trie.set(prefix, value);
              list.set(prefix.text, { prefix, value });
            }
          }
          if (trie.size !== list.size || [...trie.entries()].length !== list.size) return false;
          return probes.every((probe) => {
            let best: { prefix: Prefix; value: number } | undefined;
            for (const entry of list.values())
              if (
                prefixContains(entry.prefix, probe) &&
                entry.prefix.length >= (best?.prefix.length ?? 0)
              )
                best = entry;
            const padded = Uint8Array.from([7, 7, ...probe.bytes]);
            return (
              trie.lookup(probe.bytes) === best?.value &&
              trie.lookup(padded, 2) === best?.value &&
              trie.match(probe.bytes)?.prefix.text === best?.prefix.text &&
              (best === undefined || trie.get(best.prefix) === best.value)
            );
          });
        },
      ),
    );
  }
  t.throws(() => new Lpm(4).set(parsePrefix('fd00::/8'), 1), /IPv4 table cannot hold/);
  t.end();
});

t.test('a node table shares what did not change and equals a plain map', (t) => {
  const make = (name: string, overlay: string): ReturnType<typeof sketchNode> =>
    sketchNode({ name, at: '10.0.0.1/24', overlay });
  check(
    fc.property(
      fc.array(fc.record({ id: fc.nat(30), remove: fc.boolean() }), { maxLength: 80 }),
      (changes) => {
        let table = nodeTable(Array.from({ length: 20 }, (_, i) => make(`n${i}`, '10.64.0.0/24')));
        const map = new Map([...table.values()].map((node) => [node.name, node]));
        for (const [i, { id, remove }] of changes.entries()) {
          const before = table;
          const size = before.size;
          if (remove) {
            table = withoutNode(table, `n${id}`);
            map.delete(`n${id}`);
          } else {
            const node = make(`n${id}`, `10.65.${i}.0/24`);
            table = withNode(table, node);
            map.set(node.name, node);
          }
          if (before.size !== size) return false;
        }
        const names = [...table.values()].map((node) => node.name).sort();
        return (
          table.size === map.size &&
          JSON.stringify(names) === JSON.stringify([...map.keys()].sort()) &&
          [...map].every(([name, node]) => table.get(name) === node)
        );
      },
    ),
  );
  t.end();
});
