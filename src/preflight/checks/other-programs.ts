/** The port of the probes, and another writer in this network namespace. */
import { defaultProbes } from '../../../encap/probe/settings.js';
import { type Check, fix, ok, skip, warn } from '../check.js';
import { holderOf, udpSockets } from '../udp-sockets.js';

export const probePort: Check = {
  id: 'probe-port',
  group: 'conflicts',
  title: 'probe port',
  about: "no other process holds the UDP port on which agents answer each other's probes",
  run: ({ machine, cluster, keeper }) => {
    const { policy, port } = cluster.probes ?? defaultProbes;
    if (policy === 'off') return skip('probes are off');
    const agent = 'status' in keeper ? keeper.status.pid : undefined;
    for (const socket of udpSockets(machine)) {
      if (socket.port !== port) continue;
      const holder = holderOf(machine, socket);
      if (holder?.pid === agent && agent !== undefined) continue;
      const who = holder === undefined ? 'somebody' : `process ${holder.name} (pid ${holder.pid})`;
      return warn({
        found: `${who} has UDP port ${port}`,
        needed: `port ${port} for the agent; without it peers get no answers to their probes`,
        fix: fix(
          'stop it, or give the probes another port on all nodes',
          `ss -ulpn 'sport = ${port}'`,
          `# cluster file: probes: { port: ${port + 1} }`,
        ),
      });
    }
    return ok(agent === undefined ? `${port} is free` : `${port} is the agent's`);
  },
};

/** unix(7): an abstract name is shown with @ in front. */
const lockName = '@selvage/writer';

export const otherAgent: Check = {
  id: 'other-agent',
  group: 'conflicts',
  title: 'other agents',
  about: 'no other agent works in this network namespace (the second one would refuse to start)',
  run: ({ machine, keeper }) => {
    const sockets = machine.read('proc/net/unix') ?? '';
    const isHeld = sockets.split('\n').some((line) => line.endsWith(` ${lockName}`));
    if ('status' in keeper) return ok(`this node's own, pid ${keeper.status.pid}`);
    if (!isHeld) return ok('none');
    return warn({
      found:
        'another agent, or a command that writes, is at work here and answers on no known socket',
      needed: 'one writer for each network namespace',
      fix: fix('see who it is, and stop it or name its socket', 'ss -xlp src @selvage/writer'),
    });
  },
};
