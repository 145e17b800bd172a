/** Whom a change touches, and whether it cuts the way to the node: from routes alone. */
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { parsePrefix } from '../../encap/prefix.js';
import { blastRadius } from '../../routes/blast-radius.js';
import type { DesiredState } from '../../routes/desired.js';
import { desiredState } from '../../routes/desired.js';
import { diff } from '../../routes/diff.js';
import type { ManagementAddress } from '../../routes/management.js';
import { managementCuts } from '../../routes/management.js';
import { mainTable } from '../../routes/ownership.js';
import { guardSpec } from '../../routes/peers.js';
import { Rib } from '../../routes/rib.js';
import { blastLines } from '../../src/cli/render/blast.js';
import { terminalFor } from '../../src/cli/terminal.js';
import type { KernelState, RouteObject } from '../../tunnel/kernel.js';
import type { ClusterSketch, NodeSketch } from '../support/cluster-builder.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { matchGolden } from '../support/golden.js';

const nothing: KernelState = { links: [], addresses: [], neighbours: [], fdb: [], routes: [] };

const farNodes = [1, 2, 3, 4, 5, 6].map((i): NodeSketch => ({
  name: `far-${i}`,
  zone: 'far',
  at: `10.2.0.${i}/24`,
  overlay: [`10.64.2${i}.0/24`, `fd64:0:0:2${i}::/64`],
}));

