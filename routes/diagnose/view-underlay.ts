/**
 * The way of the outer packet: the kernel's route to the peer's outer address (never through our
 * own tunnel), the NIC that it leaves by, and whether our own address on it is ours alone.
 */
import type { Address } from '../../encap/address.js';
import type { Decision } from '../../encap/trail.js';
import { stepOf } from '../../encap/trail.js';
import type { RouteLookup } from '../../tunnel/kernel.js';
import { isOwnDeviceName } from '../ownership.js';
import type { StageReport } from './evidence.js';
import { stageReport } from './stage.js';
import type { ViewParts } from './view-input.js';

export function underlayStages(parts: ViewParts): readonly StageReport[] {
  return [...wayStages(parts), ...nicStages(parts), ...nextHopStages(parts)];
}

function wayStages({ pair, input }: ViewParts): readonly StageReport[] {
  const { outer, nic } = pair;
  if (outer === undefined) return [];
  const { remote } = outer;
  const way = input.reads.lookups.get(remote.text);
  const base = {
    stage: 'underlay-route',
    direction: pair.sending,
    key: `way to ${remote.text}`,
    desired: `to ${remote.text}${nic === undefined ? '' : ` by ${nic}`}`,
  } as const;
  if (!input.reads.lookups.has(remote.text)) return [];
  if (way === undefined || way.kind === 'unreachable')
    return [stageReport({ ...base, state: 'missing' })];
  if (way.kind === 'local') {
    const device = input.reads.details.addresses.find(
      (entry) => entry.address.text === remote.text,
    )?.device;
    return [
      stageReport({
        ...base,
        state: 'foreign',
        attributes: ['duplicate'],
        actual: `${remote.text}, the address of ${pair.peer.name}, is on device ${device ?? way.device} of this node`,
        holder: `device ${device ?? way.device}`,
      }),
    ];
  }
  if (way.kind !== 'unicast')
    return [
      stageReport({
        ...base,
        state: 'foreign',
        actual: `${way.kind} ${remote.text}`,
        holder: 'a route of somebody else',
      }),
    ];
  const text = wayText(remote, way);
  if (isOwnDeviceName(way.device))
    return [
      stageReport({
        ...base,
        state: 'drift',
        attributes: ['recursive'],
        actual: `${text}: through our own tunnel`,
      }),
    ];
  const found: StageReport[] = [];
  if (nic !== undefined && way.device !== nic)
    found.push(
      stageReport({
        ...base,
        // Hosts with their address on a loopback device or with two ways out are meant to do so.
        state: 'unknown',
        attributes: ['device'],
        actual: text,
        holder: way.matched === undefined ? null : `protocol ${way.matched.protocol}`,
      }),
    );
  const mtu = smallerMtu(pair, way);
  if (mtu !== undefined)
    found.push(
      stageReport({
        ...base,
        key: `path MTU to ${remote.text}`,
        desired: `at least ${mtu.needed}`,
        state: 'drift',
        attributes: ['mtu'],
        actual: `${text} mtu ${mtu.actual}`,
      }),
    );
  if (found.length === 0) found.push(stageReport({ ...base, state: 'match', actual: text }));
  return found;
}

/** A route, or a router's word that the kernel remembers, allows less than the decision counts on. */
function smallerMtu(
  pair: ViewParts['pair'],
  way: RouteLookup,
): { readonly actual: number; readonly needed: number } | undefined {
  const needed = pathMtus(pair.out)[0];
  return way.mtu !== undefined && needed !== undefined && way.mtu < needed
    ? { actual: way.mtu, needed }
    : undefined;
}

function wayText(remote: Address, way: RouteLookup): string {
  const via = way.gateway === undefined ? '' : ` via ${way.gateway.text}`;
  return `${remote.text}${via} dev ${way.device}`;
}

/** Of a decision: the path's MTU that it was computed with. */
function pathMtus(decision: Decision | undefined): readonly number[] {
  const step = decision === undefined ? undefined : stepOf(decision, 'mtu');
  return step === undefined ? [] : [step.ledger.path];
}

