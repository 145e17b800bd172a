/**
 * Probes between real agents, over an underlay that can be told to lose packets:
 *
 *     namespace a                     namespace m                     namespace b
 *     10.64.1.0  slv4a, slip4                                         10.64.2.0  slv4a, slip4
 *     192.0.2.1  eth0 ─────────── p1  br0 (nft bridge)  p2 ─────────── eth0  192.0.2.2
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { ProbeEvidence } from '../../routes/diagnose/evidence.js';
import { agentRequest } from '../../src/agent/client.js';
import type { PairProbing } from '../../src/probe/service.js';
import { AgentFolder, type TestAgent, eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import { type Namespace, createNamespace, vethPair } from '../support/netns.js';

const skip = skipReason('root', 'netns', 'nft', 'kernel-vxlan');

const yaml = (rule: string): string => `
cluster: pair
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  settleSeconds: 0
rules:
  - { name: v4, family: 4, mode: ${rule}, force: true }
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }
  - { name: b, address: 192.0.2.2/24, overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }
`;

async function probe(agent: TestAgent, query = ''): Promise<PairProbing> {
  const { socket } = agent;
  const peer = agent.node === 'a' ? 'b' : 'a';
  const path = `/v1/probe?destination=${peer}${query}`;
  return (await agentRequest({ socket, method: 'POST', path })) as PairProbing;
}

/** The one probe of these properties. */
function one(result: PairProbing, of: Partial<ProbeEvidence>): ProbeEvidence {
  const found = result.probes.filter((entry) =>
    Object.entries(of).every(([key, value]) => entry[key as keyof ProbeEvidence] === value),
  );
  if (found.length !== 1)
    throw new Error(`${found.length} probes are ${JSON.stringify(of)}: ${JSON.stringify(result)}`);
  return found[0]!;
}

const routed = { layer: 'tunnel', path: 'routed' } as const;
const all = (n: number) => ({
  'sender-tunnel': n,
  'sender-nic': n,
  'receiver-nic': n,
  'receiver-tunnel': n,
  delivered: n,
});

