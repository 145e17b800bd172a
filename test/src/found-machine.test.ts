/** What a node finds out about its own machine reaches the others, and an operator's word stays. */
import t from 'tap';
import { nodeTable } from '../../encap/node-table.js';
import { planesBesides } from '../../routes/kernel-planes.js';
import { joinNode } from '../../src/fleet/join.js';
import type { NodeFindings } from '../../src/store/store.js';
import { parseClusterFile } from '../../src/config/index.js';
import { probedPlanes, withFindings } from '../../src/store/fleet/found.js';
import { groundOf } from '../../src/store/fleet/ground.js';
import type { RecordValue } from '../../src/store/fleet/records.js';
import type { Entry } from '../../src/store/kv.js';
import type { OwnLink } from '../../tunnel/kernel.js';
import { ownKinds } from '../../tunnel/link-kinds/index.js';
import { eventually } from '../support/agents.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { FleetAgent } from '../support/fleet-agent.js';
import { fleetOf, joinAs, joinRequest } from '../support/fleet.js';
import { kernelOf } from '../support/node-world.js';

const text = `cluster: c
overlay: { pools: [10.64.0.0/16], settleSeconds: 0 }
zones: [{ name: rack, provider: onprem, mtu: 9000, subnets: [10.1.0.0/16], firewall: { ipip: allowed } }]
`;
const ipipOnly = [...ownKinds].filter((kind) => kind !== 'ipip');

const read = parseClusterFile({ text, file: 'f', members: 'registering' });
if (!read.ok) throw new Error('the configuration is wrong');
const context = { name: 'n1', ground: groundOf({ ...read.cluster, nodes: nodeTable([]) }) };
const bare = { name: 'n1', zone: 'rack', address: '10.1.0.1/24', overlay: ['10.64.0.0/24'] };

function entryOf(value: object | string): Entry {
  const json = typeof value === 'string' ? value : JSON.stringify({ version: 1, ...value });
  return { key: 'record/n1', value: json, createRevision: 1, modRevision: 1 };
}

function found(lacking: readonly OwnLink['kind'][], more: Partial<NodeFindings> = {}) {
  const kinds = new Set([...ownKinds].filter((kind) => !lacking.includes(kind)));
  return { planes: planesBesides(kinds), mtu: 9000, isUp: true, ...more };
}

/** The record after each look at the machine; undefined: it was left as it was. */
function after(value: object | string, look: NodeFindings): RecordValue | undefined {
  const next = withFindings(entryOf(value), look, context);
  return next === undefined ? undefined : (JSON.parse(next) as RecordValue);
}

t.test('a kernel is described by what it lacks', (t) => {
  t.same(planesBesides(new Set(ownKinds)), {});
  t.same(planesBesides(new Set(ipipOnly)), { 'ipip:4:4': 'userspace' });
  t.same(planesBesides(new Set(['vxlan'])), {
    ...{ 'ipip:4:4': 'none', 'ipip:4:6': 'none', 'ipip:6:4': 'none', 'ipip:6:6': 'none' },
  });
  t.same(planesBesides(new Set(['ipip', 'sit', 'ip6tnl', 'tun'])), {
    ...{ 'vxlan:4:4': 'none', 'vxlan:4:6': 'none', 'vxlan:6:4': 'none', 'vxlan:6:6': 'none' },
  });
  t.end();
});

t.test('a later look changes what an earlier one wrote, and nothing else', (t) => {
  t.equal(after({ node: bare }, found([])), undefined, 'a kernel that does all has nothing to say');
  const later = { ...bare, labels: { rack: 'r1' }, ofLaterReleases: { x: 1 } };
  const lacking = after({ node: later, note: 'kept' }, found(['ipip'], { mtu: 1400 }))!;
  t.same(lacking, {
    version: 1,
    note: 'kept',
    node: { ...later, accepts: { 'ipip/4/4': 'userspace' }, mtu: 1400 },
    probed: { accepts: { 'ipip/4/4': 'userspace' }, mtu: 1400 },
  });
  t.equal(after(lacking, found(['ipip'], { mtu: 1400 })), undefined, 'once');
  t.equal(after(lacking, found(['ipip'], { mtu: undefined })), undefined, 'not known: as it was');
  t.same(probedPlanes(entryOf(lacking)), { 'ipip:4:4': 'userspace' });
  const more = after(lacking, found(['ipip', 'sit'], { mtu: 1400, isUp: false }))!;
  t.same(
    more.node['accepts'],
    { 'ipip/4/4': 'userspace', 'ipip/4/6': 'none' },
    'what it lost is told at once',
  );
  t.equal(
    after(lacking, found([], { mtu: 1400, isUp: false })),
    undefined,
    'what it gained not before it is received',
  );
  t.same(after(lacking, found([])), { version: 1, note: 'kept', node: later });
  t.end();
});

t.test("an operator's word wins and stays", (t) => {
  for (const accepts of [{ ipip: 'kernel' }, { 'ipip/4/4': 'none' }, { 'ipip/4/4': 'kernel' }])
    t.equal(
      after({ node: { ...bare, accepts } }, found(['ipip'])),
      undefined,
      JSON.stringify(accepts),
    );
  t.same(
    after(
      { node: { ...bare, accepts: { vxlan: 'none' }, mtu: 1300 } },
      found(['ipip'], { mtu: 1200 }),
    )?.node,
    { ...bare, accepts: { vxlan: 'none', 'ipip/4/4': 'userspace' }, mtu: 1300 },
  );
  const probed = { accepts: { 'ipip/4/4': 'userspace' }, mtu: 1400 };
  const over = { ...bare, accepts: { 'ipip/4/4': 'none' }, mtu: 1300 };
  t.same(after({ node: over, probed }, found([])), { version: 1, node: over });
  t.same(probedPlanes(entryOf({ node: over, probed })), {}, 'which no look has found');
  t.end();
});

