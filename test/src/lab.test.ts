/** The lab without a machine: plans, filters, captures and verdicts. */
import fc from 'fast-check';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import { encodeIpv4 } from '../../encap/wire/ipv4.js';
import { gatewayOf } from '../../src/lab/addressing.js';
import type { PairEnds } from '../../src/lab/expectation.js';
import { inTurns } from '../../src/lab/in-turns.js';
import { judge } from '../../src/lab/judge.js';
import { type Matrix, type MatrixPair, matrixTotals } from '../../src/lab/matrix.js';
import { matrixText } from '../../src/lab/matrix-text.js';
import { checkLabName, labPaths, namespaceName, nodePaths } from '../../src/lab/names.js';
import { Observer } from '../../src/lab/observe.js';
import { PcapReader } from '../../src/lab/pcap.js';
import { planLab } from '../../src/lab/plan.js';
import { newTrial } from '../../src/lab/probes.js';
import { progressDisplay } from '../../src/lab/progress-display.js';
import { zoneRuleset } from '../../src/lab/ruleset.js';
import { topologyOf } from '../../src/lab/topology.js';
import { clusterOf, link } from '../netns/lab-support.js';

const seed = 20_241_122;

const plan = planLab(
  clusterOf({
    zones: {
      rack: { provider: 'onprem', subnets: ['192.168.10.0/24=row'] },
      'rack-too': { provider: 'onprem', subnets: ['192.168.11.0/24=row'] },
      aws: { provider: 'aws', subnets: ['10.1.0.0/24', '10.1.1.0/24'] },
      gce: { provider: 'gce', subnets: ['10.2.0.0/24'] },
    },
    nodes: {
      r1: { zone: 'rack', underlay: ['192.168.10.1/24'], overlay: ['10.64.1.0/24'] },
      r2: { zone: 'rack-too', underlay: ['192.168.11.5/24'], overlay: ['10.64.2.0/24'] },
      a1: { zone: 'aws', underlay: ['10.1.0.5/24'], overlay: ['10.64.3.0/31', '10.64.4.0/24'] },
      a2: { zone: 'aws', underlay: ['10.1.0.6/24'], overlay: ['10.64.5.0/32'] },
      a3: { zone: 'aws', underlay: ['10.1.1.7/24'], overlay: ['10.64.6.0/24'], mtu: 1500 },
      g1: { zone: 'gce', underlay: ['10.2.0.5/24'], overlay: ['10.64.7.0/24', 'fd64:7::/64'] },
      g2: { zone: 'gce', underlay: ['10.2.0.6/24'], overlay: ['10.64.8.0/24'] },
    },
    links: [
      { ...link('rack', 'aws', { mtu: 1446 }) },
      {
        ...link('rack', 'aws', { mtu: 1300 }),
        ends: [
          { kind: 'provider', provider: 'onprem' },
          { kind: 'provider', provider: 'aws' },
        ],
      },
    ],
  }),
  { lab: 'paper' },
);

t.test('who shares an Ethernet', (t) => {
  const bridges = plan.zones.flatMap((zone) =>
    zone.bridges.map((bridge) => `${zone.name} ${bridge.wiring} ${bridge.members.join('+')}`),
  );
  t.strictSame(bridges, [
    'rack shared r1',
    'rack-too shared r2',
    'aws shared a1+a2',
    'aws shared a3',
    'gce gateway g1',
    'gce gateway g2',
  ]);
  t.strictSame(
    plan.trunks.map((trunk) => trunk.ends.map((end) => `${end.zone} ${end.bridge}`)),
    [['rack b0', 'rack-too b0']],
    'a segment of two zones is one Ethernet',
  );
  t.end();
});

