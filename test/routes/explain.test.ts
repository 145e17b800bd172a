/**
 * The explanation: as it is printed (text goldens), as data, and against the routes that the same
 * snapshot asks for (invariant: both say the same about every address).
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import type { Address } from '../../encap/address.js';
import { offsetAddress } from '../../encap/address.js';
import type { Cluster, Nic, Snapshot, UnderlayRoute } from '../../encap/cluster.js';
import { underlayAddress } from '../../encap/cluster.js';
import { Lpm } from '../../encap/lpm.js';
import { withNode } from '../../encap/node-table.js';
import { firstAddress, lastAddress, parsePrefix } from '../../encap/prefix.js';
import type { DesiredObject, DesiredState } from '../../routes/desired.js';
import { desiredState } from '../../routes/desired.js';
import type { ActualState } from '../../routes/diff.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { explain } from '../../routes/explain.js';
import { pathRouteKey, routeProtocol } from '../../routes/ownership.js';
import { Rib } from '../../routes/rib.js';
import { terminalFor } from '../../src/cli/terminal.js';
import { renderExplain } from '../../src/cli/render/explain.js';
import { columnsOf } from '../../src/cli/render/layout.js';
import { parseClusterFile } from '../../src/config/index.js';
import { resolveDestination, resolveNode } from '../../src/explain/resolve.js';
import type { OwnLink, RouteObject } from '../../tunnel/kernel.js';
import { arbitraryCluster } from '../support/cluster-builder.js';
import { matchGolden } from '../support/golden.js';
import { fromRoot } from '../support/root.js';

const seed = 20261122;
/** What travels by a device. */
const carriages: Readonly<Record<string, string>> = {
  eth0: 'native',
  slv4a: 'vxlan IPv4',
  slv6a: 'vxlan IPv6',
  slip4: 'ipip IPv4',
  slsit4: 'ipip IPv4',
  slip6: 'ipip IPv6',
};
const plain = terminalFor({ isTty: false, columns: undefined, env: {}, noColor: false });

const hybrid = ((): Cluster => {
  const text = readFileSync(fromRoot('test', 'golden', 'explain', 'cluster.yaml'));
  const result = parseClusterFile({ text, file: 'cluster.yaml' });
  if (!result.ok) throw new Error(result.problems.map((problem) => problem.message).join('\n'));
  return result.cluster;
})();

function ask(
  text: string,
  sender: string,
  more: Partial<Parameters<typeof explain>[0]> = {},
): ExplainReport {
  const snapshot = more.snapshot ?? { cluster: hybrid, local: undefined };
  const destination = resolveDestination(snapshot.cluster, text);
  const from = resolveNode(snapshot.cluster, sender);
  if (typeof destination === 'string') throw new Error(destination);
  if (typeof from === 'string') throw new Error(from);
  return explain({
    snapshot,
    destination,
    from,
    basis: { kind: more.desired === undefined ? 'file' : 'agent', note: null },
    ...more,
  });
}

/** The node's own kernel in the state that is desired, for a test to spoil. */
function kernelOf(cluster: Cluster, name: string, kinds: readonly OwnLink['kind'][]) {
  const self = cluster.nodes.get(name)!;
  const nics: Partial<Record<4 | 6, Nic>> = {};
  for (const { address } of self.underlay) nics[address.family] = { name: 'eth0', mtu: 1500 };
  const underlayRoutes = new Map<string, UnderlayRoute>();
  for (const node of cluster.nodes.values())
    for (const { address } of node.underlay) {
      const own = underlayAddress(self, address.family);
      if (own === undefined) continue;
      underlayRoutes.set(address.text, {
        device: 'eth0',
        gateway: offsetAddress(own.address, 100n),
      });
    }
  const snapshot: Snapshot = { cluster, local: { node: name, nics, underlayRoutes } };
  const rib = new Rib(name);
  rib.build(snapshot);
  const desired = desiredState({ snapshot, rib, kinds: new Set(kinds) });
  return { snapshot, rib, desired };
}

function actualOf(
  desired: DesiredState,
  change: (object: DesiredObject) => DesiredObject | undefined = (object) => object,
): ActualState {
  const objects = [...desired.objects.values()].flatMap((object) => change(object) ?? []);
  const of = <T extends DesiredObject['type']>(type: T) =>
    objects.filter(
      (object): object is Extract<DesiredObject, { readonly type: T }> => object.type === type,
    );
  return {
    kernel: {
      links: of('link'),
      addresses: of('address'),
      neighbours: of('neighbour'),
      fdb: of('fdb'),
      routes: of('route'),
    },
    sysctls: new Map(of('sysctl').map((object) => [object.path, object.value])),
  };
}

