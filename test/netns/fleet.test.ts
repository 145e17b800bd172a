/**
 * A fleet and its troubles, with real agents, a real store of three members and packets across every
 * ordered pair of nodes all the time. Each trouble is the store's, or of somebody who writes into it;
 * none of them may cost a packet of pairs that have nothing to do with it.
 *
 *     store1 store2 store3 ── a switch ── mgmt0 of every node
 *     rack-1 rack-2   aws-1 aws-2   gce-1   (workloads behind each, on their zones' underlays)
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { agentRequest } from '../../src/agent/client.js';
import type { StatusReport } from '../../src/agent/status.js';
import { parsePrefix } from '../../encap/prefix.js';
import { loadClusterFile } from '../../src/config/index.js';
import { type Lab, labDown, labRun, labUp } from '../../src/lab/commands.js';
import { fleetAgent, startAgent } from '../../src/lab/agents.js';
import { selvageProgram } from '../../src/lab/program.js';
import { processesIn, stopProcesses } from '../../src/lab/processes.js';
import { command, tryCommand } from '../../src/lab/shell.js';
import {
  killMember,
  memberStates,
  restartMember,
  signalMember,
  storeCommand,
} from '../../src/lab/store/control.js';
import { operatorFiles } from '../../src/lab/store/enrol.js';
import { storeMembers } from '../../src/lab/store/topology.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import { eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { SoakNode } from '../support/soak-cluster.js';
import { Flows, patienceMs, receiverName } from '../support/soak-flows.js';

const stateRoot = `/run/selvage-lab-test-${process.pid}`;
const name = `fl${process.pid}`;
const file = `${stateRoot}/cluster.yaml`;
const cluster = 'fleet-test';
const keys = fleetKeys(cluster);

const members: readonly (readonly [name: string, zone: string, address: string])[] = [
  ['rack-1', 'rack', '192.168.10.11/24'],
  ['rack-2', 'rack', '192.168.10.12/24'],
  ['aws-1', 'aws', '172.31.16.11/20'],
  ['aws-2', 'aws', '172.31.16.12/20'],
  ['gce-1', 'gce', '10.132.0.11/32'],
];
const nodes: readonly SoakNode[] = members.map(([node, zone, address], i) => ({
  name: node,
  zone,
  address,
  index: i + 1,
}));

const text = (rules: string): string => `
cluster: ${cluster}
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  settleSeconds: 2
fleet: { leaseSeconds: 5, staleGraceSeconds: 600 }
zones:
  - { name: rack, provider: onprem, subnets: [192.168.10.0/24], segment: row }
  - { name: aws, provider: aws, region: eu, subnets: [172.31.16.0/20], sourceDestinationCheck: disabled }
  - { name: gce, provider: gce, region: eu, subnets: [10.132.0.0/20] }
rules:
${rules}
`;
const plain = `  - { name: near, same: segment, mode: native, family: 4 }
  - { name: rest, mode: vxlan }`;
/** Another version, by which packets go the same ways. */
const otherWords = plain.replace('mode: vxlan', 'mode: vxlan, reason: said in other words');
const nodesText = members
  .map(
    ([node, , address], i) =>
      `  - { name: ${node}, address: ${address}, overlay: [10.64.${i + 1}.0/24, "fd64:0:0:${i + 1}::/64"] }`,
  )
  .join('\n');