function nicStages({ pair, input }: ViewParts): readonly StageReport[] {
  const { outer, nic } = pair;
  if (outer === undefined) return [];
  const { details } = input.reads;
  const { local } = outer;
  const held = details.addresses.find((entry) => entry.address.text === local.text);
  const address = `address ${local.text}`;
  if (held === undefined)
    return [
      stageReport({
        stage: 'nic',
        direction: 'both',
        state: 'missing',
        key: address,
        desired: `${local.text} on a NIC of ${pair.self.name}`,
      }),
    ];
  const found: StageReport[] = [];
  if (held.duplicate)
    found.push(
      stageReport({
        stage: 'nic',
        direction: 'both',
        state: 'drift',
        key: address,
        desired: `${local.text} usable`,
        actual: `${local.text} dadfailed: another host of the link has it`,
        attributes: ['duplicate'],
      }),
    );
  const name = nic ?? held.device;
  const device = details.devices.find((entry) => entry.name === name);
  const wanted = Math.max(0, ...pathMtus(pair.out), ...pathMtus(pair.back));
  const key = `nic ${name}`;
  const desired = `${name} up${wanted > 0 ? `, mtu at least ${wanted}` : ''}`;
  if (device === undefined)
    return [
      ...found,
      stageReport({ stage: 'nic', direction: 'both', state: 'missing', key, desired }),
    ];
  const attributes = [
    ...(device.up ? [] : ['up']),
    ...(device.carrier || !device.up ? [] : ['carrier']),
    ...(device.arp || local.family === 6 ? [] : ['arp']),
    ...(device.mtu < wanted ? ['mtu'] : []),
  ];
  const actual = `${name} ${device.up ? 'up' : 'down'}${device.carrier ? '' : ', no carrier'}${device.arp ? '' : ', arp off'}, mtu ${device.mtu}`;
  found.push(
    stageReport({
      stage: 'nic',
      direction: 'both',
      state: attributes.length === 0 ? 'match' : 'drift',
      key,
      desired,
      actual,
      attributes,
    }),
  );
  for (const [what, there] of [
    ['an XDP program', device.xdp],
    [`${device.master ?? 'a bridge'}, which it is a port of`, device.master !== undefined],
  ] as const)
    if (there)
      found.push(
        stageReport({
          stage: 'nic',
          direction: 'both',
          state: 'unknown',
          key: `${key} ${what}`,
          actual: `${name}: ${what} sees packets first`,
          holder: what,
        }),
      );
  return found;
}

/** The MAC of the next hop: unresolved, or written by somebody's hand. */
function nextHopStages({ pair, input }: ViewParts): readonly StageReport[] {
  const { outer } = pair;
  const way = outer && input.reads.lookups.get(outer.remote.text);
  if (outer === undefined || way?.kind !== 'unicast' || isOwnDeviceName(way.device)) return [];
  const hop = way.gateway ?? outer.remote;
  const entry = input.reads.details.neighbours.find(
    ({ device, address }) => device === way.device && address.text === hop.text,
  );
  if (entry === undefined || entry.device === 'lo') return [];
  const base = {
    stage: 'underlay-route',
    direction: pair.sending,
    key: `neighbour ${way.device} ${hop.text}`,
    desired: `${hop.text} answers on ${way.device}`,
    actual: `neigh ${hop.text} ${entry.mac === undefined ? '' : `lladdr ${entry.mac} `}dev ${way.device} nud ${entry.state}`,
  } as const;
  switch (entry.state) {
    case 'failed':
      // It may be from before the peer came back: it counts where packets are missing now.
      return [stageReport({ ...base, state: 'unknown', attributes: ['unresolved'] })];
    case 'permanent':
      return [stageReport({ ...base, state: 'unknown', holder: 'an entry written by hand' })];
    case 'reachable':
    case 'stale':
    case 'probing':
    case 'noarp':
    case 'incomplete':
    case 'none':
      return [];
  }
}