const sketch = (change: Partial<ClusterSketch> = {}): Cluster =>
  sketchCluster({
    pools: ['10.64.0.0/12', 'fd64::/32'],
    zones: { near: {}, far: {} },
    rules: [{ mode: 'vxlan', force: true }],
    nodes: [
      { name: 'a', zone: 'near', at: '10.1.0.1/24', overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'] },
      { name: 'b', zone: 'near', at: '10.1.0.2/24', overlay: '10.64.2.0/24' },
      ...farNodes,
    ],
    ...change,
  });

function planOf(cluster: Cluster): { readonly desired: DesiredState; readonly rib: Rib } {
  const rib = new Rib('a');
  const snapshot = {
    cluster,
    local: {
      node: 'a',
      nics: { 4: { name: 'eth0', mtu: 1500 } },
      underlayRoutes: new Map(),
    },
  } as const;
  rib.build(snapshot);
  const kinds = new Set(['vxlan', 'ipip', 'sit', 'ip6tnl', 'tun'] as const);
  return { desired: desiredState({ snapshot, rib, kinds }), rib };
}

/** The kernel after everything of a plan was applied. */
function kernelOf(desired: DesiredState): KernelState {
  const all = [...desired.objects.values()];
  return {
    links: all.filter((object) => object.type === 'link'),
    addresses: all.filter((object) => object.type === 'address'),
    neighbours: all.filter((object) => object.type === 'neighbour'),
    fdb: all.filter((object) => object.type === 'fdb'),
    routes: all.filter((object) => object.type === 'route'),
  };
}

function blast(previous: Cluster | undefined, cluster: Cluster): string {
  const actual = previous === undefined ? nothing : kernelOf(planOf(previous).desired);
  const { desired } = planOf(cluster);
  const { changes } = diff(desired.objects, { kernel: actual, sysctls: new Map() });
  const { objects, peers } = desired;
  const found = blastRadius({ cluster, previous, actual, desired: objects, peers, changes });
  const terminal = terminalFor({
    isTty: false,
    columns: 100,
    env: { COLUMNS: '100' },
    noColor: true,
  });
  return blastLines(found, terminal).join('\n');
}

t.test('peers that change alike are one line, and all kinds of change are named', (t) => {
  const base = sketch();
  const cases: readonly [string, Cluster | undefined, Cluster][] = [
    ['nothing', base, base],
    ['the first apply', undefined, base],
    [
      'one zone to ipip',
      base,
      sketch({
        rules: [
          { mode: 'ipip', force: true, to: { zones: ['far'] } },
          { mode: 'vxlan', force: true },
        ],
      }),
    ],
    [
      'a peer denied',
      base,
      sketch({
        rules: [
          { mode: 'deny', to: { nodes: ['far-3'] } },
          { mode: 'vxlan', force: true },
        ],
      }),
    ],
    [
      'another MTU',
      base,
      sketch({
        links: [
          {
            mtu: 1400,
            ends: [
              { kind: 'zone', zone: 'near' },
              { kind: 'zone', zone: 'far' },
            ],
          },
        ],
      }),
    ],
    ['another port', base, sketch({ port: 8472 })],
    [
      'a peer leaves, another moves',
      base,
      sketch({
        nodes: [
          {
            name: 'a',
            zone: 'near',
            at: '10.1.0.1/24',
            overlay: ['10.64.1.0/24', 'fd64:0:0:1::/64'],
          },
          { name: 'b', zone: 'near', at: '10.1.0.22/24', overlay: '10.64.2.0/24' },
          ...farNodes.slice(1),
        ],
      }),
    ],
    [
      'own prefix and pool',
      base,
      sketch({
        pools: ['10.64.0.0/12'],
        nodes: [
          { name: 'a', zone: 'near', at: '10.1.0.1/24', overlay: ['10.64.1.0/24', '10.64.9.0/24'] },
          { name: 'b', zone: 'near', at: '10.1.0.2/24', overlay: '10.64.2.0/24' },
        ],
      }),
    ],
  ];
  const text = cases.map(([name, from, to]) => `# ${name}\n${blast(from, to)}\n`).join('\n');
  matchGolden(t, 'blast-radius.txt', text);
  t.end();
});

t.test('the way to the node', (t) => {
  const foreign = (prefix: string, target: Partial<RouteObject['target']>): RouteObject => ({
    type: 'route',
    prefix: parsePrefix(prefix),
    table: mainTable,
    metric: 0,
    protocol: 3,
    target: {
      kind: 'unicast',
      device: 'eth0',
      gateway: undefined,
      onlink: false,
      mtu: undefined,
      preferredSource: undefined,
      ...target,
    } as RouteObject['target'],
  });
  const others = [
    foreign('10.1.0.0/24', {}),
    foreign('0.0.0.0/0', { gateway: parseAddress('10.1.0.254') }),
  ];
  const address = (text: string, role: ManagementAddress['role']): ManagementAddress => ({
    address: parseAddress(text),
    role,
    source: 'test',
  });
  const addresses = [
    address('10.70.0.9', 'ssh-client'),
    address('10.1.0.254', 'default-gateway'),
    address('192.0.2.53', 'name-server'),
    address('10.1.0.53', 'name-server'),
  ];
  const cuts = (cluster: Cluster, routes: readonly RouteObject[]): readonly string[] => {
    const { desired, rib } = planOf(cluster);
    const local = {
      node: 'a',
      nics: { 4: { name: 'eth0', mtu: 1500 } },
      underlayRoutes: new Map(),
    };
    return managementCuts({
      addresses,
      actual: { ...nothing, routes },
      desired: desired.objects,
      guard: guardSpec({ snapshot: { cluster, local }, rib }, desired),
    }).map((cut) => `${cut.by} ${cut.role} ${cut.address}`);
  };
  const wide = sketch();
  const narrow = sketch({ pools: ['10.64.0.0/14'] });
  t.same(cuts(wide, others), ['route ssh-client 10.70.0.9'], 'a pool covers the client');
  t.same(cuts(narrow, others), [], 'a smaller pool does not');
  t.same(
    cuts(wide, [...others, ...kernelOf(planOf(wide).desired).routes]),
    [],
    'refused before: this change takes nothing away',
  );
  t.same(
    cuts(sketch({ pools: ['10.0.0.0/8'] }), others),
    ['route ssh-client 10.70.0.9', 'guard name-server 10.1.0.53'],
    'the own subnet is more specific than the pool, but what comes from there is dropped',
  );
  const client = (prefix: string): Cluster =>
    sketch({
      nodes: [
        { name: 'a', zone: 'near', at: '10.1.0.1/24', overlay: '10.64.1.0/24' },
        { name: 'b', zone: 'near', at: '10.1.0.2/24', overlay: ['10.64.2.0/24', prefix] },
      ],
    });
  t.same(
    cuts(client('10.70.0.0/24'), others),
    ['route ssh-client 10.70.0.9'],
    "a peer's prefix takes the client into the overlay",
  );
  const through = kernelOf(planOf(client('10.70.0.0/24')).desired).routes;
  t.same(
    cuts(client('10.70.0.0/25'), [...others, ...through]),
    [],
    'an operator in the overlay stays there',
  );
  t.same(
    cuts(wide, [...others, ...through]),
    ['route ssh-client 10.70.0.9'],
    'and is cut when the pool refuses what a peer had',
  );
  t.end();
});
