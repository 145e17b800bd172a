/**
 * Between the packet and our route: policy rules that lead to another table, routes of others that
 * win over ours, and the kernel's own last word for an address of the peer.
 */
import { tableName } from '../../tunnel/kernel-details.js';
import { formatObject } from '../../tunnel/format.js';
import { bestRoute } from '../../tunnel/best-route.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import { ipProtocol } from '../../encap/wire/protocol.js';
import { isOwnRoute, mainTable } from '../ownership.js';
import type { StageReport } from './evidence.js';
import { carriageOf } from './pair.js';
import type { RoutedPacket } from './policy.js';
import { diversionOf } from './policy.js';
import { stageReport } from './stage.js';
import type { ViewParts } from './view-input.js';

export function routeStages(parts: ViewParts): readonly StageReport[] {
  return [...policyStages(parts), ...winnerStages(parts)];
}

function policyStages({ pair, input }: ViewParts): readonly StageReport[] {
  const { reads, actual } = input;
  const rules = reads.details.policyRules;
  const routes = actual.kernel.routes;
  const packets: { readonly what: string; readonly packet: RoutedPacket }[] = [];
  const { source, destination, outer, family } = pair;
  const own = { inDevice: undefined, protocol: undefined, destinationPort: undefined } as const;
  if (source !== undefined && destination !== undefined)
    packets.push({
      what: `overlay packets to ${destination.text}`,
      packet: { ...own, family, source, destination },
    });
  const carriage = carriageOf(pair.out);
  if (outer !== undefined && carriage !== undefined && carriage.mode !== 'native')
    packets.push({
      what: `tunnel packets to ${outer.remote.text}`,
      packet: {
        ...own,
        family: outer.local.family,
        source: outer.local,
        destination: outer.remote,
        ...(carriage.mode === 'vxlan'
          ? { protocol: ipProtocol.udp, destinationPort: pair.cluster.vxlan.port }
          : { protocol: carriage.inner === 4 ? ipProtocol.ipv4 : ipProtocol.ipv6 }),
      },
    });
  const found = packets.flatMap(({ what, packet }): StageReport[] => {
    const diversion = diversionOf(packet, { rules, routes });
    if (diversion === undefined) return [];
    const missing = diversion.rule === undefined;
    return [
      stageReport({
        stage: 'policy-rule',
        direction: pair.sending,
        state: missing ? 'missing' : diversion.certain ? 'foreign' : 'unknown',
        key: `rule ${diversion.text}`,
        desired: `${what} follow the main table`,
        actual: missing ? null : `${diversion.text} (${diversion.outcome})`,
        holder: missing ? null : `rule of protocol ${diversion.rule.protocol}`,
      }),
    ];
  });
  if (found.length > 0 || rules.length === 0) return found;
  return [
    stageReport({
      stage: 'policy-rule',
      direction: pair.sending,
      state: 'match',
      key: 'policy rules',
      desired: 'packets follow the main table',
      actual: 'no rule leads them elsewhere',
    }),
  ];
}

/** Somebody's route that the kernel prefers to ours, by prefix or metric. */
function winnerStages({ pair, input }: ViewParts): readonly StageReport[] {
  const { destination, route } = pair;
  if (destination === undefined || route === undefined) return [];
  const { actual, reads, desired } = input;
  const answer = reads.lookups.get(destination.text);
  const foreign = (text: string, holder: string): StageReport =>
    stageReport({
      stage: 'route',
      direction: pair.sending,
      state: 'foreign',
      attributes: ['shadow'],
      key: text,
      desired: formatObject(route),
      actual: text,
      holder,
    });
  if (answer?.kind === 'local')
    return [
      stageReport({
        stage: 'address',
        direction: pair.sending,
        state: 'foreign',
        key: `address ${destination.text}`,
        desired: `on ${pair.peer.name} alone`,
        actual: `${destination.text} on ${holderOf(destination.text, input) ?? 'this node'}`,
        holder: `device ${holderOf(destination.text, input) ?? 'of this node'}`,
      }),
    ];
  const winner = bestRoute(actual.kernel.routes, { address: destination, table: mainTable });
  // A wider route wins only where ours is missing, which is told as such.
  const wins = winner !== undefined && winner.prefix.length >= route.prefix.length;
  if (wins && !isWanted(winner, desired.objects)) {
    const held = objectKey(winner) === objectKey(route);
    // One that holds our own key is told as that object.
    if (!held) return [foreign(formatObject(winner), `protocol ${winner.protocol}`)];
    return [];
  }
  // The dump has our route on top, and the kernel answers otherwise: a table, a TOS, a source.
  const matched = answer?.matched;
  if (
    matched !== undefined &&
    answer?.kind === 'unicast' &&
    route.target.kind === 'unicast' &&
    (answer.device !== route.target.device || matched.prefix.text !== route.prefix.text) &&
    winner !== undefined &&
    objectKey(winner) === objectKey(route) &&
    isOwnRoute(winner)
  ) {
    const via = answer.gateway === undefined ? '' : ` via ${answer.gateway.text}`;
    return [
      foreign(
        `route ${matched.prefix.text}${via} dev ${answer.device} table ${tableName(matched.table)} proto ${matched.protocol}`,
        `protocol ${matched.protocol}`,
      ),
    ];
  }
  return [];
}

function isWanted(
  winner: RouteObject,
  objects: ReadonlyMap<string, { readonly type: string }>,
): boolean {
  return isOwnRoute(winner) && objects.has(objectKey(winner));
}

function holderOf(address: string, input: ViewParts['input']): string | undefined {
  return input.reads.details.addresses.find((entry) => entry.address.text === address)?.device;
}