t.setTimeout(120_000);
t.test('two agents, and what is lost between them', { skip, timeout: 110_000 }, async (t) => {
  const [a, b, m] = [createNamespace(t), createNamespace(t), createNamespace(t)];
  for (const [namespace, host, port] of [
    [a, 1, 'p1'],
    [b, 2, 'p2'],
  ] as const)
    vethPair(
      { namespace, device: 'eth0', addresses: [`192.0.2.${host}/24`], mtu: 1500 },
      { namespace: m, device: port, mtu: 1500 },
    );
  m.ip(
    'link add br0 type bridge',
    'link set p1 master br0',
    'link set p2 master br0',
    'link set br0 up',
  );
  const loses = (...rules: readonly string[]): void => underlayLoses(m, rules);
  const folder = new AgentFolder(t, yaml('vxlan'));
  const key = join(folder.path, 'cluster.key');
  writeFileSync(key, 'a secret of at least 32 bytes, for tests\n', { mode: 0o600 });
  const agentA = folder.start(a, 'a', '--cluster-key', key);
  let agentB = folder.start(b, 'b', '--cluster-key', key);
  await Promise.all([agentA.ready(), agentB.ready()]);
  await eventually(
    async () => (await probe(agentA)).peerView !== null,
    () => 'b never tells its view',
  );
  await t.test('healthy: every packet is seen at every place, in both directions', async (t) => {
    const result = await probe(agentA);
    t.same([result.peerSilence, result.notes], [null, []]);
    t.match(result.peerView, { node: 'b', agent: 'running', terms: { verdict: 'VXLAN' } });
    t.match(result.view, { node: 'a', agent: 'running' });
    t.same(result.pathMtu, {
      family: 4,
      expectedBytes: 1450,
      measuredBytes: 1450,
      blackHole: false,
    });
    for (const layer of ['underlay', 'control', 'inner'] as const) {
      const { sent, answered, rttMs } = one(result, { layer });
      t.same([sent, answered], [5, 5], layer);
      t.ok(rttMs !== null && rttMs.min <= rttMs.avg && rttMs.avg <= rttMs.max, layer);
    }
    for (const direction of ['there', 'back'] as const) {
      const small = one(result, { ...routed, direction });
      t.same(small.seen, all(5), `${direction} at every place`);
      t.equal(small.mode, 'vxlan');
      const large = one(result, { layer: 'size', direction });
      t.same([large.packetBytes, large.seen], [1450, all(2)], `${direction}, 1450 bytes`);
    }
  });
  await t.test('ways that are not in use are tried, and leave no trace', async (t) => {
    const before = await footprint(agentA, agentB);
    const crafted = { layer: 'tunnel', path: 'crafted' } as const;
    const ipip = one(await probe(agentA), { ...crafted, mode: 'ipip' });
    t.match(ipip.seen, { 'sender-nic': 5, 'receiver-nic': 5, delivered: 0 }, 'b receives no ipip');
    loses('ip protocol 4');
    const result = await probe(agentA);
    t.match(one(result, { ...crafted, mode: 'ipip' }).seen, { 'sender-nic': 5, 'receiver-nic': 0 });
    t.match(one(result, { ...crafted, mode: 'vxlan' }).seen, { 'receiver-nic': 5, delivered: 5 });
    loses();
    t.same(await footprint(agentA, agentB), before, 'no route, rule or counter has changed');
    const native = one(await probe(agentA, '&craft=all'), { ...crafted, mode: 'native' });
    t.same(native.errors, [], "past this node's own guard");
    t.match(native.seen, { 'sender-nic': 5, 'receiver-nic': 5 });
  });

  await t.test('both families', async (t) => {
    const result = await probe(agentA, '&family=6&craft=no&count=3');
    t.same(one(result, { ...routed, direction: 'there' }).seen, all(3));
    t.same(one(result, { ...routed, direction: 'back' }).seen, all(3));
    t.match(result.pathMtu, { expectedBytes: 1450, measuredBytes: 1450 });
  });

  await t.test('the tunnel lost one way: the place says where', async (t) => {
    loses('ip saddr 192.0.2.1 udp dport 4789');
    const result = await probe(agentA, '&craft=no');
    const there = one(result, { ...routed, direction: 'there' });
    t.same(there.seen, {
      'sender-tunnel': 5,
      'sender-nic': 5,
      'receiver-nic': 0,
      'receiver-tunnel': 0,
      delivered: 0,
    });
    t.same(one(result, { ...routed, direction: 'back' }).seen, all(5));
    t.equal(one(result, { layer: 'underlay' }).answered, 5);
    t.equal(one(result, { layer: 'inner' }).answered, 0);
    t.equal(result.pathMtu?.measuredBytes, null);
    t.equal(result.peerView?.node, 'b', 'the talk of the agents does not need the tunnel');
    loses();
  });

  await t.test("dropped by the peer's guard: seen at its NIC, not at its tunnel", async (t) => {
    // Frozen, so that the rule stays.
    await post(agentB, '/v1/freeze');
    b.run('nft', ['insert rule inet selvage_guard input ip saddr 192.0.2.1 udp dport 4789 drop']);
    const result = await probe(agentA, '&craft=no');
    t.match(one(result, { ...routed, direction: 'there' }).seen, {
      'receiver-nic': 5,
      'receiver-tunnel': 0,
      delivered: 0,
    });
    t.equal(result.peerView?.agent, 'frozen');
    await post(agentB, '/v1/thaw');
    await eventually(
      async () => one(await probe(agentA, '&craft=no'), { layer: 'inner' }).answered === 5,
      () => 'the guard is not as it was',
    );
  });

  await t.test('a path that swallows large packets is measured', async (t) => {
    loses('meta length > 1400');
    const result = await probe(agentA, '&craft=no');
    // What the bridge counts is the IP packet: 50 bytes of it are not the inner packet.
    t.same(result.pathMtu, {
      family: 4,
      expectedBytes: 1450,
      measuredBytes: 1350,
      blackHole: true,
    });
    t.same(one(result, { ...routed, direction: 'there' }).seen, all(5), 'small ones pass');
    t.match(one(result, { layer: 'size', direction: 'there' }).seen, {
      'sender-nic': 2,
      'receiver-nic': 0,
    });
    loses();
  });

  await t.test('without the underlay for it the agents talk through the tunnel', async (t) => {
    loses('udp dport 8473');
    const result = await probe(agentA, '&craft=no');
    t.equal(one(result, { layer: 'control' }).answered, 0);
    t.equal(result.peerView?.node, 'b');
    t.same(one(result, { ...routed, direction: 'back' }).seen, all(5));
    loses();
  });

  await t.test('userspace IP-in-IP, and protocol 4 lost on the way back', async (t) => {
    folder.write(yaml('ipip'));
    await eventually(
      async () =>
        [a, b].every((node) => node.run('ip', ['route']).includes('dev slip4')) &&
        one(await probe(agentA, '&craft=no'), { layer: 'inner' }).answered === 5,
      () => `not on slip4: ${a.ip('route')}`,
    );
    const well = await probe(agentA, '&craft=no');
    for (const direction of ['there', 'back'] as const)
      t.match(one(well, { ...routed, direction }), { mode: 'ipip', seen: all(5) });
    loses('ip saddr 192.0.2.2 ip protocol 4');
    const result = await probe(agentA, '&craft=no');
    t.same(one(result, { ...routed, direction: 'there' }).seen, all(5));
    t.same(one(result, { ...routed, direction: 'back' }).seen, {
      ...all(0),
      'sender-tunnel': 5,
      'sender-nic': 5,
    });
    t.equal(one(result, { layer: 'inner' }).answered, 0, 'which an echo alone cannot tell');
    loses();
  });

  await t.test('a peer without an agent: what can be seen from here', async (t) => {
    await agentB.kill('SIGKILL');
    const started = performance.now();
    const result = await probe(agentA, '&craft=no');
    t.comment(`${Math.round(performance.now() - started)} ms`);
    t.equal(result.peerView, null);
    t.match(result.peerSilence, /nobody listens on UDP port 8473 of b/);
    t.same(one(result, { ...routed, direction: 'there' }).seen, {
      'sender-tunnel': 5,
      'sender-nic': 5,
    });
    t.same(
      result.probes.filter(({ direction }) => direction === 'back'),
      [],
    );
    t.equal(one(result, { layer: 'inner' }).answered, 5, 'forwarding goes on');
  });

  await t.test('another key, or none: silence, and a reason', async (t) => {
    const other = join(folder.path, 'other.key');
    writeFileSync(other, 'another secret of at least 32 bytes, too\n', { mode: 0o600 });
    agentB = folder.start(b, 'b', '--cluster-key', other);
    await agentB.ready();
    t.match((await probe(agentA, '&craft=no')).peerSilence, /answers none of 5 questions/);
    const alone = await probe(agentB, '&craft=no');
    t.match(alone.peerSilence, /answers none/);
    await agentB.kill('SIGTERM');
    chmodSync(other, 0o640);
    const refused = folder.start(b, 'b', '--cluster-key', other);
    t.equal(await new Promise((resolve) => refused.process.once('exit', resolve)), 3);
    t.match(refused.log().join('\n'), /others than its owner may open it \(mode 0640\)/);
    agentB = folder.start(b, 'b', '--cluster-key', join(folder.path, 'none.key'));
    await agentB.ready();
    const local = await probe(agentB, '&craft=no');
    t.match(local.peerSilence, /b has no cluster key .*none\.key/);
    t.equal(one(local, { layer: 'underlay' }).answered, 5);
    t.equal(one(local, { layer: 'inner' }).answered, 5);
    t.match(one(local, { ...routed, direction: 'there' }).seen, { 'sender-nic': 5 });
    const secret = /a secret of|another secret/;
    for (const agent of [agentA, agentB, refused]) t.notMatch(agent.log().join('\n'), secret);
  });
});

function post(agent: TestAgent, path: string): Promise<unknown> {
  return agentRequest({ socket: agent.socket, method: 'POST', path });
}

/** What a probe must not change: routes, devices, the guard's rules and what it has dropped. */
async function footprint(...agents: readonly TestAgent[]): Promise<unknown> {
  return Promise.all(
    agents.map(async (agent) => {
      const { guard, repairs, problems } = await agent.status();
      return { guard, repairs, problems };
    }),
  );
}

/** Bridge rules of the underlay, replaced as a whole; none: it loses nothing. */
function underlayLoses(m: Namespace, rules: readonly string[]): void {
  const lines = rules.map((rule) => `    ${rule} drop`).join('\n');
  m.run('nft', ['-f', '-'], {
    input: `table bridge f\ndelete table bridge f\ntable bridge f {\n  chain c {\n    type filter hook forward priority 0;\n${lines}\n  }\n}\n`,
  });
}