t.setTimeout(290_000);
t.test(
  'a fleet and its troubles',
  { skip: skipReason('root', 'netns', 'nft', 'kernel-vxlan', 'etcd'), timeout: 280_000 },
  async (t) => {
    mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
    writeFileSync(file, `${text(plain)}nodes:\n${nodesText}\n`);
    t.teardown(async () => {
      await labDown(name, { stateRoot });
      rmSync(stateRoot, { recursive: true, force: true });
    });
    const read = await loadClusterFile(file);
    if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('\n'));
    const lab = await labUp({
      lab: name,
      cluster: read.cluster,
      configFile: file,
      stateRoot,
      store: 'etcd',
    });
    const fleet = new Fleet(lab);

    const matrix = await labRun(lab, { transferBytes: 64 * 1024 });
    t.match(matrix.totals, { failed: 0, pairs: 40 }, 'the packet matrix holds');

    const flows = new Flows(lab, nodes);
    await flows.open();
    t.teardown(() => flows.close());
    await flows.start(nodes);
    await sleep(500);
    let overflowed = new Map(await flows.overflows());

    /** Runs a trouble; nothing that was sent before, during or after it may be lost. */
    const during = async (what: string, trouble: () => Promise<void>): Promise<void> => {
      const startMs = performance.now();
      await trouble();
      await sleep(patienceMs + 700);
      const now = new Map(await flows.overflows());
      const losses = (await flows.losses()).filter(({ flow }) => {
        const receiver = receiverName(flow);
        // What arrived and was thrown away in a receiver that the machine did not let run.
        return (now.get(receiver) ?? 0) === (overflowed.get(receiver) ?? 0);
      });
      overflowed = now;
      const shown = losses.map(({ flow, count }) => `${flow.from.name}→${flow.to.name} ${count}`);
      t.same(shown, [], `${what}: nothing is lost`);
      t.comment(`${what}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    };

    await during('the leader is killed', async () => {
      const leader = await fleet.leader();
      await killMember(lab, leader);
      await eventually(
        async () => (await fleet.leader()) !== leader,
        () => 'no other leader',
        30_000,
      );
      // And the fleet goes on: a change reaches every node.
      await fleet.set(otherWords);
      await fleet.untilAllFollow();
      await restartMember(lab, leader);
      await fleet.set(plain);
      await fleet.untilAllFollow();
    });

    await during('the majority is lost, leases run out, an agent restarts meanwhile', async () => {
      const leader = await fleet.leader();
      const [first, second] = storeMembers(name).filter((member) => member.name !== leader);
      await killMember(lab, first!.name);
      signalMember(lab, second!.name, 'SIGSTOP');
      await eventually(
        async () => (await fleet.statuses()).every(({ store }) => store?.synced === false),
        () => 'an agent does not say that it knows nothing new',
        40_000,
      );
      await fleet.restartAgent('aws-1');
      // Longer than a lease.
      await sleep(6_000);
      for (const { node, peers } of await fleet.statuses())
        t.equal(peers.length, 8, `${node} still has all of its prefixes`);
      signalMember(lab, second!.name, 'SIGCONT');
      await restartMember(lab, first!.name);
      await fleet.untilSynced();
    });

    await during('all of the store is stopped and started', async () => {
      for (const member of storeMembers(name)) await killMember(lab, member.name);
      await sleep(2_000);
      await Promise.all(storeMembers(name).map((member) => restartMember(lab, member.name)));
      await fleet.untilSynced();
      await fleet.untilNobodyIsStale();
    });

    await during('compaction while a watcher is cut off', async () => {
      await fleet.cutOff('gce-1', true);
      for (let i = 0; i < 30; i++) await fleet.put(keys.status('nobody'), `{"version":1,"n":${i}}`);
      await fleet.set(otherWords);
      const { stdout } = await storeCommand(lab, [
        'get',
        keys.all,
        '--prefix',
        '-w',
        'json',
        '--limit=1',
      ]);
      const { revision } = (JSON.parse(stdout) as { header: { revision: number } }).header;
      const compacted = await storeCommand(lab, ['compact', String(revision)]);
      t.equal(compacted.status, 0, compacted.stderr);
      await fleet.cutOff('gce-1', false);
      await fleet.untilAllFollow();
      await fleet.set(plain);
      await fleet.untilAllFollow();
    });

    await during('a storm of events of nodes that come and go', async () => {
      const guests = Array.from({ length: 20 }, (_, i) => 100 + i);
      const block = (n: number): string => keys.block(parsePrefix(`10.64.${n}.0/24`));
      const record = (n: number): string => keys.record(`guest-${n}`);
      const json = (value: object): string => JSON.stringify({ version: 1, ...value });
      for (let round = 0; round < 5; round++) {
        await fleet.write(
          guests.flatMap((n) => {
            const overlay = [`10.64.${n}.0/24`];
            const address = `192.168.10.${n}/24`;
            return [
              [block(n), json({ node: `guest-${n}`, at: '2026-01-01T00:00:00Z' })],
              [record(n), json({ node: { name: `guest-${n}`, zone: 'rack', address, overlay } })],
            ] as const;
          }),
        );
        await fleet.write(guests.flatMap((n) => [[record(n)], [block(n)]] as const));
      }
      await eventually(
        async () => (await fleet.statuses()).every(({ peers }) => peers.length === 8),
        () => 'what is gone is still there',
        30_000,
      );
    });

    await during('garbage under our prefix, and claims of what is another’s', async () => {
      const rogue = (node: object): string => JSON.stringify({ version: 1, node });
      const [prefix, address] = ['10.64.3.0/24', '192.168.10.12/24'];
      const wrong = [
        [`${keys.blocks}nonsense`, 'who knows'],
        [`${keys.configs}gibberish`, 'rules: none'],
        [keys.record('broken'), '{"version":1,"node":'],
        [keys.record('later'), '{"version":99}'],
        [
          keys.record('rogue'),
          rogue({ name: 'rogue', zone: 'rack', address: '192.168.10.66/24', overlay: [prefix] }),
        ],
        [
          keys.record('impostor'),
          rogue({ name: 'impostor', zone: 'rack', address, overlay: ['10.64.200.0/24'] }),
        ],
      ] as const;
      await fleet.write(wrong);
      const words = ['nonsense', 'gibberish', 'broken', 'later', 'rogue', 'impostor'];
      let named: readonly string[] = [];
      await eventually(
        async () => {
          const statuses = await fleet.statuses();
          named = statuses.flatMap(({ config }) => config.problems);
          return statuses.every(({ config }) =>
            words.every((word) => config.problems.some((line) => line.includes(word))),
          );
        },
        () => `not all of it is named:\n${named.join('\n')}`,
        30_000,
      );
      const [status] = await fleet.statuses();
      const line = (word: string): string | undefined =>
        status!.config.problems.find((problem) => problem.includes(word));
      t.match(line('rogue'), /10\.64\.3\.0\/24.*aws-1/, 'whose prefix it is');
      t.match(line('impostor'), /192\.168\.10\.12.*rack-2/, 'whose address it is');
      t.equal(status!.peers.length, 8, 'and none of it counts');
      await fleet.write(wrong.map(([key]) => [key] as const));
      await eventually(
        async () => (await fleet.statuses()).every(({ config }) => config.problems.length === 0),
        () => 'what is gone is still named',
        30_000,
      );
    });

    await t.test("a node's account may write its own keys only", async (t) => {
      const access = lab.files.get('rack-1')!.storeAccess;
      const { namespace } = lab.plan.nodes[0]!;
      const refused = await tryCommand(
        [
          ...selvageProgram(),
          'config',
          'set',
          file,
          '--store-file',
          access,
          '--message',
          'mine now',
        ],
        { namespace },
      );
      t.not(refused.status, 0);
      t.match(refused.stderr, /roles do not permit it/);
    });
  },
);

class Fleet {
  readonly #lab: Lab;
  constructor(lab: Lab) {
    this.#lab = lab;
  }

  async statuses(): Promise<readonly StatusReport[]> {
    return Promise.all(
      nodes.map(async ({ name: node }) => {
        const socket = this.#lab.files.get(node)!.agentSocket;
        return (await agentRequest({ socket, method: 'GET', path: '/v1/status' })) as StatusReport;
      }),
    );
  }

  async leader(): Promise<string> {
    let found: string | undefined;
    await eventually(
      async () => {
        found = (await memberStates(this.#lab)).find(({ leader }) => leader)?.member.name;
        return found !== undefined;
      },
      () => 'the store has no leader',
      30_000,
    );
    return found!;
  }

  /** As an operator does. */
  async set(rules: string): Promise<void> {
    const { access } = operatorFiles(this.#lab.paths.store);
    await command([...selvageProgram(), 'config', 'set', '-', '--store-file', access], {
      namespace: storeMembers(name)[0]!.namespace,
      input: text(rules),
    });
  }

  /** Until every agent's kernel follows the version that was written last. */
  async untilAllFollow(): Promise<void> {
    const { access } = operatorFiles(this.#lab.paths.store);
    const at = { namespace: storeMembers(name)[0]!.namespace };
    let seen = '';
    await eventually(
      async () => {
        seen = await command(
          [...selvageProgram(), 'node', 'list', '-o', 'json', '--store-file', access],
          at,
        );
        const { config, nodes: listed } = JSON.parse(seen) as {
          readonly config: number;
          readonly nodes: readonly { readonly config?: number; readonly state: string }[];
        };
        return listed.every((node) => node.state === 'alive' && node.config === config);
      },
      () => `not every node follows: ${seen}`,
      60_000,
    );
  }

  async untilSynced(): Promise<void> {
    await eventually(
      async () => (await this.statuses()).every(({ store }) => store?.synced === true),
      () => 'an agent does not find back to the store',
      60_000,
    );
  }

  async untilNobodyIsStale(): Promise<void> {
    await this.untilAllFollow();
  }

  async restartAgent(node: string): Promise<void> {
    const plan = this.#lab.plan.nodes.find((entry) => entry.name === node)!;
    await stopProcesses(processesIn([plan.namespace]), { graceMs: 0 });
    await startAgent(this.#lab, plan, fleetAgent);
    await eventually(
      async () => (await this.statuses()).every(({ ready }) => ready),
      () => `the agent of ${node} is not ready without the store`,
      40_000,
    );
  }

  /** The node's way to the store alone. */
  async cutOff(node: string, cut: boolean): Promise<void> {
    const { namespace } = this.#lab.plan.nodes.find((entry) => entry.name === node)!;
    await command(['ip', 'link', 'set', 'mgmt0', cut ? 'down' : 'up'], { namespace });
  }

  async put(key: string, value: string): Promise<void> {
    const { status, stderr } = await storeCommand(this.#lab, ['put', key], { input: value });
    if (status !== 0) throw new Error(`put ${key}: ${stderr}`);
  }

  /** All in one revision; a key without a value is deleted. */
  async write(entries: readonly (readonly [key: string, value?: string])[]): Promise<void> {
    const operations = entries.map(([key, value]) =>
      value === undefined ? `del ${key}` : `put ${key} ${JSON.stringify(value)}`,
    );
    // No comparisons, what to do then, and nothing else to do.
    const input = `\n${operations.join('\n')}\n\n\n`;
    const { status, stdout, stderr } = await storeCommand(this.#lab, ['txn'], { input });
    if (status !== 0 || !stdout.startsWith('SUCCESS'))
      throw new Error(`writing ${entries.length} keys: ${stdout}${stderr}`);
  }
}