t.test('what each node is given', (t) => {
  const node = (name: string) => plan.nodes.find((entry) => entry.name === name)!;
  t.equal(node('g1').addresses[0]!.length, 32, 'a GCE NIC has a /32 whatever the file says');
  t.equal(node('r1').gateways[0]!.text, '192.168.10.2', 'the first free address is the gateway');
  t.equal(node('a1').nicMtu, 9001);
  t.equal(node('a3').nicMtu, 1500);
  t.equal(node('a3').workloadMtu, 1564);
  t.equal(node('a1').workload[0]!.address.text, '10.64.4.2', 'a /31 has no room for a workload');
  t.strictSame(node('a2').workload, []);
  t.match(node('a2').notes.join(), /no IPv4 workload: 10\.64\.5\.0\/32/);
  t.strictSame(
    node('g1').workload.map((entry) => `${entry.address.text} ${entry.gateway.text}`),
    ['10.64.7.2 10.64.7.1', 'fd64:7::2 fd64:7::1'],
  );
  t.end();
});

t.test('the ways between zones', (t) => {
  const path = (a: string, b: string) =>
    plan.paths.find((entry) => entry.zones.join() === `${a},${b}`)!;
  t.equal(plan.paths.length, 6, 'each two zones');
  t.equal(path('rack', 'aws').mtu, 1446, 'the link of the zones before that of the providers');
  t.equal(path('rack-too', 'aws').mtu, 1300);
  t.equal(path('aws', 'gce').mtu, 1440, 'undeclared: the smaller of the two providers’ VPNs');
  t.equal(path('rack', 'rack-too').mtu, 65_535);
  t.equal(path('rack', 'rack-too').announcesOverlay, true);
  t.equal(path('rack', 'aws').announcesOverlay, false);
  t.throws(() => planLab(plan.cluster, { lab: 'paper', blackHoles: [['rack', 'mars']] }), {
    message: /there is no zone "mars"/,
  });
  const swallowing = planLab(plan.cluster, { lab: 'paper', blackHoles: [['aws', 'rack']] });
  t.match(
    zoneRuleset(swallowing, 'rack'),
    /frag-needed @th,192,32 & 0xffffffff == 0xa010005 counter drop/,
    'the answer about 10.1.0.5 is lost on its way back',
  );
  t.notMatch(zoneRuleset(swallowing, 'gce'), /frag-needed/);
  t.end();
});

t.test('a plan is the same plan every time', (t) => {
  const again = planLab(plan.cluster, { lab: 'paper' });
  t.strictSame(JSON.stringify(topologyOf(again)), JSON.stringify(topologyOf(plan)));
  t.throws(() => planLab(clusterOf({ zones: {}, nodes: {} }), { lab: 'x' }), {
    message: /the cluster has no nodes/,
  });
  t.end();
});

t.test('names', (t) => {
  for (const good of ['a', 'default', 'a-1', 'a'.repeat(32)]) t.equal(checkLabName(good), good);
  for (const bad of ['', '-a', 'a-', 'A', 'a.b', 'a/b', '../a', 'a'.repeat(33)])
    t.throws(() => checkLabName(bad), { message: /as the name of a lab/ }, `"${bad}"`);
  t.throws(() => namespaceName('a', 'node', '../../etc'), { message: /its name must be/ });
  t.equal(namespaceName('a', 'zone', 'rack.1'), 'slvlab-a-z.rack.1');
  const longest = nodePaths(labPaths('a'.repeat(32)), 999).runtimeDir;
  t.ok(`${longest}/plane-slip4.sock`.length <= 107, 'a unix socket’s path fits');
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z][a-z-]{0,6}[a-z]$/),
      fc.stringMatching(/^[a-z][a-z-]{0,6}[a-z]$/),
      fc.stringMatching(/^[a-z][a-z.-]{0,6}[a-z]$/),
      (a, b, member) =>
        a === b || namespaceName(a, 'zone', member) !== namespaceName(b, 'zone', member),
    ),
    { seed },
  );
  t.end();
});

t.test('gateways', (t) => {
  const gateway = (subnet: string, ...taken: string[]) =>
    gatewayOf(parsePrefix(subnet), taken.map(parseAddress)).text;
  t.equal(gateway('10.0.0.0/24'), '10.0.0.1');
  t.equal(gateway('10.0.0.0/30', '10.0.0.1'), '10.0.0.2');
  t.equal(gateway('10.0.0.0/30', '10.0.0.1', '10.0.0.2'), '169.254.1.1', 'no room');
  t.equal(gateway('10.0.0.7/32'), '169.254.1.1');
  t.equal(gateway('fd00::7/128'), 'fe80::1');
  t.end();
});

