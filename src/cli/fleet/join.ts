/** What `node join` does around the join itself: this machine, the account, and the files. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { tryParseAddress } from '../../../encap/address.js';
import type { Address } from '../../../encap/address.js';
import type { Accepts } from '../../../encap/cluster.js';
import { tryParseInterfaceAddress } from '../../../encap/prefix.js';
import type { InterfaceAddress } from '../../../encap/prefix.js';
import { planesBesides } from '../../../routes/kernel-planes.js';
import { defaultStoreFile, machineFile } from '../../agent/paths.js';
import { detectMachine } from '../../cloud/detect.js';
import { machineCache } from '../../cloud/machine-cache.js';
import { isName } from '../../config/names.js';
import { writeAccessFiles, writeNodeName } from '../../fleet/access-files.js';
import { joinNode } from '../../fleet/join.js';
import type { Machine } from '../../fleet/machine.js';
import { thisMachine } from '../../fleet/machine.js';
import { patiently } from '../../fleet/patience.js';
import type { AccountStore } from '../../store/accounts.js';
import { accountName, nodePermissions } from '../../store/accounts.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { KeyValueError } from '../../store/kv.js';
import { openAccounts } from '../../store/open-accounts.js';
import { askAgent } from '../ask-agent.js';
import { exitCodes } from '../exit-codes.js';
import { unableFailure, usageFailure } from '../failure.js';
import type { Format } from '../options.js';
import { printAnswer, remark } from '../output.js';
import { renderJoin } from '../render/node.js';
import type { JoinReport } from './reports.js';
import type { StoreFlags, StoreRequest } from '../store-options.js';
import { requireOperatorStore, withStore } from '../store-options.js';

export interface JoinQuestion extends StoreFlags {
  readonly name: string;
  readonly zone?: string | undefined;
  readonly address: readonly string[];
  readonly labels: readonly string[] | undefined;
  readonly blocks: number;
  readonly replace: boolean;
  readonly cloud: boolean;
  readonly write: string;
  readonly nodeCert?: string | undefined;
  readonly nodeKey?: string | undefined;
  readonly defaultsFile: string;
  readonly wait: number;
  readonly socket: string;
  readonly runtimeDir: string;
  readonly output: Format;
}

export async function nodeJoin(question: JoinQuestion): Promise<void> {
  const parsed = readQuestion(question);
  const request = await requireOperatorStore(question);
  const accounts = await openAccounts(request);
  try {
    const report = await join({ question, parsed, request, accounts });
    await printAnswer(report, { output: question.output, render: renderJoin });
    process.exitCode = report.notes.length === 0 ? exitCodes.ok : exitCodes.found;
  } finally {
    accounts?.close();
  }
}

interface Parsed {
  readonly addresses: readonly (InterfaceAddress | Address)[];
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
}

interface Joining {
  readonly question: JoinQuestion;
  readonly parsed: Parsed;
  readonly request: StoreRequest;
  readonly accounts: AccountStore | undefined;
}

async function join({ question, parsed, request, accounts }: Joining): Promise<JoinReport> {
  const { name, wait: timeoutMs, write } = question;
  const { address, access } = request;
  const { cluster } = address;
  const patience = {
    ...{ timeoutMs, random: Math.random },
    onWait: (why: string) => remark(`${why}; it is tried again for ${timeoutMs / 1000} s (--wait)`),
  };
  const user = accountName(cluster, name);
  const managed = await patiently(() => managedAccounts(accounts, user), patience);
  const machine = await machineFor(question, parsed);
  const agentIsHere = await isAgentHere(question);
  const joined = await withStore(request, (kv) =>
    patiently(
      () =>
        joinNode(kv, {
          ...{ keys: fleetKeys(cluster), name, machine, agentIsHere },
          ...{ addresses: parsed.addresses, labels: parsed.labels },
          ...{ zone: question.zone, blocks: question.blocks, replace: question.replace },
          now: () => new Date(),
          random: Math.random,
        }),
      patience,
    ),
  );
  const login =
    managed === undefined
      ? undefined
      : { user, password: randomBytes(passwordBytes).toString('base64url') };
  if (managed !== undefined && login !== undefined)
    await patiently(
      () =>
        managed.put({
          name: user,
          password: login.password,
          permissions: nodePermissions(cluster, name),
        }),
      patience,
    );
  const { certificate } = parsed;
  const files = [
    ...writeAccessFiles(resolve(write), {
      ...{ node: name, address, operator: access, login, certificate },
    }),
  ];
  const here = write === defaultStoreFile;
  if (here && name !== hostname() && writeNodeName(question.defaultsFile, name))
    files.push(question.defaultsFile);
  return {
    schema: 'selvage.node-join/1',
    cluster,
    store: address.text,
    ...joined,
    account: login?.user ?? null,
    files,
    here,
  };
}

const passwordBytes = 32;

/** Undefined: the store asks nobody who they are. Fails before anything is written. */
async function managedAccounts(
  accounts: AccountStore | undefined,
  user: string,
): Promise<AccountStore | undefined> {
  if (accounts === undefined || !(await accounts.enabled())) return undefined;
  try {
    await accounts.has(user);
  } catch (error) {
    if (!(error instanceof KeyValueError) || error.failure !== 'denied') throw error;
    throw unableFailure(
      `the node needs an account of its own, and these credentials may not make one: ${error.message}; name a user with etcd's role root by --store-user and --store-password-file`,
    );
  }
  return accounts;
}

