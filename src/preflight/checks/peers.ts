/** The ways to the peers: what is decided, and what the kernel itself says of the way there. */
import { stepOf } from '../../../encap/trail.js';
import { isOwnDeviceName } from '../../../routes/ownership.js';
import type { RouteLookup } from '../../../tunnel/kernel.js';
import { type Check, type Outcome, fail, fix, ok, onKernel, skip, warn } from '../check.js';
import { someOf } from '../peer-list.js';

export const decisions: Check = onKernel(
  {
    id: 'decisions',
    group: 'underlay',
    title: 'ways to peers',
    about: 'every peer is left a mode that both ends and the way between them carry',
  },
  ({ ways, plan }) => {
    const lost = new Map<string, string[]>();
    for (const { peer, out } of ways)
      if (out.verdict.kind === 'unreachable') {
        const names = lost.get(out.verdict.reason) ?? [];
        lost.set(out.verdict.reason, [...names, peer.name]);
      }
    const outcomes = [...lost].map(([reason, names]) =>
      fail({
        found: `no way to ${someOf(names)} (${reason})`,
        needed: 'a mode that both ends let through',
        fix: fix(
          'see what excludes each mode, and the smallest change that lets one through',
          `selvage route-explain ${names[0]}`,
        ),
      }),
    );
    if (outcomes.length > 0) return outcomes;
    if (plan.rib.size <= 1 || ways.length === 0) return skip('there is no other node');
    const modes = new Map<string, number>();
    for (const { out } of ways) {
      const word = out.verdict.kind === 'forward' ? out.verdict.mode : out.verdict.kind;
      modes.set(word, (modes.get(word) ?? 0) + 1);
    }
    return ok([...modes].map(([word, count]) => `${word} ${count}`).join(', '));
  },
);

/** Addresses that are looked up at most; they share few routes. */
const lookupsMax = 256;

export const underlayRoutes: Check = onKernel(
  {
    id: 'underlay-routes',
    group: 'underlay',
    title: 'ways to addresses',
    about: "the kernel has a route to each peer's underlay address, wide enough, past the tunnels",
  },
  async ({ kernel, ways, details }) => {
    const own = new Set(details.addresses.map(({ address }) => address.text));
    const outcomes: Outcome[] = [];
    const seen = new Set<string>();
    for (const { peer, out } of ways) {
      if (out.verdict.kind !== 'forward' || seen.size >= lookupsMax) continue;
      const { ends } = out.verdict;
      // An address that is not here is told as such, and cannot be asked from.
      if (ends === undefined || seen.has(ends.remote.text) || !own.has(ends.local.text)) continue;
      seen.add(ends.remote.text);
      const way = await kernel.lookup(ends.remote, { from: ends.local });
      const needed = stepOf(out, 'mtu')?.ledger.path;
      const found = judge({ peer: peer.name, address: ends.remote.text, way, needed });
      if (found !== undefined) outcomes.push(found);
    }
    if (outcomes.length > 0) return merged(outcomes);
    return seen.size === 0 ? skip('nothing is tunnelled') : ok(`${seen.size} looked up`);
  },
);

function judge(of: {
  readonly peer: string;
  readonly address: string;
  readonly way: RouteLookup | undefined;
  readonly needed: number | undefined;
}): Outcome | undefined {
  const { peer, address, way, needed } = of;
  const show = `ip route get ${address}`;
  if (way === undefined || (way.kind !== 'unicast' && way.kind !== 'local'))
    return fail({
      found: `no route to ${address}, the address of ${peer}${way === undefined ? '' : `: ${way.kind}`}`,
      needed: 'a route to it by a NIC',
      fix: fix('add the route, or delete the one that is in the way', show),
    });
  if (way.kind === 'local')
    return fail({
      found: `${address}, the address of ${peer}, is taken for this machine's own`,
      needed: 'a route to it by a NIC',
      fix: fix('take the address away here', show),
    });
  if (isOwnDeviceName(way.device))
    return fail({
      found: `${address}, the address of ${peer}, is routed into our own tunnel ${way.device}`,
      needed: 'underlay addresses outside of the overlay prefixes',
      fix: fix('see which prefix holds it', show, 'selvage verify'),
    });
  if (way.mtu !== undefined && needed !== undefined && way.mtu < needed)
    return fail({
      found: `the way to ${address} (${peer}) allows ${way.mtu} bytes, and ${needed} are counted on`,
      needed: `${needed}, or a link with mtu: ${way.mtu} in the cluster file`,
      fix: fix(
        'write the link into the cluster file, or forget what the kernel has learned',
        `# links: - { between: […, …], mtu: ${way.mtu} }`,
        'ip route flush cache',
      ),
    });
  return undefined;
}

const shown = 4;

function merged(outcomes: readonly Outcome[]): readonly Outcome[] {
  const [first] = outcomes;
  const rest = outcomes.length - shown;
  if (rest <= 0 || first === undefined) return outcomes;
  return [...outcomes.slice(0, shown), { ...first, found: `and ${rest} more peers` }];
}

/** What the agent's own probes have found, which nothing that is read here could say. */
export const probed: Check = {
  id: 'probes',
  group: 'underlay',
  title: 'probed paths',
  about: "what the running agent's own probes have found lost or narrow",
  run: ({ keeper }) => {
    if (!('status' in keeper)) return skip('no agent runs here that probes');
    const { probes } = keeper.status;
    if (probes === undefined || probes.policy === 'off') return skip('probes are off');
    if (probes.idle !== undefined) return skip(probes.idle);
    if (probes.findings.length === 0)
      return ok(`${probes.probed.length} peers probed, nothing found`);
    return probes.findings.map((finding) => {
      const wanted = {
        found: `${finding.node}, ${finding.way}: ${finding.text}`,
        needed: 'a path that passes what is sent',
        fix: fix(
          finding.acted ? 'another way is used meanwhile; see why' : 'see where it is lost',
          `selvage route-explain ${finding.node} --probe`,
        ),
      };
      // A way that is not in use loses nothing.
      const used =
        finding.way.startsWith('path MTU') ||
        keeper.status.peers.some(
          ({ node, mode }) =>
            node === finding.node && mode !== undefined && finding.way.startsWith(mode),
        );
      return finding.acted || !used ? warn(wanted) : fail(wanted);
    });
  },
};
