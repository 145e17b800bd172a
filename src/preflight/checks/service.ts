/** What the service itself needs of the machine, and how it is. */
import { defaultProbes } from '../../../encap/probe/settings.js';
import type { PlanReport } from '../../agent/plan-report.js';
import { ClusterKeyError, readClusterKey } from '../../probe/key.js';
import { join } from 'node:path';
import { type Check, type Outcome, fail, fix, ok, onKernel, skip, warn } from '../check.js';
import type { NodeFacts } from '../facts.js';
import { someOf } from '../peer-list.js';

export const agentCheck: Check = {
  id: 'agent',
  group: 'service',
  title: 'agent',
  about: 'whether an agent runs, is frozen, or has left its devices alone',
  run: ({ keeper }) => {
    switch (keeper.kind) {
      case 'running':
        return keeper.status.ready
          ? ok(`runs, pid ${keeper.status.pid}`)
          : warn({
              found: `pid ${keeper.status.pid} runs and is not ready`,
              needed: 'a first pass that succeeded',
              fix: fix('see what it says', 'selvage status', 'journalctl -u selvage-agent'),
            });
      case 'frozen':
        return warn({
          found: `is frozen since ${keeper.status.freeze?.since ?? 'some time'}: what others change stays`,
          needed: 'an agent that repairs',
          fix: fix('let it work again', 'selvage thaw'),
        });
      case 'dead':
        return warn({
          found:
            'none answers, though its devices and routes are here: packets flow on, and nobody repairs',
          needed: 'a running agent',
          fix: fix('start it', 'systemctl start selvage-agent'),
        });
      case 'absent':
        return ok('none yet');
    }
  },
};

/** Differences that lose nothing: bookkeeping of a packet that arrives all the same. */
const harmless: readonly string[] = ['learning', 'ttl', 'tos', 'df', 'pmtudisc'];

export const objects: Check = onKernel(
  {
    id: 'objects',
    group: 'service',
    title: 'own objects',
    about: 'our devices, addresses, entries and routes are in the kernel as decided',
  },
  ({ report }, { keeper }) => {
    if (keeper.kind === 'absent') return skip('nothing of ours is here yet');
    // What the host has besides is told by its own checks.
    const changes = report.changes.filter(({ object }) => !object.startsWith('sysctl '));
    if (changes.length === 0) return ok('as decided');
    const losing = changes.filter(losesPackets);
    const repair = keeper.kind === 'frozen' ? 'selvage thaw' : 'systemctl restart selvage-agent';
    const wanted = (some: typeof changes) => ({
      found: someOf(some.map(differenceText)),
      needed: 'all of it as decided',
      fix: fix('let the agent put it right', 'selvage plan', repair),
    });
    const others = changes.filter((change) => !losesPackets(change));
    return [
      ...(losing.length === 0 ? [] : [(keeper.kind === 'running' ? warn : fail)(wanted(losing))]),
      ...(others.length === 0 ? [] : [warn(wanted(others))]),
    ];
  },
);

type Change = PlanReport['changes'][number];

function losesPackets({ action, attributes }: Change): boolean {
  if (action === 'update') return attributes.some((name) => !harmless.includes(name));
  return action === 'create';
}

function differenceText({ action, object, actual, attributes }: Change): string {
  // `link slv4a`, `addr 10.64.1.0/32 dev slv4a`: enough to find it by.
  const name = object.split(' ', object.startsWith('link ') ? 2 : 4).join(' ');
  switch (action) {
    case 'create':
      return `${name} is missing`;
    case 'delete':
      return `${name} is left over`;
    case 'update':
      return `${attributes.join(', ')} of ${name}: ${actual ?? 'another'}`;
  }
}

export const agentProblems: Check = {
  id: 'agent-problems',
  group: 'service',
  title: 'its problems',
  about: 'what the running agent could not make, and what it reports',
  run: ({ keeper }) => {
    if (!('status' in keeper)) return skip('no agent runs here');
    const { problems, peers, lastPass } = keeper.status;
    const see = fix('see the whole of it', 'selvage status');
    const broken = peers.filter(({ state }) => state === 'failed' || state === 'foreign');
    const outcomes: Outcome[] = [];
    if (broken.length > 0)
      outcomes.push(
        fail({
          found: `no way is made to ${someOf(broken.map(({ node }) => node))}: ${broken[0]!.error ?? lastPass?.error ?? 'the kernel refused it'}`,
          needed: 'a route to every peer',
          fix: see,
        }),
      );
    for (const problem of problems)
      // Rules of others are told by foreign-filter, with what mends each.
      if (!problem.includes('; make room with: '))
        outcomes.push(warn({ found: problem, needed: 'an agent without problems', fix: see }));
    return outcomes.length > 0 ? outcomes : ok('none');
  },
};

