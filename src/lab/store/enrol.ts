/**
 * Moves a cluster file into the lab's store, as an operator would who goes from files to a fleet:
 * the configuration without its nodes, then each node by a join of its own, with an account that
 * may write nothing but its own keys. A node keeps the overlay prefixes that the file gave it: its
 * blocks are made before it joins, and a join keeps the blocks that a node has.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import { parsePrefix } from '../../../encap/prefix.js';
import { recordText } from '../../fleet/record.js';
import { blockText } from '../../fleet/values.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { inTurns } from '../in-turns.js';
import { LabError } from '../names.js';
import type { Lab } from '../lab.js';
import type { NodePlan } from '../plan.js';
import { selvageProgram } from '../program.js';
import { command, tryCommand } from '../shell.js';
import type { LabStore } from './raise.js';
import { clientPort } from './topology.js';

/** As many processes as a small machine has room for. */
const joinsAtOnce = 3;

/** The operator of a lab; the account is etcd's own superuser. */
export const operatorName = 'root';

export interface OperatorFiles {
  /** As `--store-file` takes it. */
  readonly access: string;
  readonly password: string;
}

export function operatorFiles(folder: string): OperatorFiles {
  return { access: join(folder, 'operator.yaml'), password: join(folder, 'operator-password') };
}

export async function enrol(
  lab: Lab,
  given: { readonly store: LabStore; readonly onJoined: (node: string) => void },
): Promise<void> {
  const { store, onJoined } = given;
  const at = store.members[0]!.namespace;
  await makeOperator(lab, store);
  const { access } = operatorFiles(lab.paths.store);
  const text = readFileSync(lab.manifest.configFile, 'utf8');
  const document = parseDocument(text);
  const entries = document.toJS() as {
    readonly nodes?: readonly Readonly<Record<string, unknown>>[];
  };
  document.delete('nodes');
  await command(
    [
      ...[...selvageProgram(), 'config', 'set', '-', '--store-file', access],
      ...['--message', `from ${lab.manifest.configFile}`],
    ],
    { namespace: at, input: document.toString() },
  );
  for (const node of lab.plan.nodes) {
    const entry = entries.nodes?.find(({ name }) => name === node.name) ?? {};
    await prepare(lab, { store, node, entry });
  }
  await inTurns(lab.plan.nodes, {
    limit: joinsAtOnce,
    work: async (node) => {
      await joinOne(lab, { store, node, access });
      onJoined(node.name);
    },
  });
}

/** Authentication on, with a password that nobody has typed. */
async function makeOperator(lab: Lab, store: LabStore): Promise<void> {
  const files = operatorFiles(lab.paths.store);
  const password = Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64url');
  writeFileSync(files.password, `${password}\n`, { mode: 0o600 });
  writeFileSync(
    files.access,
    `store: ${store.address}\nca: ${store.ca}\nuser: ${operatorName}\npasswordFile: ${files.password}\n`,
    { mode: 0o600 },
  );
  await etcdctl(store, ['user', 'add', operatorName, '--interactive=false'], {
    input: `${password}\n`,
  });
  await etcdctl(store, ['user', 'grant-role', operatorName, 'root']);
  await etcdctl(store, ['auth', 'enable']);
}

/** What a join does not ask for and the file says of the node, and its blocks. */
async function prepare(
  lab: Lab,
  given: {
    readonly store: LabStore;
    readonly node: NodePlan;
    readonly entry: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  const { store, node, entry } = given;
  const keys = fleetKeys(lab.plan.cluster.name);
  const password = readFileSync(operatorFiles(lab.paths.store).password, 'utf8').trim();
  const put = (key: string, value: string): Promise<string> =>
    // The value on standard input: a command line is seen by everybody on the machine.
    etcdctl(store, ['put', key], { input: value, login: `${operatorName}:${password}` });
  const content = {
    name: node.name,
    zone: node.zone,
    underlay: lab.plan.cluster.nodes.get(node.name)!.underlay,
    overlay: node.overlay,
    publicAddresses: undefined,
    labels: undefined,
  };
  const { address, addresses, ...kept } = entry;
  const record = JSON.parse(recordText(content, undefined)) as { readonly node: object };
  // What the file does not say, it means: a node would register what the lab's own kernel lacks, and
  // packets would go other ways than those that the file stands for.
  const accepts = { ...fileDefaults, ...(entry['accepts'] as object | undefined) };
  for (const { text } of node.overlay)
    await put(keys.block(parsePrefix(text)), blockText(node.name, new Date()));
  await put(
    keys.record(node.name),
    JSON.stringify({ ...record, node: { ...kept, accepts, ...record.node } }),
  );
}

const fileDefaults = { ipip: 'kernel', vxlan: 'kernel' } as const;

async function joinOne(
  lab: Lab,
  given: { readonly store: LabStore; readonly node: NodePlan; readonly access: string },
): Promise<void> {
  const { store, node, access } = given;
  const { stateDir, agentSocket, storeAccess } = lab.files.get(node.name)!;
  const underlay = lab.plan.cluster.nodes.get(node.name)!.underlay;
  const result = await tryCommand(
    [
      ...[...selvageProgram(), 'node', 'join', '--store-file', access, '--no-cloud'],
      ...['--name', node.name, '--zone', node.zone, '--socket', agentSocket],
      ...underlay.flatMap((entry) => ['--address', `${entry.address.text}/${entry.length}`]),
      ...['--write', storeAccess],
      ...['--defaults-file', join(stateDir, 'defaults')],
    ],
    { namespace: store.members[0]!.namespace },
  );
  // 1 is: joined, with a note, such as that it could not look at the machine.
  if (result.status > 1)
    throw new LabError(`${node.name} cannot join the lab's store: ${result.stderr.trim()}`);
}

/** What a busy machine's members say while they choose a leader; the same call works later. */
const passing = /timed out|leader changed|no leader|Unavailable/;
const attemptsMax = 5;

/** Only what may be done twice. */
async function etcdctl(
  store: LabStore,
  args: readonly string[],
  options: { readonly input?: string; readonly login?: string } = {},
): Promise<string> {
  const { input, login } = options;
  const argv = [
    ...['etcdctl', '--endpoints', `https://127.0.0.1:${clientPort}`, '--cacert', store.ca],
    ...args,
  ];
  for (let attempt = 1; ; attempt++) {
    const result = await tryCommand(argv, {
      namespace: store.members[0]!.namespace,
      ...(input === undefined ? {} : { input }),
      env: { ETCDCTL_API: '3', ...(login === undefined ? {} : { ETCDCTL_USER: login }) },
    });
    // Done by the attempt before, whose answer was lost.
    if (result.status === 0 || (attempt > 1 && result.stderr.includes('already exists')))
      return result.stdout;
    if (attempt === attemptsMax || !passing.test(result.stderr))
      throw new LabError(`"etcdctl ${args.join(' ')}" failed: ${result.stderr.trim()}`);
    await sleep(500);
  }
}
