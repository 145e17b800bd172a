/** What the record of a stolen node may not have: another's address, or neighbours by a short mask. */
import t from 'tap';
import { parseClusterFile } from '../../src/config/index.js';
import { placeMachine } from '../../src/fleet/placement.js';
import { groundOf } from '../../src/store/fleet/ground.js';
import { RecordClaims } from '../../src/store/fleet/record-claims.js';
import { tryParseInterfaceAddress } from '../../encap/prefix.js';

type Json = Readonly<Record<string, unknown>>;

const withSubnets = `cluster: prod
overlay: { pools: [10.64.0.0/16] }
zones:
  - { name: wide, subnets: [10.0.0.0/14, "fd00::/48"] }
  - { name: inner, subnets: [10.2.0.0/16] }
  - { name: edge, subnets: [203.0.113.0/24] }
`;
const withoutSubnets = `cluster: prod
overlay: { pools: [10.64.0.0/16] }
`;

const clusterOf = (text: string) => {
  const read = parseClusterFile({ text, file: 'f', members: 'registering' });
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join());
  return read.cluster;
};

/** Records in the order of their age, told in the order `told`; each has its block. */
function claimsOf(text: string, records: readonly Json[], told = records.map((_, i) => i)) {
  const claims = new RecordClaims({ fileOf: (name) => name });
  claims.setGround(groundOf(clusterOf(text)));
  for (const i of told) {
    const { gifts, ...node } = records[i]!;
    const [name, block] = [String(node['name']), `10.64.${i}.0`];
    const entry = (key: string, value: Json) => ({
      ...{ key, value: JSON.stringify({ version: 1, ...value }) },
      ...{ createRevision: i + 1, modRevision: i + 1 },
    });
    claims.putBlock(
      `${block}_24`,
      entry('', { node: name, at: '', ...(gifts === undefined ? {} : { addresses: gifts }) }),
    );
    claims.putRecord(name, entry('', { node: { ...node, overlay: `${block}/24` } }));
    // Each by itself, so that verdicts of before are looked at again.
    claims.settle();
  }
  const counting = records.map(({ name }) => String(name)).filter((name) => claims.get(name));
  return { claims, counting, problems: claims.problems() };
}

t.test("a mask that is shorter than its subnet's is read as the subnet's, and named", (t) => {
  const { claims, problems } = claimsOf(withSubnets, [
    { name: 'rogue', zone: 'inner', addresses: ['10.2.0.9/8', 'fd00::9/40'] },
    { name: 'rogue6', zone: 'wide', addresses: ['10.3.0.9/10', 'fd00::9/40'] },
    { name: 'sound', zone: 'inner', address: '10.2.0.10/24' },
  ]);
  t.same([...problems].sort(), [
    'node rogue6 claims 10.3.0.9/10, wider than the subnet 10.0.0.0/14 of zone wide: read as /14',
    'node rogue6 claims fd00::9/40, wider than the subnet fd00::/48 of zone wide: read as /48',
    'the record of rogue is not used: it is of zone inner, and its address fd00::9 is in no subnet of it',
  ]);
  t.same(
    claims.get('rogue6')!.underlay.map(({ length }) => length),
    [14, 48],
  );
  t.same(
    claims.get('sound')!.underlay.map(({ length }) => length),
    [24],
    'a longer one makes fewer neighbours',
  );
  const here = claimsOf(withSubnets, [{ name: 'n', zone: 'inner', address: '10.2.0.9/8' }]);
  t.equal(here.claims.get('n')!.underlay[0]!.length, 16);
  const free = claimsOf(withoutSubnets, [{ name: 'n', address: '192.168.0.9/16' }]);
  t.equal(free.claims.get('n')!.underlay[0]!.length, 16);
  t.same(free.problems, [], 'nobody says that it is another');
  t.match(claimsOf(withoutSubnets, [{ name: 'n', address: '10.1.0.9/8' }]).problems, [
    /its network 10\.0\.0\.0\/8 overlaps the pool 10\.64\.0\.0\/16/,
  ]);
  t.end();
});

t.test('a machine with a short mask joins with the one that readers believe', (t) => {
  const found = [{ ...parsed('10.2.0.9/8'), device: 'eth0' }];
  const { underlay } = placeMachine({
    ...{ cluster: clusterOf(withSubnets), found, addresses: [] },
    ...{ zone: undefined, toldZone: undefined },
  });
  t.same(
    underlay.map(({ length }) => length),
    [16],
  );
  t.end();
});

t.test("a public address that is another's is refused, however old the record is", (t) => {
  const victim = { name: 'victim', zone: 'edge', address: '203.0.113.7' };
  const cases: readonly (readonly [string, Json, readonly Json[], RegExp])[] = [
    [
      'in a subnet of another zone',
      { zone: 'inner', address: '10.2.0.9', publicAddress: '203.0.113.99' },
      [],
      /of zone inner, and its address 203\.0\.113\.99 is in no subnet of it/,
    ],
    [
      "in another zone's subnet inside a subnet of its own",
      { zone: 'wide', address: '10.1.0.9', publicAddress: '10.2.0.99' },
      [],
      /of zone wide, and its address 10\.2\.0\.99 is in a subnet of another one/,
    ],
    [
      'where a younger node of its zone is',
      { zone: 'edge', address: '203.0.113.9', publicAddress: '203.0.113.7' },
      [victim],
      /^node rogue claims 203\.0\.113\.7, which is the underlay address of victim: refused$/,
    ],
    [
      'what a younger node was given',
      { zone: 'edge', address: '203.0.113.9', publicAddress: '192.0.2.7' },
      [{ ...victim, publicAddress: '192.0.2.7', gifts: ['203.0.113.7', '192.0.2.7'] }],
      /claims 192\.0\.2\.7, which victim was given when it joined: refused/,
    ],
  ];
  for (const [what, rogue, others, line] of cases) {
    const records = [{ name: 'rogue', ...rogue }, ...others];
    const orders =
      others.length === 0
        ? [[0]]
        : [
            [0, 1],
            [1, 0],
          ];
    for (const told of orders) {
      const { counting, problems } = claimsOf(withSubnets, records, told);
      t.same(
        counting,
        others.map(({ name }) => name),
        `${what}: the others count`,
      );
      t.equal(problems.length, 1, what);
      t.match(problems[0], line, what);
    }
  }
  t.end();
});

t.test("two that call each other's underlay address their public one are both refused", (t) => {
  const records = [
    { name: 'a', zone: 'edge', address: '203.0.113.1', publicAddress: '203.0.113.2' },
    { name: 'b', zone: 'edge', address: '203.0.113.2', publicAddress: '203.0.113.1' },
    { name: 'c', zone: 'edge', address: '203.0.113.3', publicAddress: '203.0.113.3' },
  ];
  for (const told of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ]) {
    const { counting, problems } = claimsOf(withSubnets, records, told);
    t.same(counting, ['c'], 'its own underlay address is nobody else’s');
    t.equal(problems.length, 2);
  }
  t.end();
});

t.test('where no zone says what its subnets are, the older claim counts', (t) => {
  const records = [
    { name: 'old', address: '192.0.2.1', publicAddress: '192.0.2.2' },
    { name: 'new', address: '192.0.2.2' },
  ];
  for (const told of [
    [0, 1],
    [1, 0],
  ])
    t.same(claimsOf(withoutSubnets, records, told).counting, ['old']);
  t.end();
});

function parsed(text: string) {
  const address = tryParseInterfaceAddress(text);
  if (typeof address === 'string') throw new Error(address);
  return address;
}
