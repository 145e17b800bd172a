/**
 * Changes under traffic lose nothing, and neither does what may befall an agent meanwhile. Numbered
 * UDP packets of both families and a TCP connection go both ways all the time, while the file
 * changes and is read by the two agents at different moments:
 *
 *     namespace a                          namespace b
 *     10.64.1.0                            10.64.2.0
 *     fd64:0:0:1::                         fd64:0:0:2::
 *     192.0.2.1/24  eth0 ────────────────── eth0  198.51.100.2/24, later .22
 *
 * This kernel has no ipip, so a userspace process carries it; the kernel's own is measured under
 * user-mode-linux.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { writeChecked } from '../../src/agent/checked-file.js';
import { AgentFolder, eventually } from '../support/agents.js';
import type { TestAgent } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Namespace } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';
import { startTraffic, trafficTable } from '../support/traffic.js';

const skip = skipReason('root', 'netns', 'nft');
const perSecond = 1000;
/** Settle times for a machine on which an agent takes so long to start. */
const settleTimes = (startSeconds: number): { readonly short: number; readonly long: number } => ({
  short: Math.min(3, Math.max(1, startSeconds / 3)),
  // Where an agent is replaced in the middle of a change: the others do not wait for it for ever.
  long: Math.min(15, Math.max(3, startSeconds * 2)),
});

/** The one row where something may be lost. */
const planeKilled = 'the userspace plane killed';

interface Setting {
  readonly mode: 'native' | 'ipip' | 'vxlan';
  /** Is there a rule that could ask for ipip, so that it is received all the time? */
  readonly ipipRule: boolean;
  readonly vni: number;
  readonly port: number;
  readonly linkMtu: number;
  readonly peer: string;
  readonly settleSeconds: number;
}

const yaml = (setting: Setting): string => `
cluster: hitless
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  vxlan: { vni: ${setting.vni}, port: ${setting.port} }
  settleSeconds: ${setting.settleSeconds}
zones:
  - { name: x, segment: l2, subnets: [192.0.2.0/24], firewall: { ipip: allowed } }
  - { name: y, segment: l2, subnets: [198.51.100.0/24], firewall: { ipip: allowed } }
links:
  - { between: [x, y], mtu: ${setting.linkMtu} }
rules:
  - { name: for-later, to: { label: { carried: other } }, mode: ${setting.ipipRule ? 'ipip' : 'vxlan'}, force: true }
  - { name: native-too, to: { label: { carried: bare } }, mode: native, force: true }
  - { name: v4, family: 4, mode: ${setting.mode}, force: true }
  - { name: v6, mode: vxlan }
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }
  - { name: b, address: ${setting.peer}/24, overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }
`;

