/** The members of a lab's store: three etcd servers that speak TLS to each other and to nodes. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from '../names.js';
import { type ProcessRecord, isRunning, startDetached, tail } from '../processes.js';
import { tryCommand } from '../shell.js';
import type { StoreCertificates } from './certificates.js';
import { type StoreMember, clientPort, peerPort } from './topology.js';

export interface MemberFiles {
  readonly data: string;
  readonly log: string;
}

export function memberFiles(folder: string, member: StoreMember): MemberFiles {
  return { data: join(folder, member.name), log: join(folder, `${member.name}.log`) };
}

/** What its process is called in the lab's manifest. */
export function memberTitle(member: StoreMember): string {
  return `${member.name} of the lab's store`;
}

/** Starts a member; one that was there before finds its data again. */
export function startMember(
  member: StoreMember,
  given: {
    readonly members: readonly StoreMember[];
    readonly folder: string;
    readonly certificates: StoreCertificates;
  },
): Promise<ProcessRecord> {
  const { members, folder, certificates } = given;
  const files = memberFiles(folder, member);
  mkdirSync(files.data, { recursive: true, mode: 0o700 });
  return startDetached(memberCommand(member, { members, certificates, data: files.data }), {
    namespace: member.namespace,
    logFile: files.log,
    what: memberTitle(member),
  });
}

function memberCommand(
  member: StoreMember,
  given: {
    readonly members: readonly StoreMember[];
    readonly certificates: StoreCertificates;
    readonly data: string;
  },
): readonly string[] {
  const { members, certificates, data } = given;
  const peerUrl = ({ address }: StoreMember): string => `https://${address}:${peerPort}`;
  const clientUrl = `https://${member.address}:${clientPort}`;
  return [
    'etcd',
    ...['--name', member.name, '--data-dir', data],
    ...['--listen-client-urls', `${clientUrl},https://127.0.0.1:${clientPort}`],
    ...['--advertise-client-urls', clientUrl],
    ...['--listen-peer-urls', peerUrl(member), '--initial-advertise-peer-urls', peerUrl(member)],
    ...[
      '--initial-cluster',
      members.map((other) => `${other.name}=${peerUrl(other)}`).join(','),
      '--initial-cluster-state',
      'new',
      '--initial-cluster-token',
      'selvage-lab',
    ],
    ...['--cert-file', certificates.cert, '--key-file', certificates.key],
    ...['--peer-cert-file', certificates.cert, '--peer-key-file', certificates.key],
    ...['--peer-trusted-ca-file', certificates.ca, '--peer-client-cert-auth'],
    // All members share a machine with the nodes: etcd's own times would have them elect and elect.
    ...['--heartbeat-interval', '250', '--election-timeout', '2500'],
    ...['--logger', 'zap', '--log-level', 'warn'],
  ];
}

/** Waits until the store has a leader and answers. */
export async function untilHealthy(
  members: readonly StoreMember[],
  given: {
    readonly processes: readonly ProcessRecord[];
    readonly folder: string;
    readonly certificates: StoreCertificates;
    readonly timeoutMs: number;
  },
): Promise<void> {
  const { processes, folder, certificates, timeoutMs } = given;
  const deadline = Date.now() + timeoutMs;
  const [first] = members;
  for (;;) {
    // The members' own health check asks for a read through the leader.
    const answer = await tryCommand(
      [
        ...['etcdctl', '--endpoints', `https://127.0.0.1:${clientPort}`],
        ...['--cacert', certificates.ca, 'endpoint', 'health'],
      ],
      { namespace: first!.namespace, timeoutMs: 10_000, env: { ETCDCTL_API: '3' } },
    );
    if (answer.status === 0) return;
    const index = processes.findIndex((record) => !isRunning(record));
    const { log } = memberFiles(folder, members[Math.max(0, index)]!);
    if (index >= 0)
      throw new LabError(`${members[index]!.name} ended; the end of its log:\n${tail(log)}`);
    if (Date.now() > deadline)
      throw new LabError(
        `the store has no leader after ${timeoutMs} ms (${answer.stderr.trim()}); the end of a member's log:\n${tail(log)}`,
      );
    await sleep(100);
  }
}
