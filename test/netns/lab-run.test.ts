/**
 * A lab from end to end, with plain `ip` commands in the agents' place: the matrix tells what
 * happened, notices what should not have, and `lab down` leaves nothing.
 *
 *     rack-1 ─┬─ row ─┬─ rack-2        azure-1
 *             └─ router ── link of 1446 ──┘        rack-2 → azure-1 is denied
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import {
  type Lab,
  type Matrix,
  type MatrixPair,
  labDown,
  labRun,
  labUp,
  listLabs,
  matrixText,
  openLab,
} from '../../src/lab/commands.js';
import { expectedByFile } from '../../src/lab/expectation.js';
import { readManifest, writeManifest } from '../../src/lab/manifest.js';
import { selvageProgram } from '../../src/lab/program.js';
import { labPaths } from '../../src/lab/names.js';
import { startTicksOf } from '../../src/lab/processes.js';
import { command } from '../../src/lab/shell.js';
import { skipReason } from '../support/capabilities.js';
import { clusterOf, configureByHand, link, rule } from './lab-support.js';

const stateRoot = `/run/selvage-lab-test-${process.pid}`;
const skip = skipReason('netns', 'nft', 'tcpdump', 'kernel-vxlan');

const cluster: Cluster = clusterOf({
  zones: {
    rack: { provider: 'onprem', subnets: ['192.168.10.0/24', 'fd01:0:0:1::/64'] },
    west: { provider: 'azure', subnets: ['10.200.0.0/24'] },
  },
  nodes: {
    'rack-1': {
      zone: 'rack',
      underlay: ['192.168.10.11/24', 'fd01:0:0:1::11/64'],
      overlay: ['10.64.1.0/24', 'fd64:0:1::/64'],
    },
    'rack-2': {
      zone: 'rack',
      underlay: ['192.168.10.12/24', 'fd01:0:0:1::12/64'],
      overlay: ['10.64.2.0/24', 'fd64:0:2::/64'],
    },
    'azure-1': { zone: 'west', underlay: ['10.200.0.11/24'], overlay: ['10.64.3.0/24'] },
  },
  links: [link('rack', 'west', { mtu: 1446 })],
  rules: [rule('no', { mode: 'deny', from: { nodes: ['rack-2'] }, to: { zones: ['west'] } })],
});

function pairOf(matrix: Matrix, ends: string): MatrixPair {
  return matrix.pairs.find((pair) => `${pair.from} ${pair.to} ${pair.family}` === ends)!;
}

function ours(lab: string): readonly string[] {
  return readdirSync('/run/netns').filter((name) => name.startsWith(`slvlab-${lab}-`));
}

async function build(name: string, options: { readonly replace?: boolean } = {}): Promise<Lab> {
  return labUp({
    lab: name,
    cluster,
    configFile: 'by-hand.yaml',
    agentCommand: () => undefined,
    stateRoot,
    ...options,
  });
}

t.teardown(() => rmSync(stateRoot, { recursive: true, force: true }));

t.test('the matrix', { skip, timeout: 60_000 }, async (t) => {
  const name = `r${process.pid}`;
  const lab = await build(name);
  t.teardown(() => labDown(name, { stateRoot }));
  await configureByHand(lab);

  await t.test('says what was decided and what travelled', async (t) => {
    const matrix = await labRun(lab, { agents: 'none' });
    t.strictSame(
      matrix.pairs.flatMap((pair) => pair.failures),
      [],
    );
    t.ok(matrix.ok);
    const { length } = matrix.pairs;
    t.equal(length, 8, 'six pairs of IPv4, two of IPv6');
    const native = pairOf(matrix, 'rack-1 rack-2 4');
    t.match(native, { decided: 'native', seen: 'native', mtu: 1500, sent: 4, lost: 0 });
    t.match(native, { fullSize: 'passed', oversize: 'refused', vni: undefined });
    t.equal(native.transfer?.bytes, 256 * 1024);
    t.match(pairOf(matrix, 'rack-1 rack-2 6'), { decided: 'native', seen: 'native', mtu: 1500 });
    const vxlan = pairOf(matrix, 'rack-1 azure-1 4');
    t.match(vxlan, { decided: 'vxlan', seen: 'vxlan', vni: 4096, outer: 4, lost: 0 });
    t.match(vxlan, { fullSize: 'passed', oversize: 'refused' });
    t.ok((vxlan.arrived.vxlan ?? 0) >= 4 && vxlan.arrived.native === undefined);
    const denied = pairOf(matrix, 'rack-2 azure-1 4');
    t.match(denied, { decided: 'deny', seen: 'none', sent: 3, lost: 3, refusal: 'EHOSTUNREACH' });
    const back = pairOf(matrix, 'azure-1 rack-2 4');
    t.match(back, { decided: 'deny', seen: 'none', sent: 3, lost: 3 }, 'and so is the way back');
    t.match(matrix.totals, { pairs: 8, failed: 0, sent: 30, lost: 6 });

    const table = matrixText(matrix, { colour: false, layout: 'table' });
    t.match(table, /native 1500/);
    t.match(table, /8 pairs \(4 native, 2 vxlan, 2 deny\): all as decided; 30 probes sent, 0 lost/);
    const lines = matrixText(matrix, { colour: false, layout: 'lines' });
    t.match(
      lines,
      /ok +rack-1 → azure-1 IPv4: decided vxlan, seen vxlan, mtu 1350, 4 sent, 0 lost/,
    );
  });

  await t.test('a second run, with path MTUs learned by the first, says the same', async (t) => {
    const matrix = await labRun(openLab(name, { cluster, stateRoot }), { agents: 'none' });
    t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
  });

  await t.test('differences between decision and wire are failures', async (t) => {
    const matrix = await labRun(lab, {
      agents: 'none',
      transferBytes: 1000,
      expected: (pair) => {
        const truth = expectedByFile(lab, pair);
        const ends = `${pair.from.name} ${pair.to.name} ${pair.source.family}`;
        if (ends === 'rack-1 rack-2 4') return { ...truth, decided: 'vxlan' };
        if (ends === 'rack-2 rack-1 4') return { ...truth, mtu: truth.mtu! + 4 };
        if (ends === 'rack-1 rack-2 6') return { ...truth, mtu: truth.mtu! - 4 };
        if (ends === 'azure-1 rack-1 4') return { ...truth, decided: 'deny', mtu: undefined };
        return truth;
      },
    });
    t.equal(matrix.ok, false);
    t.equal(matrix.totals.failed, 4);
    t.match(pairOf(matrix, 'rack-1 rack-2 4').failures.join(), /decided vxlan, seen native/);
    t.match(pairOf(matrix, 'rack-2 rack-1 4').failures.join(), /no packet of 1504 bytes arrived/);
    t.match(pairOf(matrix, 'rack-1 rack-2 6').failures.join(), /a packet of 1497 bytes passed/);
    t.match(
      pairOf(matrix, 'azure-1 rack-1 4').failures.join(),
      /3 of 3 packets passed a pair that is denied/,
    );
  });

  await t.test('what the underlay swallows is lost, and the drop is named', async (t) => {
    const far = lab.plan.nodes.find((node) => node.name === 'azure-1')!;
    const zone = lab.plan.zones.find((entry) => entry.name === 'west')!;
    await command(
      [
        ...['nft', 'insert', 'rule', 'bridge', 'selvage_lab', `to_${far.port}`],
        ...['udp', 'dport', '4789', 'counter', 'drop', 'comment', '"a test"'],
      ],
      { namespace: zone.namespace },
    );
    const matrix = await labRun(lab, { agents: 'none' });
    const pair = pairOf(matrix, 'rack-1 azure-1 4');
    t.match(pair, { seen: 'vxlan', arrived: {}, sent: 4, lost: 4, fullSize: 'failed' });
    t.match(pair.failures.join(), /4 of 4 packets lost/);
    const drop = matrix.underlayDrops.find((entry) => entry.because === 'a test');
    t.match(drop, { node: 'azure-1', direction: 'to-node' });
    t.match(matrixText(matrix, { colour: false, layout: 'table' }), /to azure-1: a test/);
  });
});

t.test('building, refusing, replacing and removing', { skip, timeout: 60_000 }, async (t) => {
  const name = `d${process.pid}`;
  const first = await build(name);
  t.equal(ours(name).length, 8, 'two zones, three nodes and their workloads');
  t.strictSame(listLabs(stateRoot), [name]);
  await t.rejects(build(name), { message: /there is a lab .* already/ });
  // The command knows only labs of the usual place, so it is told of this one there.
  const usual = labPaths(name);
  mkdirSync(usual.folder, { recursive: true });
  copyFileSync(labPaths(name, stateRoot).manifest, usual.manifest);
  const [program, ...rest] = selvageProgram();
  const run = ['lab', 'run', 'deploy/examples/hybrid.yaml', '--lab', name];
  const asked = spawnSync(program!, [...rest, ...run], { encoding: 'utf8' });
  rmSync(usual.folder, { recursive: true });
  t.equal(asked.status, 3);
  t.match(asked.stderr, /there is a lab .* already .*or build over it with --replace/);
  t.equal(ours(name).length, 8, 'the refusals changed nothing');
  await build(name, { replace: true });
  t.equal(ours(name).length, 8);

  const changed: Cluster = { ...cluster, links: [] };
  t.throws(() => openLab(name, { cluster: changed, stateRoot }), { message: /have changed since/ });
  t.doesNotThrow(() => openLab(name, { cluster: { ...cluster, rules: [] }, stateRoot }));

  // A crash leaves a manifest that says more than exists, a process in the lab, and a process id
  // that now belongs to somebody else.
  const inside = spawn('ip', ['netns', 'exec', first.plan.nodes[0]!.namespace, 'sleep', '1000'], {
    stdio: 'ignore',
  });
  const stranger = spawn('sleep', ['1000'], { stdio: 'ignore' });
  t.teardown(() => stranger.kill('SIGKILL'));
  const ended = new Promise((resolve) => inside.once('exit', resolve));
  const paths = labPaths(name, stateRoot);
  writeManifest(paths, {
    ...readManifest(paths)!,
    state: 'building',
    namespaces: [...readManifest(paths)!.namespaces, `slvlab-${name}-n.never-made`],
    processes: [{ pid: stranger.pid!, startTicks: 1, what: 'an agent of long ago' }],
  });
  t.throws(() => openLab(name, { cluster, stateRoot }), { message: /never finished/ });
  const result = await labDown(name, { stateRoot });
  t.match(result, { namespaces: 8, processes: 1 });
  await ended;
  t.strictSame(ours(name), []);
  t.notOk(existsSync(paths.folder));
  t.ok(startTicksOf(stranger.pid!), 'the stranger lives');
  await t.rejects(labDown(name, { stateRoot }), { message: /there is no lab/ });
});

t.test('a failed build leaves nothing', { skip, timeout: 60_000 }, async (t) => {
  const name = `f${process.pid}`;
  await t.rejects(
    labUp({
      lab: name,
      cluster,
      configFile: 'by-hand.yaml',
      agentCommand: ({ node }) =>
        node.name === 'rack-2' ? ['sh', '-c', 'echo out of luck; exit 1'] : ['sleep', '1000'],
      stateRoot,
    }),
    { message: /the agent of rack-2 ended .*out of luck/s },
  );
  t.strictSame(ours(name), []);
  t.strictSame(listLabs(stateRoot), []);
});

t.test('somebody else’s namespace is not taken over', { skip, timeout: 60_000 }, async (t) => {
  const name = `x${process.pid}`;
  const foreign = `slvlab-${name}-n.rack-1`;
  await command(['ip', 'netns', 'add', foreign]);
  t.teardown(() => command(['ip', 'netns', 'delete', foreign]));
  await t.rejects(build(name), { message: /no lab's manifest knows it/ });
  t.strictSame(ours(name), [foreign]);
});