export const directories: Check = {
  id: 'directories',
  group: 'service',
  title: 'directories',
  about: 'the runtime and state directories can be written, and are closed to others',
  run: ({ paths, machine }) => {
    const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(machine.read('proc/self/status') ?? '')?.[1];
    if ((uid ?? '0') !== '0') return skip('what root may write is seen by root');
    const outcomes = [paths.runtimeDir, paths.stateDir].flatMap((path): readonly Outcome[] => {
      const state = machine.stat(path);
      const make = fix('make it anew', `install -d -m 0700 ${path}`);
      const needed = `${path}: a directory with mode 0700`;
      if (state === undefined) {
        const above = machine.nearest(path);
        return machine.stat(above)?.writable === true
          ? []
          : [
              fail({
                found: `${path} cannot be made: ${above} cannot be written`,
                needed,
                fix: make,
              }),
            ];
      }
      if (state.kind !== 'directory')
        return [fail({ found: `${path} is no directory`, needed, fix: make })];
      if (!state.writable) return [fail({ found: `${path} cannot be written`, needed, fix: make })];
      return (state.mode & 0o077) === 0
        ? []
        : [
            warn({
              found: `${path} has mode ${state.mode.toString(8).padStart(4, '0')}`,
              needed,
              fix: fix('close it to others', `chmod 0700 ${path}`),
            }),
          ];
    });
    return outcomes.length > 0 ? outcomes : ok(`${paths.runtimeDir}, ${paths.stateDir}`);
  },
};

export const clusterKey: Check = {
  id: 'cluster-key',
  group: 'service',
  title: 'cluster key',
  about: "the key by which agents answer each other's probes is there, with mode 0600",
  run: ({ cluster, paths, machine, node }) => {
    const { policy } = cluster.probes ?? defaultProbes;
    if (policy === 'off') return skip('probes are off');
    const path = paths.clusterKeyFile;
    const others = [...cluster.nodes.values()].some((peer) => peer.name !== node.name);
    if (!others) return skip('there is no other node');
    try {
      if (readClusterKey(join(machine.root, path)).bytes !== undefined) return ok(path);
    } catch (error) {
      if (!(error instanceof ClusterKeyError)) throw error;
      return warn({
        found: error.message,
        needed: 'the same key on every node, for root alone',
        fix: fix('close it to others, or make a new one', `chmod 0600 ${path}`),
      });
    }
    return warn({
      found: `there is no ${path}: agents answer no probes, and paths are not watched`,
      needed: 'the same key on every node',
      fix: fix('make one on one node, and copy it to all', `selvage key generate ${path}`),
    });
  },
};

const freeBytesNeeded = 32 * 1024 * 1024;

export const diskSpace: Check = {
  id: 'disk-space',
  group: 'service',
  title: 'disk space',
  about: 'room for the last good configuration and the records of changes',
  run: ({ machine, paths }) => {
    const space = machine.space(paths.stateDir);
    if (space === undefined) return skip('could not be asked');
    const free = `${Math.floor(space.freeBytes / 1024 / 1024)} MB free`;
    if (space.freeBytes >= freeBytesNeeded && space.freeFiles > 16) return ok(free);
    return warn({
      found: `${free}, ${space.freeFiles} files more below ${paths.stateDir}`,
      needed: '32 MB: without it the last good configuration is not kept over a restart',
      fix: fix('make room', `df -h ${paths.stateDir}`),
    });
  },
};

/** Larger skews make signed API calls invalid (AWS refuses from 5 minutes on). */
const skewWarnMs = 60_000;
const skewFailMs = 300_000;

export const clock: Check = {
  id: 'clock',
  group: 'service',
  title: 'clock',
  about: "the clock is kept right (NTP), and agrees with the cloud's where that was asked",
  run: (facts) => {
    const skew = 'absent' in facts.cloud ? undefined : facts.cloud.clockSkewMs;
    const keep = fix(
      'let a time service keep it',
      'systemctl enable --now systemd-timesyncd',
      'timedatectl',
    );
    const needed = "a clock within a minute of the cloud's; API calls are signed with the time";
    if (skew !== undefined && Math.abs(skew) >= skewWarnMs)
      return warn({
        found: `${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'} the cloud's${Math.abs(skew) >= skewFailMs ? ': its API refuses our calls' : ''}`,
        needed,
        fix: keep,
      });
    const by = keptBy(facts);
    if (by !== undefined) return ok(`kept by ${by}`);
    return warn({
      found: 'no time service is seen to keep it',
      needed: 'NTP, or the like',
      fix: keep,
    });
  },
};

function keptBy({ machine }: NodeFacts): string | undefined {
  if (machine.exists('run/systemd/timesync/synchronized')) return 'systemd-timesyncd';
  for (const path of ['run/chrony/chronyd.pid', 'run/chronyd.pid'])
    if (machine.exists(path)) return 'chrony';
  for (const path of ['run/ntpd.pid', 'run/ntpsec/ntpd.pid'])
    if (machine.exists(path)) return 'ntpd';
  // Guests of KVM and Hyper-V may take the time from their host.
  if (machine.exists('dev/ptp_kvm') || machine.exists('dev/ptp_hyperv')) return 'the host (PTP)';
  return undefined;
}