/** A pcap stream of frames, in the byte order asked for. */
function pcapOf(frames: readonly Uint8Array[], order: 'LE' | 'BE'): Buffer {
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (order === 'LE') bytes.writeUInt32LE(value);
    else bytes.writeUInt32BE(value);
    return bytes;
  };
  const head = [u32(0xa1b2c3d4), Buffer.alloc(12), u32(256), u32(1)];
  return Buffer.concat([
    ...head,
    ...frames.flatMap((frame) => [u32(1), u32(2), u32(frame.length), u32(9000), frame]),
  ]);
}

t.test('a capture is read however it is cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
      fc.constantFrom<'LE' | 'BE'>('LE', 'BE'),
      fc.integer({ min: 1, max: 30 }),
      (frames, order, step) => {
        const seen: string[] = [];
        const reader = new PcapReader((frame) =>
          seen.push(Buffer.from(frame.bytes).toString('hex')),
        );
        const stream = pcapOf(frames, order);
        for (let at = 0; at < stream.length; at += step)
          reader.push(stream.subarray(at, at + step));
        return seen.join() === frames.map((frame) => Buffer.from(frame).toString('hex')).join();
      },
    ),
    { seed },
  );
  t.throws(() => new PcapReader(() => undefined).push(Buffer.alloc(24)), { message: /not pcap/ });
  t.end();
});

const [a1, a3] = ['a1', 'a3'].map((name) => plan.nodes.find((node) => node.name === name)!);
const pair: PairEnds = {
  from: a1!,
  to: a3!,
  source: a1!.workload[0]!,
  destination: a3!.workload[0]!,
};

/** 10.64.4.2 → 10.64.6.2, UDP, without encapsulation. */
function nativeFrame(sourceMac: string): Uint8Array {
  const frame = Buffer.alloc(42);
  frame.write(`060000000009${sourceMac.replaceAll(':', '')}0800`, 'hex');
  encodeIpv4(frame, 14, {
    protocol: 17,
    source: pair.source.address,
    destination: pair.destination.address,
    payloadLength: 8,
  });
  frame.writeUInt16BE(8, 38);
  return frame;
}

t.test('a captured packet is counted for its pair, at each end once', (t) => {
  const observer = new Observer([pair], { vni: 4096, port: 4789 });
  const frame = nativeFrame(a1!.mac);
  observer.take(a1!, { bytes: frame, originalLength: frame.length });
  const routed = nativeFrame('02:00:00:00:00:99');
  observer.take(a3!, { bytes: routed, originalLength: routed.length });
  const bystander = plan.nodes.find((node) => node.name === 'a2')!;
  observer.take(bystander, { bytes: routed, originalLength: routed.length });
  observer.take(a1!, { bytes: Buffer.from('ffff', 'hex'), originalLength: 2 });
  t.match(observer.of(pair), { departed: { native: 1 }, arrived: { native: 1 }, largestProbe: 28 });
  t.end();
});

function verdict(options: {
  readonly decided?: MatrixPair['decided'];
  readonly agent?: MatrixPair['decided'];
  readonly oversize?: string | undefined;
  readonly full?: number;
}): MatrixPair {
  const { decided = 'native' } = options;
  const mtu = decided === 'deny' ? undefined : 1500;
  const trial = newTrial(pair, () => ({ decided, mtu, plane: 'kernel' }));
  Object.assign(trial.sent, { small: 3, full: 1, over: 1 });
  trial.oversizeRefusal = 'oversize' in options ? options.oversize : 'EMSGSIZE';
  return judge({
    trial,
    observation: {
      departed: decided === 'deny' ? {} : { native: 5 },
      arrived: decided === 'deny' ? {} : { native: 5 },
      outer: undefined,
      vni: undefined,
      largestProbe: 1500,
      oddities: new Set(),
    },
    agent:
      options.agent === undefined
        ? undefined
        : { decided: options.agent, mtu: 1500, plane: 'userspace' },
    source: 'file',
    received:
      decided === 'deny'
        ? { small: 0, full: 0, over: 0 }
        : { small: 3, full: options.full ?? 1, over: 0 },
  });
}