/** For another machine nothing of this one counts. */
async function machineFor(question: JoinQuestion, { addresses }: Parsed): Promise<Machine> {
  const { cloud, write, runtimeDir } = question;
  if (write !== defaultStoreFile && addresses.length > 0)
    return {
      ...{ addresses: [], toldZone: undefined, publicAddresses: [], planes: undefined },
      mtuOf: () => undefined,
    };
  const planes = await kernelPlanes();
  if (!cloud) return thisMachine(undefined, planes);
  const cache = machineCache({ path: machineFile({ runtimeDir }) });
  return thisMachine(await detectMachine({ env: process.env, cache }), planes);
}

/** Who may not ask the kernel leaves it to the agent, which does the same at its start. */
async function kernelPlanes(): Promise<Accepts | undefined> {
  const { openKernel } = await import('../../../tunnel/real-kernel.js');
  try {
    const kernel = openKernel();
    try {
      return planesBesides(await kernel.probeKinds());
    } finally {
      kernel.close();
    }
  } catch {
    return undefined;
  }
}

async function isAgentHere({ socket, name }: JoinQuestion): Promise<boolean> {
  const answer = await askAgent({ socket, path: '/v1/status' }).catch(() => undefined);
  if (answer?.answered !== true) return false;
  return (answer.body as { readonly node?: unknown }).node === name;
}

function readQuestion(question: JoinQuestion): Parsed {
  const { name, address, labels, nodeCert, nodeKey } = question;
  if (!isName(name))
    throw usageFailure(
      `"${name}" cannot be the name of a node; give one with --name: lower-case letters, digits, "-", "_" and ".", with a letter or digit at both ends`,
    );
  if ((nodeCert === undefined) !== (nodeKey === undefined))
    throw usageFailure('--node-cert and --node-key belong together; give both or none');
  return {
    addresses: address.map(readAddress),
    labels: labels === undefined ? undefined : Object.fromEntries(labels.map(readLabel)),
    certificate:
      nodeCert === undefined || nodeKey === undefined
        ? undefined
        : { cert: resolve(nodeCert), key: resolve(nodeKey) },
  };
}

function readAddress(text: string): InterfaceAddress | Address {
  const read = text.includes('/') ? tryParseInterfaceAddress(text) : tryParseAddress(text);
  if (read !== undefined && typeof read !== 'string') return read;
  throw usageFailure(`--address ${text} is no address; write it like 10.0.0.7 or 10.0.0.7/24`);
}

function readLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw usageFailure(`--label ${text} has no value; write it as KEY=VALUE`);
}
