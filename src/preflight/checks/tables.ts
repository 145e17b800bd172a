/** Tables of the kernel that may be too small: connections, neighbours, watches. */
import { prefixContains, prefixOf } from '../../../encap/prefix.js';
import { type Check, fail, fix, ok, skip, warn } from '../check.js';
import type { Machine } from '../machine.js';

function numberIn(machine: Machine, path: string): number | undefined {
  const text = machine.read(path)?.trim();
  return text === undefined || text === '' ? undefined : Number(text);
}

const fullFrom = 0.9;

export const conntrack: Check = {
  id: 'conntrack',
  group: 'host',
  title: 'connection tracking',
  about: 'the table of connections is not full: a full one drops new flows',
  run: ({ machine }) => {
    const count = numberIn(machine, 'proc/sys/net/netfilter/nf_conntrack_count');
    const max = numberIn(machine, 'proc/sys/net/netfilter/nf_conntrack_max');
    if (count === undefined || max === undefined || max === 0)
      return skip('connections are not tracked here');
    const wanted = {
      found: `${count} of ${max} connections`,
      needed: 'room for new ones',
      fix: {
        ...fix('raise the limit', `sysctl -w net.netfilter.nf_conntrack_max=${max * 4}`),
        file: {
          path: '/etc/sysctl.d/90-selvage.conf',
          lines: [`net.netfilter.nf_conntrack_max = ${max * 4}`],
        },
      },
    };
    if (count >= max) return fail(wanted);
    return count >= max * fullFrom ? warn(wanted) : ok(`${count} of ${max} connections`);
  },
};

/** Every one of the cluster that is on this node's own subnets. */
export const neighbourTable: Check = {
  id: 'neighbour-table',
  group: 'host',
  title: 'neighbour table',
  about: 'gc_thresh3 leaves room for the peers on the same subnets; permanent entries do not count',
  run: ({ machine, cluster, node }) => {
    const found = ([4, 6] as const).flatMap((family) => {
      const folder = `proc/sys/net/ipv${family}/neigh/default`;
      const most = numberIn(machine, `${folder}/gc_thresh3`);
      if (most === undefined) return [];
      const own = node.underlay.filter(({ address }) => address.family === family);
      const near = own.map(({ address, length }) => prefixOf(address, length));
      const isNear = (of: (typeof own)[number]): boolean =>
        near.some((prefix) => prefixContains(prefix, of.address));
      const peers = [...cluster.nodes.values()].filter(
        (peer) => peer.name !== node.name && peer.underlay.some(isNear),
      ).length;
      return [{ family, most, peers }];
    });
    if (found.length === 0) return skip('/proc/sys/net does not say how large it may become');
    const outcomes = found.flatMap(({ family, most, peers }) => {
      if (peers <= most / 2) return [];
      const size = 2 ** Math.ceil(Math.log2(peers * 4));
      const name = `net.ipv${family}.neigh.default`;
      const wanted = {
        found: `room for ${most} IPv${family} neighbours, and ${peers} peers are on the same subnet`,
        needed: `${name}.gc_thresh3 of ${size} or more`,
        fix: {
          ...fix(
            'raise the thresholds',
            `sysctl -w ${name}.gc_thresh3=${size} ${name}.gc_thresh2=${size / 2}`,
          ),
          file: {
            path: '/etc/sysctl.d/90-selvage.conf',
            lines: [`${name}.gc_thresh2 = ${size / 2}`, `${name}.gc_thresh3 = ${size}`],
          },
        },
      };
      return [peers > most ? fail(wanted) : warn(wanted)];
    });
    if (outcomes.length > 0) return outcomes;
    return ok(
      found.map(({ family, most, peers }) => `IPv${family} ${peers} of ${most}`).join(', '),
    );
  },
};

/** One for the cluster file, a few for what is read beside it. */
const watchesNeeded = 8;

export const inotify: Check = {
  id: 'inotify',
  group: 'host',
  title: 'file watches',
  about: 'inotify has instances and watches left to see a changed cluster file by',
  run: ({ machine }) => {
    const folder = 'proc/sys/fs/inotify';
    const instances = numberIn(machine, `${folder}/max_user_instances`);
    const watches = numberIn(machine, `${folder}/max_user_watches`);
    if (instances === undefined || watches === undefined) return skip('/proc/sys/fs does not say');
    if (instances >= watchesNeeded && watches >= watchesNeeded)
      return ok(`${instances} instances, ${watches} watches`);
    return warn({
      found: `${instances} instances, ${watches} watches`,
      needed: 'some dozens of each: without one a changed file is seen on SIGHUP only',
      fix: fix(
        'raise the limits',
        'sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536',
      ),
    });
  },
};
