/** What can be done to the store of a lab that stands: members killed, halted, started again. */
import { readFileSync } from 'node:fs';
import type { Lab } from '../lab.js';
import { readManifest, writeManifest } from '../manifest.js';
import { LabError } from '../names.js';
import { type ProcessRecord, isRunning, stopProcesses } from '../processes.js';
import { type CommandResult, tryCommand } from '../shell.js';
import { certificatesIn } from './certificates.js';
import { operatorFiles, operatorName } from './enrol.js';
import { memberTitle, startMember } from './members.js';
import { type StoreMember, clientPort, storeMembers } from './topology.js';

export interface MemberState {
  readonly member: StoreMember;
  readonly running: boolean;
  readonly leader: boolean;
}

/** Kills a member's process, as a machine that loses power does. */
export async function killMember(lab: Lab, name: string): Promise<void> {
  const member = requireMember(lab, name);
  await stopProcesses(recordsOf(lab, member), { graceMs: 0 });
}

/** Halts a member, so that its connections stay and nobody answers; `SIGCONT` lets it go on. */
export function signalMember(lab: Lab, name: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const [record] = recordsOf(lab, requireMember(lab, name));
  if (record === undefined) throw new LabError(`${name} of the lab's store does not run`);
  process.kill(record.pid, signal);
}

/** Starts a member that was killed, with the data that it had. */
export async function restartMember(lab: Lab, name: string): Promise<void> {
  const member = requireMember(lab, name);
  if (recordsOf(lab, member).length > 0)
    throw new LabError(`${name} of the lab's store runs already`);
  const folder = lab.paths.store;
  const record = await startMember(member, {
    members: storeMembers(lab.name),
    folder,
    certificates: certificatesIn(folder),
  });
  const manifest = readManifest(lab.paths)!;
  const others = manifest.processes.filter(({ what }) => what !== memberTitle(member));
  writeManifest(lab.paths, { ...manifest, processes: [...others, record] });
}

/** Which members run, and which of them leads; members that do not answer lead nobody. */
export async function memberStates(lab: Lab): Promise<readonly MemberState[]> {
  requireStore(lab);
  return Promise.all(
    storeMembers(lab.name).map(async (member) => {
      const running = recordsOf(lab, member).length > 0;
      if (!running) return { member, running, leader: false };
      const answer = await storeCommand(lab, ['endpoint', 'status', '-w', 'json'], { at: member });
      const [entry] = answer.status === 0 ? (JSON.parse(answer.stdout) as EndpointStatus[]) : [];
      const { header, leader } = entry?.Status ?? {};
      return { member, running, leader: leader !== undefined && leader === header?.member_id };
    }),
  );
}

interface EndpointStatus {
  readonly Status: { readonly header: { readonly member_id: number }; readonly leader?: number };
}

/** `etcdctl` in a member's namespace, as the operator. */
export function storeCommand(
  lab: Lab,
  args: readonly string[],
  options: { readonly at?: StoreMember; readonly input?: string } = {},
): Promise<CommandResult> {
  const { at = storeMembers(lab.name)[0]!, input } = options;
  const { password } = operatorFiles(lab.paths.store);
  const { ca } = certificatesIn(lab.paths.store);
  return tryCommand(
    [
      ...['etcdctl', '--endpoints', `https://${at.address}:${clientPort}`, '--cacert', ca],
      ...['--command-timeout', '10s', ...args],
    ],
    {
      namespace: at.namespace,
      timeoutMs: 20_000,
      ...(input === undefined ? {} : { input }),
      env: {
        ETCDCTL_API: '3',
        ETCDCTL_USER: `${operatorName}:${readFileSync(password, 'utf8').trim()}`,
      },
    },
  );
}

function requireMember(lab: Lab, name: string): StoreMember {
  const members = storeMembers(lab.name);
  const member = members.find((entry) => entry.name === name);
  requireStore(lab);
  if (member !== undefined) return member;
  const names = members.map((entry) => entry.name).join(', ');
  throw new LabError(`the lab's store has no member "${name}"; it has ${names}`);
}

function requireStore(lab: Lab): void {
  if (lab.manifest.store === undefined)
    throw new LabError(`the lab "${lab.name}" has no store; build one with --store etcd`);
}

/** From the manifest on disk: a member that was started again is another process. */
function recordsOf(lab: Lab, member: StoreMember): readonly ProcessRecord[] {
  const processes = readManifest(lab.paths)?.processes ?? [];
  return processes.filter((record) => record.what === memberTitle(member) && isRunning(record));
}