t.test('what nobody could read then is not written, and what cannot be read stays', (t) => {
  t.equal(after({ node: bare }, found([], { mtu: 300 })), undefined, 'no MTU of a node');
  for (const value of ['{', '{"version":99,"node":{}}', '{"version":1,"node":{"accepts":7}}'])
    t.equal(after(value, found(['ipip'])), undefined, value);
  t.match(after({ node: bare, probed: 'who knows' }, found(['ipip']))?.probed, {
    accepts: { 'ipip/4/4': 'userspace' },
  });
  t.end();
});

t.test('a join tells it of this machine, and of another one nothing', async (t) => {
  const { server, keys } = await fleetOf(text);
  const kv = server.client();
  const recordOf = async (name: string): Promise<RecordValue> =>
    JSON.parse((await kv.get(keys.record(name)))!.value) as RecordValue;
  const request = joinRequest({ name: 'n1', address: '10.1.0.1/24' });
  const machine = {
    ...request.machine,
    mtuOf: () => 1500,
    planes: planesBesides(new Set(ipipOnly)),
  };
  await joinNode(kv, { ...request, machine });
  t.match(await recordOf('n1'), {
    node: { accepts: { 'ipip/4/4': 'userspace' }, mtu: 1500 },
    probed: { accepts: { 'ipip/4/4': 'userspace' }, mtu: 1500 },
  });
  await joinNode(kv, { ...request, machine: { ...machine, planes: {}, mtuOf: () => 9000 } });
  t.same(
    (await recordOf('n1')).probed,
    { accepts: { 'ipip/4/4': 'userspace' } },
    'what its kernel does now its agent tells',
  );
  await joinAs(kv, { name: 'n2', address: '10.1.0.2/24' });
  const other = await recordOf('n2');
  t.same([other.node['accepts'], other.probed], [undefined, undefined]);
});

t.test("a module comes and goes: peers' auto follows, and nothing is sent too early", async (t) => {
  const { server, keys } = await fleetOf(text);
  const kv = server.client();
  let kinds: readonly OwnLink['kind'][] = ipipOnly;
  let skippedMs = 0;
  const agents = new Map<string, FleetAgent>();
  t.teardown(() => Promise.all([...agents.values()].map((agent) => agent.stop())));
  const early: string[] = [];
  const kernels = ['n1', 'n2'].map((name, i) => {
    // Two subnets, so that neither is next to the other.
    const at = `10.1.${i}.1/24`;
    const sketch = sketchCluster({ nodes: [{ name, at, overlay: [] }] });
    return { name, at, kernel: kernelOf(sketch, name) };
  });
  const [one, two] = [kernels[0]!.kernel, kernels[1]!.kernel];
  one.probeKinds = () => Promise.resolve(new Set(kinds));
  const watch = (): void => {
    const [from, to] = [agents.get('n2')?.spoken, agents.get('n1')?.spoken];
    for (const term of from?.sends ?? [])
      if (to !== undefined && !to.receives.includes(term)) early.push(term);
  };
  for (const { name, at, kernel } of kernels) {
    await joinAs(kv, { name, address: at });
    const options = {
      node: name,
      kernel,
      onPass: watch,
      nowMs: () => performance.now() + skippedMs,
    };
    agents.set(name, new FleetAgent(server, options));
  }
  const deviceTo = (): string =>
    /10\.64\.0\.0\/24[^\n]* dev (\S+)/.exec(two.print())?.[1] ?? 'none';
  const record = async (): Promise<RecordValue> =>
    JSON.parse((await kv.get(keys.record('n1')))!.value) as RecordValue;
  const until = (device: string, accepts: object | undefined): Promise<number> =>
    eventually(
      async () => {
        const told = (await record()).node['accepts'];
        return deviceTo() === device && JSON.stringify(told) === JSON.stringify(accepts);
      },
      () => `no ${device}: ${two.print()}`,
      20_000,
    );
  const heard = kv.watch(keys.record('n1'), {
    onSnapshot: () => undefined,
    onEvents: ([event]) => {
      const grown = event?.kind === 'put' && !event.entry.value.includes('accepts');
      const receives = agents.get('n1')!.spoken?.receives ?? [];
      if (grown && !receives.includes('ipip:4:4')) early.push('told before it was received');
    },
  });
  t.teardown(() => heard.close());
  await until('slv4a', { 'ipip/4/4': 'userspace' });
  t.equal((await kv.get(keys.record('n2')))!.value.includes('probed'), false);
  kinds = ownKinds;
  skippedMs += 120_000;
  await agents.get('n1')!.pass();
  await until('slip4', undefined);
  t.match(one.print(), /slip4/);
  kinds = ipipOnly;
  skippedMs += 120_000;
  await agents.get('n1')!.pass();
  await until('slv4a', { 'ipip/4/4': 'userspace' });
  t.same(early, [], 'no packet was sent that nobody received');
});
