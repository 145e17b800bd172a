/** Routes and policy rules of others that lead packets for the overlay away from ours. */
import { offsetAddress } from '../../../encap/address.js';
import { firstAddress, prefixCovers } from '../../../encap/prefix.js';
import { diversionOf } from '../../../routes/diagnose/policy.js';
import { isOwnRoute, mainTable, pathMetric } from '../../../routes/ownership.js';
import { tunnelAddress } from '../../../routes/vtep.js';
import { formatObject } from '../../../tunnel/format.js';
import { type Check, type Outcome, fail, fix, ok, onKernel, warn } from '../check.js';
import { someOf } from '../peer-list.js';

export const foreignRoutes: Check = onKernel(
  {
    id: 'foreign-routes',
    group: 'conflicts',
    title: "others' routes",
    about: 'no route of others holds or shadows an overlay prefix, nor has our protocol number 83',
  },
  ({ state, plan, report }, { node }) => {
    const outcomes: Outcome[] = report.foreign.map(({ desired, actual }) =>
      fail({
        found: `somebody else's ${actual}`,
        needed: `room for ${desired}`,
        fix: fix('delete it', deletion(actual)),
      }),
    );
    for (const route of state.routes) {
      if (route.table !== mainTable || isOwnRoute(route)) continue;
      const decision = plan.rib.lookup(firstAddress(route.prefix));
      if (decision === undefined || decision.owner === node.name) continue;
      const { prefix, owner } = decision;
      if (!prefixCovers(prefix, route.prefix)) continue;
      // The longer prefix wins, then the smaller metric.
      const wins = route.prefix.length > prefix.length || route.metric < pathMetric(prefix);
      const text = formatObject(route);
      if (!wins || report.foreign.some(({ actual }) => actual === text)) continue;
      outcomes.push(
        fail({
          found: `${text}, inside of ${prefix.text} of ${owner ?? 'a peer'}, leads away`,
          needed: 'no route inside of an overlay prefix but ours',
          fix: fix(
            'delete it, or what keeps making it',
            `ip route delete ${route.prefix.text} metric ${route.metric}`,
          ),
        }),
      );
    }
    const strays = state.routes.filter((route) => isOwnRoute(route) && route.table !== mainTable);
    for (const route of strays)
      outcomes.push(
        warn({
          found: `${formatObject(route)} has our protocol number and is none of ours`,
          needed: 'protocol 83 for this program alone',
          fix: fix('find who made it', 'ip route show table all proto 83'),
        }),
      );
    return outcomes.length > 0 ? outcomes : ok('none inside of an overlay prefix');
  },
);

/** Of what `formatObject` prints. */
function deletion(object: string): string {
  const [type, name] = object.split(' ');
  return type === 'link'
    ? `ip link delete ${name ?? ''}`
    : `ip ${object.replace(/^route /, 'route delete ')}`;
}

/** Peers whose packets are walked through the rules; rules rarely know single prefixes. */
const peersTried = 64;

export const policyRules: Check = onKernel(
  {
    id: 'policy-rules',
    group: 'conflicts',
    title: 'policy rules',
    about:
      "no rule of others (ip rule) leads the overlay's or the tunnels' packets to another table",
  },
  ({ ways, details, state }, { node }) => {
    const found = new Map<
      string,
      { readonly peers: string[]; readonly certain: boolean; readonly outcome: string }
    >();
    const walk = (peer: string, packet: Parameters<typeof diversionOf>[0]): void => {
      const diversion = diversionOf(packet, { rules: details.policyRules, routes: state.routes });
      if (diversion === undefined) return;
      const { text, certain, outcome } = diversion;
      const known = found.get(text);
      if (known === undefined) found.set(text, { peers: [peer], certain, outcome });
      else known.peers.push(peer);
    };
    for (const { peer, out } of ways.slice(0, peersTried)) {
      const { family } = out.prefix;
      const source = tunnelAddress(node, family);
      if (out.verdict.kind !== 'forward' || source === undefined) continue;
      const destination = offsetAddress(firstAddress(out.prefix), 1n) ?? firstAddress(out.prefix);
      const plain = { protocol: undefined, destinationPort: undefined, inDevice: undefined };
      walk(peer.name, { family, source, destination, ...plain });
      const { ends } = out.verdict;
      if (ends !== undefined)
        walk(peer.name, {
          family: ends.family,
          source: ends.local,
          destination: ends.remote,
          ...plain,
        });
    }
    const outcomes = [...found].map(([text, { peers, certain, outcome }]) => {
      const priority = /^\d+/.exec(text)?.[0] ?? '';
      const wanted = {
        found: `"${text}" takes packets for ${someOf(peers)} away: ${outcome}`,
        needed: 'the main table for overlay prefixes and underlay addresses',
        fix: fix(
          'delete the rule, or let it pass the overlay by',
          `ip rule delete priority ${priority}`,
        ),
      };
      return certain ? fail(wanted) : warn(wanted);
    });
    return outcomes.length > 0 ? outcomes : ok('the main table decides');
  },
);