const rack1 = kernelOf(hybrid, 'rack-1', ['vxlan', 'ipip', 'sit', 'ip6tnl']);

t.test('what is printed', (t) => {
  const print = (name: string, report: ExplainReport): void => {
    const text = renderExplain(report, plain);
    matchGolden(t, `explain/${name}.txt`, `${text}\n`);
    const long = text.split('\n').filter((line) => columnsOf(line) > 80);
    t.same(long, [], `${name} fits 80 columns`);
    t.notMatch(text, /\u001b/, `${name} has no colours in a pipe`);
    t.same(JSON.parse(JSON.stringify(report)), report, `${name} is plain data`);
  };
  print('native-adjacent', ask('10.64.2.7', 'rack-1'));
  print('ipip-by-rule', ask('aws-2', 'aws-1'));
  print('vxlan-from-auto', ask('10.64.21.7', 'rack-1'));
  print('ipv6-in-ipv4', ask('fd64:0:0:21::7', 'rack-1'));
  print('denied', ask('10.64.21.7', 'rack-2'));
  print('no-route-unowned', ask('10.64.99.1', 'rack-1'));
  print('no-route-underlay-address', ask('10.2.0.4', 'rack-1'));
  print('local', ask('10.64.1.7', 'rack-1', { ...rack1, actual: actualOf(rack1.desired) }));
  print('asymmetric', ask('10.64.11.7', 'rack-1'));
  print('as-desired', ask('10.64.21.7', 'rack-1', { ...rack1, actual: actualOf(rack1.desired) }));
  const spoiled = actualOf(rack1.desired, (object) => {
    if (object.type === 'neighbour') return undefined;
    if (object.type === 'sysctl') return { ...object, value: '1' };
    if (object.type === 'link' && object.kind === 'vxlan') return { ...object, learning: true };
    if (object.type === 'route' && object.prefix.text === '10.64.21.0/24')
      return { ...object, protocol: 4 };
    return object;
  });
  print('drift', ask('10.64.21.7', 'rack-1', { ...rack1, actual: spoiled }));
  matchGolden(
    t,
    'explain/vxlan-from-auto.json',
    `${JSON.stringify(ask('10.64.21.7', 'rack-1'), null, 2)}\n`,
  );
  t.end();
});

