/** Builds a topology on this machine: namespaces, settings, cables, addresses, routes, filters. */
import { existsSync } from 'node:fs';
import { inTurns } from './in-turns.js';
import { LabError } from './names.js';
import { command, ipBatch } from './shell.js';
import type { Topology } from './topology.js';

/** How many namespaces are set up at a time. */
const parallelNamespaces = 4;

export async function buildTopology(topology: Topology): Promise<void> {
  const names = topology.namespaces.map((namespace) => namespace.name);
  await ipBatch(names.map((name) => `netns add ${name}`));
  await inTurns(topology.namespaces, {
    limit: parallelNamespaces,
    work: ({ name, sysctls }) => writeSysctls(name, sysctls),
  });
  await ipBatch(topology.cables);
  await inTurns(topology.namespaces, {
    limit: parallelNamespaces,
    work: async (namespace) => {
      await ipBatch(namespace.lines, { namespace: namespace.name });
      await writeSysctls(namespace.name, namespace.deviceSysctls);
      if (namespace.nftables !== undefined)
        await command(['nft', '-f', '-'], { namespace: namespace.name, input: namespace.nftables });
    },
  });
}

/** Throws when a namespace of that name is there already: it would not be ours. */
export function refuseForeign(topology: Topology): void {
  const there = topology.namespaces
    .map((namespace) => namespace.name)
    .filter((name) => existsSync(`/run/netns/${name}`));
  if (there.length > 0)
    throw new LabError(
      `cannot build the lab: the network namespace ${there[0]} exists and no lab's manifest ` +
        `knows it; remove it with "ip netns delete ${there[0]}"` +
        (there.length > 1 ? ` (and ${there.length - 1} more)` : ''),
    );
}

/** /proc/sys/net shows the namespace of whoever opens the file, hence a shell inside. */
async function writeSysctls(
  namespace: string,
  sysctls: Readonly<Record<string, string>>,
): Promise<void> {
  const lines = Object.entries(sysctls).map(
    ([path, value]) => `echo ${value} > /proc/sys/net/${path}`,
  );
  if (lines.length > 0) await command(['sh', '-e'], { namespace, input: `${lines.join('\n')}\n` });
}