t.test('verdicts', (t) => {
  t.strictSame(verdict({}).failures, []);
  t.match(verdict({ agent: 'native' }), { failures: [], plane: 'userspace' });
  t.match(verdict({ agent: 'vxlan' }).failures.join(), /the agent decided vxlan with MTU 1500/);
  t.match(verdict({ decided: 'vxlan' }).failures.join(), /decided vxlan, seen native \(5\)/);
  t.match(verdict({ oversize: undefined }), { oversize: 'silent' });
  t.match(verdict({ oversize: undefined }).failures.join(), /vanished without/);
  t.match(verdict({ full: 0 }), { fullSize: 'failed', sent: 4, lost: 1 });
  t.match(verdict({ decided: 'deny' }), { failures: [], sent: 3, lost: 3, fullSize: 'not-tried' });
  t.end();
});

t.test('the matrix as text', (t) => {
  const pairs = [verdict({}), verdict({ decided: 'vxlan' }), verdict({ decided: 'deny' })];
  const matrix: Matrix = {
    schema: 'selvage.lab.matrix/1',
    lab: 'paper',
    configFile: '/x.yaml',
    startedAt: '2024-01-01T00:00:00Z',
    durationMs: 1234,
    nodes: [
      { name: 'a1', zone: 'aws', provider: 'aws' },
      { name: 'a3', zone: 'aws', provider: 'aws' },
    ],
    pairs: pairs.slice(0, 1),
    totals: matrixTotals(pairs.slice(0, 1)),
    underlayDrops: [],
    notes: ['a note'],
    ok: true,
  };
  const good = matrixText(matrix, { colour: false, layout: 'table' });
  t.match(good, /a1 .*· .*native 1500/);
  t.match(good, /note: a note/);
  t.match(good, /1 pairs \(1 native\): all as decided; 4 probes sent, 0 lost, in 1\.2 s/);
  t.match(
    matrixText(
      { ...matrix, pairs: [], totals: matrixTotals([]) },
      { colour: false, layout: 'table' },
    ),
    /no pairs: no two nodes here have overlay prefixes of one family/,
  );
  const bad = matrixText(
    { ...matrix, pairs: pairs.slice(1), totals: matrixTotals(pairs.slice(1)), ok: false },
    { colour: false, layout: 'lines' },
  );
  t.match(bad, /FAIL a1 → a3 IPv4: decided vxlan, seen native/);
  t.match(bad, /✗ a1 → a3 IPv4: decided vxlan, seen native \(5\)/);
  t.match(bad, /1 of 2 pairs are not as decided; 7 probes sent, 0 lost, 3 refused as decided/);
  t.end();
});

t.test('progress: one line rewritten on a terminal, one a step elsewhere', (t) => {
  const show = (isTTY: boolean): string => {
    let text = '';
    const display = progressDisplay({ isTTY, columns: 60, write: (part) => (text += part) });
    for (const done of [0, 1, 2]) display.onProgress({ step: 'probing', done, total: 2 });
    display.onProgress({ step: 'probing', done: 2, total: 2 });
    display.finish();
    return text;
  };
  t.equal(show(false), 'probing: 2 done\n');
  t.match(show(true), /^\r\u001b\[2K░+ probing 0\/2.*█+ probing 2\/2\r\u001b\[2K$/s);
  t.end();
});

t.test('work in turns keeps order and the limit', async (t) => {
  let running = 0;
  let most = 0;
  const results = await inTurns([5, 1, 4, 2, 3], {
    limit: 2,
    work: async (value) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, value));
      running--;
      return value * 10;
    },
  });
  t.strictSame(results, [50, 10, 40, 20, 30]);
  t.equal(most, 2);
  await t.rejects(inTurns([1], { limit: 2, work: () => Promise.reject(new Error('no')) }), {
    message: 'no',
  });
});