t.test('colours are for terminals, and only put on', (t) => {
  const report = ask('10.64.21.7', 'rack-1');
  const shown = terminalFor({ isTty: true, columns: 80, env: { TERM: 'xterm' }, noColor: false });
  const coloured = renderExplain(report, shown);
  t.match(coloured, /\u001b\[1m/);
  t.equal(coloured.replaceAll(/\u001b\[\d+m/g, ''), renderExplain(report, plain));
  for (const question of [
    { isTty: true, columns: 80, env: { NO_COLOR: '1' }, noColor: false },
    { isTty: true, columns: 80, env: { TERM: 'dumb' }, noColor: false },
    { isTty: true, columns: 80, env: {}, noColor: true },
    { isTty: false, columns: undefined, env: {}, noColor: false },
  ])
    t.notMatch(renderExplain(report, terminalFor(question)), /\u001b/);
  t.end();
});

t.test('what the report says', (t) => {
  const verdict = (text: string, sender: string) => ask(text, sender).verdict;
  t.match(verdict('10.64.2.7', 'rack-1'), { kind: 'NATIVE', mtu: 1500, exitCode: 0 });
  t.match(verdict('10.64.12.1', 'aws-1'), { kind: 'IPIP', mtu: 8981, plane: 'kernel' });
  t.match(verdict('10.64.21.7', 'rack-2'), { kind: 'DENIED', mtu: null, exitCode: 1 });
  t.match(verdict('8.8.8.8', 'rack-1'), {
    kind: 'NO-ROUTE',
    reason: 'outside-pools',
    prefix: null,
  });
  t.match(verdict('10.64.99.1', 'rack-1'), { reason: 'unowned', prefix: '10.64.0.0/16' });
  t.match(verdict('10.2.0.4', 'rack-1'), { reason: 'underlay-address', owner: { node: 'az-1' } });

  const rules = ask('10.64.12.1', 'aws-1').why.rules;
  t.match(rules, [
    { name: 'ipip-across-zones', source: 'cluster.yaml:31', outcome: 'matched' },
    { name: 'dev-stays-home', outcome: 'not-reached', shadowedBy: null },
    { name: 'upload-to-aws', outcome: 'not-reached', shadowedBy: null },
    { name: 'whatever-passes', outcome: 'not-reached', shadowedBy: 'ipip-across-zones' },
  ]);

  const { wire } = ask('10.64.11.7', 'rack-1');
  t.same(
    wire!.headers.map(({ header, bytes, source, destination }) => [
      header,
      bytes,
      source,
      destination,
    ]),
    [
      ['outer IPv4', 20, '192.168.10.11', '10.1.0.10'],
      ['UDP', 8, 'port from the inner flow', 'port 4789'],
      ['VXLAN', 8, null, null],
      ['inner Ethernet', 14, '02:57:30:ac:81:42', '02:b2:81:f6:a4:cb'],
      ['inner IPv4', null, '10.64.1.0/24', '10.64.11.7'],
    ],
  );
  t.match(wire!.ledger, { pathMtu: 1446, overheadBytes: 50, largestInnerPacket: 1396 });
  t.match(wire!.ledger, { tcpMss: 1356, pingPayload: 1368 });
  const six = ask('fd64:0:0:21::7', 'rack-1').wire!.ledger;
  t.match(six, { largestInnerPacket: 1350, tcpMss: 1290, pingPayload: 1302 });
  t.end();
});

t.test('the way back is the owner’s own decision', (t) => {
  t.match(ask('10.64.21.7', 'rack-1').returnPath, {
    from: 'az-1',
    to: 'rack-1',
    prefix: '10.64.1.0/24',
    kind: 'VXLAN',
    asymmetric: false,
    differences: [],
  });
  const report = ask('10.64.11.7', 'rack-1');
  t.match(report.verdict, { kind: 'VXLAN', mtu: 1396 });
  t.match(report.returnPath, {
    kind: 'IPIP',
    mtu: 1426,
    rule: 'whatever-passes (cluster.yaml:46)',
    asymmetric: true,
    differences: ['VXLAN there, IPIP back', 'MTU 1396 there, 1426 back'],
  });
  const back = ask('10.64.1.7', 'aws-1');
  t.match(back.verdict, { kind: 'IPIP', mtu: 1426 }, 'and it is what the owner itself says');
  t.match(ask('fd64:0:0:1::7', 'aws-1').returnPath, {
    omitted: 'aws-1 owns no IPv6 overlay prefix to answer to',
  });
  t.end();
});

t.test('a withdrawn owner', (t) => {
  const gone = { ...hybrid.nodes.get('az-1')!, withdrawn: true };
  const cluster = { ...hybrid, nodes: withNode(hybrid.nodes, gone) };
  const report = ask('10.64.21.7', 'rack-1', { snapshot: { cluster, local: undefined } });
  t.match(report.verdict, { kind: 'NO-ROUTE', reason: 'withdrawn', owner: { node: 'az-1' } });
  t.match(report.returnPath, { omitted: 'az-1 has been withdrawn' });
  t.same(report.why.rules, []);
  t.end();
});

t.test('desired against actual', (t) => {
  const states = (report: ExplainReport) =>
    Object.fromEntries(report.kernel.objects.map(({ key, state }) => [key, state]));
  const good = ask('10.64.21.7', 'rack-1', { ...rack1, actual: actualOf(rack1.desired) });
  t.equal(good.verdict.exitCode, 0);
  t.same(good.kernel.effective?.ours, true);
  t.same(states(good), {
    'link slv4a': 'match',
    'address slv4a 10.64.1.0/32': 'match',
    'address slv4a fd64:0:0:1::/128': 'match',
    'address slv4a fe80::57:30ff:feac:8142/64': 'match',
    'fdb slv4a 02:56:5a:85:88:f3': 'match',
    'neighbour slv4a 10.64.21.0': 'match',
    'sysctl net/ipv4/conf/slv4a/forwarding': 'match',
    'sysctl net/ipv4/conf/slv4a/rp_filter': 'match',
    'sysctl net/ipv6/conf/slv4a/disable_ipv6': 'match',
    'sysctl net/ipv6/conf/slv4a/forwarding': 'match',
    [pathRouteKey(parsePrefix('10.64.21.0/24'))]: 'match',
  });

  const without = (type: DesiredObject['type']) =>
    ask('10.64.21.7', 'rack-1', {
      ...rack1,
      actual: actualOf(rack1.desired, (object) => (object.type === type ? undefined : object)),
    });
  for (const [type, count] of [
    ['link', 1],
    ['address', 3],
    ['fdb', 1],
    ['neighbour', 1],
    ['sysctl', 4],
    ['route', 1],
  ] as const) {
    const report = without(type);
    const missing = report.kernel.objects.filter((object) => object.state === 'missing');
    t.same(
      missing.map((object) => object.type),
      Array<string>(count).fill(type),
    );
    t.equal(report.verdict.exitCode, 1, `a missing ${type} is found`);
  }

  const narrow = actualOf(rack1.desired, (object) =>
    object.type === 'route' && object.target.kind === 'unicast'
      ? { ...object, target: { ...object.target, mtu: 1000 } }
      : object,
  );
  const drift = ask('10.64.21.7', 'rack-1', { ...rack1, actual: narrow });
  t.match(
    drift.kernel.objects.filter((object) => object.state === 'drift'),
    [{ type: 'route', attributes: ['target.mtu'] }],
  );
  t.end();
});

t.test('somebody else’s routes', (t) => {
  const actual = actualOf(rack1.desired);
  const theirs = (prefix: string, metric: number): RouteObject => ({
    type: 'route',
    prefix: parsePrefix(prefix),
    table: 254,
    metric,
    protocol: 3,
    target: { kind: 'unreachable' },
  });
  const withRoute = (route: RouteObject): ActualState => ({
    ...actual,
    kernel: { ...actual.kernel, routes: [...actual.kernel.routes, route] },
  });
  const longer = ask('10.64.21.7', 'rack-1', {
    ...rack1,
    actual: withRoute(theirs('10.64.21.7/32', 0)),
  });
  t.match(longer.kernel.effective, { ours: false, route: /10\.64\.21\.7\/32/ });
  t.equal(longer.verdict.exitCode, 1);
  const other = ask('10.64.21.8', 'rack-1', {
    ...rack1,
    actual: withRoute(theirs('10.64.21.7/32', 0)),
  });
  t.match(other.kernel.effective, { ours: true });
  const cheaper = withRoute(theirs('10.64.21.0/24', 0));
  t.match(ask('10.64.21.8', 'rack-1', { ...rack1, actual: cheaper }).kernel.effective, {
    ours: false,
  });
  const dearer = withRoute(theirs('10.64.21.0/24', 9999));
  t.match(ask('10.64.21.8', 'rack-1', { ...rack1, actual: dearer }).kernel.effective, {
    ours: true,
  });
  const held = actualOf(rack1.desired, (object) =>
    object.type === 'route' ? { ...object, protocol: 3 } : object,
  );
  t.match(
    ask('10.64.21.7', 'rack-1', { ...rack1, actual: held }).kernel.objects.filter(
      (object) => object.type === 'route',
    ),
    [{ state: 'foreign', holder: 'protocol 3' }],
  );
  t.end();
});

t.test('a way that this kernel cannot go is no way', (t) => {
  const poor = kernelOf(hybrid, 'rack-1', []);
  const report = ask('10.64.21.7', 'rack-1', { ...poor, actual: actualOf(poor.desired) });
  t.match(report.verdict, { kind: 'NO-ROUTE', reason: 'no-data-plane', exitCode: 1 });
  t.match(report.verdict.summary, /this kernel cannot make vxlan devices/);
  t.equal(report.wire, null);
  t.end();
});

t.test('an address, a prefix, a name: what people paste', (t) => {
  const destination = (text: string) => {
    const found = resolveDestination(hybrid, text);
    return typeof found === 'string' ? found : [found.kind, found.address.text];
  };
  t.same(destination(' 10.64.21.7 '), ['address', '10.64.21.7']);
  t.same(destination('10.64.21.0/24'), ['prefix', '10.64.21.0']);
  t.same(destination('10.64.21.7/24'), ['prefix', '10.64.21.7']);
  t.same(destination('az-1'), ['node', '10.64.21.0']);
  t.match(destination('az-2'), /did you mean az-1\?/);
  t.match(destination('10.64.021.7'), /"10.64.021.7" is neither an address/);
  t.match(destination(''), /its nodes are aws-1, aws-2, az-1, rack-1, rack-2/);
  const wide = resolveDestination(hybrid, '10.64.20.0/22');
  t.match(wide, { note: /10\.64\.20\.0 stands for the prefix/ });
  const sender = (text: string) => {
    const found = resolveNode(hybrid, text);
    return typeof found === 'string' ? found : found.name;
  };
  t.equal(sender('rack-1'), 'rack-1');
  t.equal(sender('192.168.10.12'), 'rack-2');
  t.equal(sender('10.64.12.200'), 'aws-2');
  t.match(sender('203.0.113.1'), /no node of cluster hybrid has the address 203.0.113.1/);
  t.match(sender('rak-1'), /did you mean rack-1\?/);
  t.end();
});

t.test('for every boundary address the explanation is what the routes do', (t) => {
  let compared = 0;
  const kindsSeen = new Set<string>();
  const kindSets = fc.constantFrom<readonly OwnLink['kind'][]>(
    ['vxlan', 'ipip', 'sit', 'ip6tnl'],
    ['vxlan'],
    [],
  );
  fc.assert(
    fc.property(
      arbitraryCluster,
      fc.nat(7),
      kindSets,
      fc.boolean(),
      (cluster, pick, kinds, leave) => {
        const nodes = [...cluster.nodes.values()];
        const self = nodes[pick % nodes.length]!;
        const last = nodes.at(-1)!;
        const current =
          leave && last !== self
            ? { ...cluster, nodes: withNode(cluster.nodes, { ...last, withdrawn: true }) }
            : cluster;
        const { snapshot, desired, rib } = kernelOf(current, self.name, kinds);
        const table = routesOf(desired);
        for (const address of boundaries(rib, current)) {
          const report = explain({
            snapshot,
            destination: address,
            from: self,
            desired,
            actual: actualOf(desired),
          });
          const route = table[address.family].match(address.bytes)?.value;
          kindsSeen.add(report.verdict.kind);
          compared++;
          const wanted = expectedTarget(report);
          const found = route === undefined ? 'none' : foundTarget(route);
          if (wanted !== found)
            throw new Error(`${self.name} → ${address.text}: explained ${wanted}, routed ${found}`);
          if (
            report.verdict.exitCode === 1 &&
            !['DENIED', 'NO-ROUTE'].includes(report.verdict.kind)
          )
            throw new Error(`${address.text}: a kernel in the desired state is called different`);
        }
      },
    ),
    { seed, numRuns: Number(process.env['SELVAGE_RUNS'] ?? 150) },
  );
  t.same([...kindsSeen].sort(), ['DENIED', 'IPIP', 'LOCAL', 'NATIVE', 'NO-ROUTE', 'VXLAN']);
  t.pass(`${compared} addresses of random clusters from seed ${seed}`);
  t.end();
});

/** First, last, the one before and the one after of every prefix and pool. */
function boundaries(rib: Rib, cluster: Cluster): Address[] {
  const prefixes = [...rib.decisions.values()].map((decision) => decision.prefix);
  return [...prefixes, ...cluster.pools].flatMap((prefix) =>
    [
      firstAddress(prefix),
      lastAddress(prefix),
      offsetAddress(firstAddress(prefix), -1n),
      offsetAddress(lastAddress(prefix), 1n),
    ].filter((address) => address !== undefined),
  );
}

/** The routes as the kernel looks them up: longest prefix, then the smallest metric. */
function routesOf(desired: DesiredState): Readonly<Record<4 | 6, Lpm<RouteObject>>> {
  const tables = { 4: new Lpm<RouteObject>(4), 6: new Lpm<RouteObject>(6) };
  for (const object of desired.objects.values()) {
    if (object.type !== 'route' || object.protocol !== routeProtocol) continue;
    const table = tables[object.prefix.family];
    const standing = table.get(object.prefix);
    if (standing === undefined || object.metric < standing.metric) table.set(object.prefix, object);
  }
  return tables;
}

function expectedTarget(report: ExplainReport): string {
  const { verdict } = report;
  switch (verdict.kind) {
    case 'LOCAL':
      return 'blackhole';
    case 'DENIED':
      return 'prohibit';
    case 'NO-ROUTE':
      return verdict.prefix === null ? 'none' : 'unreachable';
    case 'NATIVE':
      return `native mtu ${verdict.mtu}`;
    case 'IPIP':
    case 'VXLAN':
      return `${verdict.mode} IPv${verdict.outerFamily} mtu ${verdict.mtu}`;
  }
}

function foundTarget({ target }: RouteObject): string {
  if (target.kind !== 'unicast') return target.kind;
  return `${carriages[target.device]} mtu ${target.mtu}`;
}