t.setTimeout(290_000);
t.test('changes under traffic', { skip, timeout: 280_000 }, async (t) => {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'], mtu: 1500 },
    { namespace: b, device: 'eth0', addresses: ['198.51.100.2/32'], mtu: 1500 },
  );
  a.ip('route add 198.51.100.0/24 dev eth0');
  b.ip('route add 192.0.2.0/24 dev eth0');
  let setting: Setting = {
    mode: 'vxlan',
    ipipRule: true,
    vni: 7,
    port: 4789,
    linkMtu: 1500,
    peer: '198.51.100.2',
    settleSeconds: 1,
  };
  const folders = [new AgentFolder(t, yaml(setting)), new AgentFolder(t, yaml(setting))] as const;
  const agents: [TestAgent, TestAgent] = [folders[0].start(a, 'a'), folders[1].start(b, 'b')];
  const startedMs = performance.now();
  await Promise.all(agents.map((agent) => agent.ready()));
  const settle = settleTimes((performance.now() - startedMs) / 1000);
  t.comment(`settle times ${settle.short.toFixed(1)} s and ${settle.long.toFixed(1)} s`);
  setting = { ...setting, settleSeconds: settle.short };

  const way = (namespace: Namespace, prefix: string): string => {
    const [route] = namespace.ipJson<Route[]>('route', 'show', prefix, 'proto', '83');
    const device = route?.dev ?? 'none';
    const [link] = device.startsWith('sl') ? namespace.ipJson<Link[]>('link', 'show', device) : [];
    const { id, port } = link?.linkinfo?.info_data ?? {};
    const mtu = route?.metrics?.[0]?.mtu;
    return [device.replace(/[ab]$/, ''), id, port, mtu].filter((part) => part !== undefined).join();
  };
  const tunnels = (namespace: Namespace): number =>
    namespace.ipJson<Link[]>('link').filter(({ ifname }) => ifname.startsWith('slv')).length;

  let turn = 0;
  /** Both agents get the file, one later than the other, and see the change through. */
  const change = async (next: Partial<Setting>, during?: () => Promise<void>): Promise<void> => {
    setting = { ...setting, ...next };
    const order = turn++ % 2 === 0 ? folders : [...folders].reverse();
    order[0].write(yaml(setting));
    // Up to half the settle time is allowed.
    await sleep(setting.settleSeconds * 200);
    order[1].write(yaml(setting));
    await during?.();
    const { mode, vni, port, linkMtu } = setting;
    const wanted = {
      native: `eth0,${linkMtu}`,
      ipip: `slip4,${linkMtu - 20}`,
      vxlan: `slv4,${vni},${port},${linkMtu - 50}`,
    }[mode];
    const patienceMs = 20_000 + setting.settleSeconds * 3_000;
    const seen = (): string => `${way(a, '10.64.2.0/24')} ${way(b, '10.64.1.0/24')}`;
    await eventually(
      () => seen() === `${wanted} ${wanted}`,
      () =>
        `${seen()} instead of ${wanted}\n${agents.map((one) => one.log().slice(-20).join('\n')).join('\n')}`,
      patienceMs,
    );
    await eventually(
      () => tunnels(a) === 1 && tunnels(b) === 1,
      () => `old devices stay: ${a.run('ip', ['link'])}`,
      patienceMs,
    );
    await sleep(300);
  };
  const settled = (): Promise<unknown> => sleep(2_000 * setting.settleSeconds + 300);

  const steps: readonly (readonly [string, () => Promise<void>])[] = [
    ['vxlan to native', () => change({ mode: 'native' })],
    ['native to ipip', () => change({ mode: 'ipip' })],
    ['ipip to vxlan', () => change({ mode: 'vxlan' })],
    ['vxlan to ipip', () => change({ mode: 'ipip' })],
    ["the peer's address, ipip", () => readdress('198.51.100.22', '198.51.100.2')],
    ['ipip to native', () => change({ mode: 'native' })],
    ["the peer's address, native", () => readdress('198.51.100.2', '198.51.100.22')],
    ['native to vxlan', () => change({ mode: 'vxlan' })],
    ["the peer's address, vxlan", () => readdress('198.51.100.22', '198.51.100.2')],
    ['VNI', () => change({ vni: 8 })],
    ['port', () => change({ port: 8472 })],
    ['VNI and port', () => change({ vni: 10, port: 4789 })],
    ['VNI and port, and back before it is over', () => turnBack()],
    ['link MTU shrinks', () => change({ linkMtu: 1400 })],
    ['link MTU grows', () => change({ linkMtu: 1500 })],
    ['no rule needs ipip any more', () => withoutIpip()],
    ['NIC MTU shrinks', () => resize(1400)],
    ['NIC MTU grows', () => resize(1500)],
    ['an agent killed and started', () => replace('SIGKILL')],
    ['an agent stopped and started', () => replace('SIGTERM')],
    ['a file that is no YAML', () => refuse('nodes: [', /opened and not closed/)],
    ['a file of another shape', () => refuse('nodes: 7\n', /"nodes" must be a list/)],
    [
      'a rule that nothing lets through',
      () => refuse(infeasible(), /Azure drops IP-in-IP packets/),
    ],
    ['the file deleted, and a start without it', () => withoutFile()],
    ['an older release killed in a change, a newer started', () => upgrade()],
    ['a later release killed in a change, this one started', () => downgrade()],
    ['no file, and the last good one of a later release', () => unreadable()],
    ['the clock a year ahead and back in a change', () => clockJumps()],
    ['vxlan to ipip, not received before', () => change({ ipipRule: true, mode: 'ipip' })],
    ['the userspace plane not let run for a second', () => haltPlane()],
    [planeKilled, () => killPlane()],
    ['ipip to vxlan, afterwards', () => change({ mode: 'vxlan' })],
  ];

  /**
   * With host masks: of two addresses in one subnet the second is a secondary, and when the first goes
   * the kernel takes the local route of the second away and puts it back (__inet_del_ifa), which alone
   * loses packets.
   */
  async function readdress(to: string, from: string): Promise<void> {
    b.ip(`addr add ${to}/32 dev eth0`);
    await change({ peer: to });
    await settled();
    b.ip(`addr del ${from}/32 dev eth0`);
  }

  async function withoutIpip(): Promise<void> {
    await change({ ipipRule: false });
    for (const namespace of [a, b])
      await eventually(
        () => !namespace.ipJson<Link[]>('link').some(({ ifname }) => ifname === 'slip4'),
        () => `slip4 stays: ${namespace.run('ip', ['link'])}`,
      );
  }

  /** As a busy machine does to it: what comes meanwhile waits. */
  async function haltPlane(): Promise<void> {
    const { pid } = (await agents[0].status()).planes[0]!;
    process.kill(pid, 'SIGSTOP');
    await sleep(1_200);
    process.kill(pid, 'SIGCONT');
    await sleep(500);
  }

  /** The process that carries the packets: those of the time without it cannot arrive. */
  async function killPlane(): Promise<void> {
    const pid = async (): Promise<number | undefined> => (await agents[0].status()).planes[0]?.pid;
    const before = await pid();
    process.kill(before!, 'SIGKILL');
    await eventually(
      async () => ![before, undefined].includes(await pid()),
      () => 'no other plane is started',
    );
    await eventually(
      () => a.tryRun('ping', ['-c1', '-W1', '10.64.2.0']).status === 0,
      () => 'the other plane carries nothing',
    );
  }

  async function turnBack(): Promise<void> {
    const { vni, port } = setting;
    for (const folder of folders) folder.write(yaml({ ...setting, vni: 9, port: 4790 }));
    await sleep(setting.settleSeconds * 1300);
    await change({ vni, port });
    await settled();
  }

  async function resize(mtu: number): Promise<void> {
    for (const namespace of [a, b]) namespace.ip(`link set eth0 mtu ${mtu}`);
    const wanted = `slv4,${setting.vni},${setting.port},${mtu - 50}`;
    await eventually(
      () => way(a, '10.64.2.0/24') === wanted && way(b, '10.64.1.0/24') === wanted,
      () => `${way(a, '10.64.2.0/24')} instead of ${wanted}`,
    );
    await sleep(500);
  }

  /** Another process takes over from the first agent, and finds nothing to do. */
  async function replace(signal: NodeJS.Signals): Promise<void> {
    const before = routesOf(a);
    await agents[0].kill(signal);
    await sleep(300);
    t.equal(routesOf(a), before, `${signal}: the routes stay without it`);
    agents[0] = folders[0].start(a, 'a');
    await agents[0].ready();
    t.equal(routesOf(a), before, `${signal}: the routes are as they were`);
    const written = agents[0].log().filter((line) => /"msg":"(create|update|delete) /.test(line));
    t.same(written, [], `${signal}: the next agent writes nothing`);
  }

  async function refuse(text: string, why: RegExp): Promise<void> {
    const before = [routesOf(a), routesOf(b)];
    for (const folder of folders) folder.write(text);
    for (const agent of agents)
      await eventually(
        async () => (await agent.status()).config.problems.some((line) => why.test(line)),
        () => `not refused: ${agent.log().slice(-3).join('\n')}`,
      );
    await sleep(300);
    t.same([routesOf(a), routesOf(b)], before, 'the routes are as they were');
    for (const folder of folders) folder.write(yaml(setting));
    for (const agent of agents)
      await eventually(
        async () => !(await agent.status()).config.problems.some((line) => why.test(line)),
        () => 'the good file is not taken up',
      );
  }

  /** The same cluster, with a rule that asks for what Azure drops. */
  function infeasible(): string {
    return yaml(setting)
      .replace('{ name: y,', '{ name: y, provider: azure,')
      .replace(
        'rules:',
        'rules:\n  - { name: dropped, from: { zone: x }, to: { zone: y }, mode: ipip }',
      );
  }

  async function withoutFile(): Promise<void> {
    rmSync(folders[0].config);
    await eventually(
      async () => (await agents[0].status()).config.problems.length > 0,
      () => 'not noticed',
    );
    await replace('SIGKILL');
    t.match((await agents[0].status()).config.lastGoodOf, /^20/, 'from the last good one');
    folders[0].write(yaml(setting));
    await eventually(
      async () => (await agents[0].status()).config.lastGoodOf === undefined,
      () => 'the file is not taken up',
    );
  }

  /** The record of the change as the first release wrote it: without the steps done. */
  function upgrade(): Promise<void> {
    const next = { vni: setting.vni + 1, settleSeconds: settle.long };
    return change(next, async () => {
      await agents[0].kill('SIGKILL');
      const record = readFileSync(stateFile('terms.json'), 'utf8');
      writeFileSync(stateFile('terms.json'), record.replace(/"(readyMs|switchedMs)":[\d.]+,/g, ''));
      agents[0] = folders[0].start(a, 'a');
      await agents[0].ready();
    });
  }

  async function downgrade(): Promise<void> {
    await change({ vni: setting.vni + 1, port: setting.port + 1 }, async () => {
      await agents[0].kill('SIGKILL');
      writeFileSync(stateFile('terms.json'), '{"schema":"selvage.terms/2","history":[]}\n');
      writeFileSync(stateFile('host-sysctls.json'), '{"schema":"selvage.host-sysctls/2"}\n');
      writeChecked(stateFile('change'), '{"schema":"selvage.change-record/2"}\n');
      agents[0] = folders[0].start(a, 'a');
      await agents[0].ready();
      t.match(agents[0].log().join('\n'), /of format selvage\.terms\/2, and this release reads/);
      t.match(agents[0].log().join('\n'), /of format selvage\.change-record\/2, and this release/);
    });
    rmSync(stateFile('host-sysctls.json'));
    rmSync(stateFile('change'));
  }

  async function unreadable(): Promise<void> {
    await agents[0].kill('SIGKILL');
    const before = routesOf(a);
    const lastGood = readFileSync(stateFile('last-good.json'), 'utf8');
    writeFileSync(stateFile('last-good.json'), lastGood.replace('"version":1', '"version":2'));
    rmSync(folders[0].config);
    const without = folders[0].start(a, 'a');
    await new Promise((resolve) => without.process.once('close', resolve));
    t.equal(without.process.exitCode, 3, 'neither a file nor a last good one to go by');
    t.match(without.log().join('\n'), /format version 2, and this release reads 1/);
    t.equal(routesOf(a), before, 'the routes are as they were');
    folders[0].write(yaml(setting));
    agents[0] = folders[0].start(a, 'a');
    await agents[0].ready();
    t.equal(routesOf(a), before, 'and so they are with the file back');
  }

  /** The wall clock alone; the monotonic one cannot jump. */
  async function clockJumps(): Promise<void> {
    await agents[0].kill('SIGTERM');
    process.env['NODE_OPTIONS'] = `--import ${jumpyClock}`;
    agents[0] = folders[0].start(a, 'a');
    delete process.env['NODE_OPTIONS'];
    await agents[0].ready();
    const year = async (): Promise<number> => {
      agents[0].process.kill('SIGUSR2');
      await sleep(100);
      agents[0].process.kill('SIGHUP');
      await sleep(500);
      return new Date((await agents[0].status()).lastPass!.at).getFullYear();
    };
    const now = new Date().getFullYear();
    await change({ vni: setting.vni + 1, settleSeconds: settle.short }, async () => {
      t.equal(await year(), now + 1, "the agent's clock is a year ahead");
      t.equal(await year(), now, 'and right again');
    });
  }

  function stateFile(name: string): string {
    return join(folders[0].path, 'a', name);
  }

  const routesOf = (namespace: Namespace): string =>
    namespace.run('ip', ['route', 'show', 'proto', '83']) +
    namespace.run('ip', ['-6', 'route', 'show', 'proto', '83']);

  const traffic = await startTraffic(t, {
    ends: [
      { namespace: a, addresses: ['10.64.1.0', 'fd64:0:0:1::'] },
      { namespace: b, addresses: ['10.64.2.0', 'fd64:0:0:2::'] },
    ],
    perSecond,
    // The machine has other things to do.
    tcpBytesPerSecond: 800_000,
  });
  for (const [what, step] of steps) await traffic.during(what, step);

  const result = await traffic.end();
  for (const line of trafficTable(result)) t.comment(line);
  t.equal(result.overflowed, 0, 'the receivers had room for what arrived');
  const none = [0, 0, 0, 0];
  for (const row of result.rows) {
    if (row.what === planeKilled) continue;
    t.match(
      row,
      { lost: none, refused: none },
      `${row.what}: ${row.sent.join(', ')} packets, none lost`,
    );
  }
  const killed = result.rows.find(({ what }) => what === planeKilled)!;
  t.ok(
    killed.lost[0]! + killed.lost[1]! > 0,
    'without the process that carries them they are lost',
  );
  t.same(killed.lost.slice(2), [0, 0], 'those of the other family are not touched');
  t.same(
    result.total.lost.map((count, i) => count - killed.lost[i]!),
    none,
    'none is lost between the changes',
  );
  t.equal(result.duplicates, 0);
  const fewest = Math.min(...result.total.sent);
  t.ok(fewest > result.total.seconds * perSecond * 0.7, 'the streams kept their pace');
  for (const tcp of result.tcp) {
    t.match(tcp, { wrong: 0, error: undefined }, 'the TCP connection survives');
    t.ok(tcp.bytes > 10_000_000, `${tcp.bytes} bytes`);
  }
  await Promise.all(agents.map((agent) => agent.kill('SIGTERM')));
});

/** A module for a process whose wall clock goes a year ahead, or back again, on SIGUSR2. */
const jumpyClock = `data:text/javascript,${encodeURIComponent(`
  const Real = Date;
  let aheadMs = 0;
  process.on('SIGUSR2', () => (aheadMs = aheadMs === 0 ? 31_536_000_000 : 0));
  globalThis.Date = class extends Real {
    constructor(...parts) {
      if (parts.length === 0) super(Real.now() + aheadMs);
      else super(...parts);
    }
    static now() {
      return Real.now() + aheadMs;
    }
  };
`)}`;

interface Route {
  readonly dev?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}

interface Link {
  readonly ifname: string;
  readonly linkinfo?: { readonly info_data?: { readonly id?: number; readonly port?: number } };
}
