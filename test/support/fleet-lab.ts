/**
 * A fleet for tests: a lab whose nodes have joined a store of three members, numbered packets across
 * every ordered pair of its nodes, and what an operator, a trouble or a rogue does to the store.
 *
 *     store1 store2 store3 ── a switch ── mgmt0 of every node
 *     rack-1 rack-2   aws-1 aws-2   gce-1   (workloads behind each, on their zones' underlays)
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentRequest } from '../../src/agent/client.js';
import type { StatusReport } from '../../src/agent/status.js';
import type { Cluster } from '../../encap/cluster.js';
import { loadClusterFile } from '../../src/config/index.js';
import { type Lab, labDown, labUp } from '../../src/lab/commands.js';
import { fleetAgent, startAgent } from '../../src/lab/agents.js';
import { processesIn, stopProcesses } from '../../src/lab/processes.js';
import { selvageProgram } from '../../src/lab/program.js';
import { command } from '../../src/lab/shell.js';
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
import { eventually } from './agents.js';
import type { SoakNode } from './soak-cluster.js';
import { Flows, patienceMs, receiverName } from './soak-flows.js';

const stateRoot = `/run/selvage-lab-test-${process.pid}`;
export const name = `fl${process.pid}`;
export const file = `${stateRoot}/cluster.yaml`;
const cluster = 'fleet-test';
export const keys = fleetKeys(cluster);

const members: readonly (readonly [name: string, zone: string, address: string])[] = [
  ['rack-1', 'rack', '192.168.10.11/24'],
  ['rack-2', 'rack', '192.168.10.12/24'],
  ['aws-1', 'aws', '172.31.16.11/20'],
  ['aws-2', 'aws', '172.31.16.12/20'],
  ['gce-1', 'gce', '10.132.0.11/32'],
];
export const nodes: readonly SoakNode[] = members.map(([node, zone, address], i) => ({
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
export const plain = `  - { name: near, same: segment, mode: native, family: 4 }
  - { name: rest, mode: vxlan }`;
/** Another version, by which packets go the same ways. */
export const otherWords = plain.replace('mode: vxlan', 'mode: vxlan, reason: said in other words');
const nodesText = members
  .map(
    ([node, , address], i) =>
      `  - { name: ${node}, address: ${address}, overlay: [10.64.${i + 1}.0/24, "fd64:0:0:${i + 1}::/64"] }`,
  )
  .join('\n');

/** Prefixes of the other nodes, which each node has a way to. */
export const prefixesOfPeers = (members.length - 1) * 2;

interface Scope {
  teardown(handler: () => unknown): void;
  same(found: unknown, wanted: unknown, message: string): unknown;
  equal(found: unknown, wanted: unknown, message: string): unknown;
  comment(text: string): void;
}

export async function raiseFleet(
  t: Scope,
): Promise<{ readonly lab: Lab; readonly cluster: Cluster }> {
  mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
  writeFileSync(file, `${text(plain)}nodes:\n${nodesText}\n`);
  t.teardown(() => rmSync(stateRoot, { recursive: true, force: true }));
  const read = await loadClusterFile(file);
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('\n'));
  const { cluster } = read;
  const lab = await labUp({ lab: name, cluster, configFile: file, stateRoot, store: 'etcd' });
  t.teardown(() => labDown(name, { stateRoot }));
  return { lab, cluster };
}

/** Packets across every ordered pair from now on; runs what must not cost any of them. */
export async function underPackets(
  t: Scope,
  lab: Lab,
): Promise<(what: string, trouble: () => Promise<void>) => Promise<void>> {
  const flows = new Flows(lab, nodes);
  await flows.open();
  t.teardown(() => flows.close());
  await flows.start(nodes);
  await sleep(500);
  let overflowed = new Map(await flows.overflows());
  return async (what, trouble) => {
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
}

/** Waits for one. */
export async function leaderOf(lab: Lab): Promise<string> {
  let found: string | undefined;
  await eventually(
    async () => {
      found = (await memberStates(lab)).find(({ leader }) => leader)?.member.name;
      return found !== undefined;
    },
    () => 'the store has no leader',
    30_000,
  );
  return found!;
}

export class Fleet {
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

  leader(): Promise<string> {
    return leaderOf(this.#lab);
  }

  /**
   * One member dead and one halted for so long, from when every agent has noticed; one of the agents
   * is restarted in between, and all of them keep all that they have.
   */
  async withoutMajority(t: Scope, forMs: number): Promise<void> {
    const leader = await this.leader();
    const [first, second] = storeMembers(name).filter((member) => member.name !== leader);
    await killMember(this.#lab, first!.name);
    signalMember(this.#lab, second!.name, 'SIGSTOP');
    await eventually(
      async () => (await this.statuses()).every(({ store }) => store?.synced === false),
      () => 'an agent does not say that it knows nothing new',
      40_000,
    );
    await this.restartAgent('aws-1');
    await sleep(forMs);
    for (const { node, peers } of await this.statuses())
      t.equal(peers.length, prefixesOfPeers, `${node} still has all of its prefixes`);
    signalMember(this.#lab, second!.name, 'SIGCONT');
    await restartMember(this.#lab, first!.name);
    await this.untilSynced();
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
