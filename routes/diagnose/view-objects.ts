/**
 * The objects that we make: those that packets to the peer need, and the devices that packets of
 * the peer arrive on, each compared with what is desired.
 */
import { commonObjects } from '../desired-index.js';
import type { DesiredObject } from '../desired.js';
import { compareObject, concernsDevice, objectsFor, standingObjects } from '../explain-kernel.js';
import { formatObject } from '../../tunnel/format.js';
import { differences } from '../equal.js';
import { isOwnLink, slotOf } from '../ownership.js';
import type { Direction, Stage, StageReport } from './evidence.js';
import { stageReport } from './stage.js';
import type { ViewParts } from './view-input.js';

export function objectStages(parts: ViewParts): readonly StageReport[] {
  const { pair, input } = parts;
  const { desired, actual } = input;
  const standing = standingObjects(actual);
  const report = (object: DesiredObject, direction: Direction): StageReport => {
    const {
      key,
      state,
      desired: wanted,
      actual: found,
      attributes,
      holder,
    } = compareObject(object, standing);
    const stage = stageFor(object);
    return overridden(
      stageReport({
        stage,
        direction,
        key,
        state,
        desired: wanted,
        actual: found,
        attributes,
        holder,
      }),
      { object, parts },
    );
  };
  const out =
    pair.prefix === undefined || pair.destination === undefined
      ? []
      : objectsFor({
          desired,
          actual,
          prefix: pair.prefix,
          address: pair.destination,
        });
  const nic = pair.nic;
  const arriving = commonObjects(desired.objects).filter((object) => {
    switch (object.type) {
      case 'link':
        return pair.inDevices.includes(object.name);
      case 'address':
        return pair.inDevices.includes(object.device);
      case 'sysctl':
        return (
          pair.inDevices.some((device) => concernsDevice(object.path, device)) ||
          (nic !== undefined && concernsDevice(object.path, nic))
        );
      case 'fdb':
      case 'neighbour':
      case 'route':
        return false;
    }
  });
  return [
    ...out.filter(isOfFamily(pair.family)).map((object) => report(object, pair.sending)),
    ...arriving.filter(isOfFamily(pair.family)).map((object) => report(object, pair.receiving)),
  ];
}

/** A device carries the addresses of both families; the pair needs those of its own. */
function isOfFamily(family: 4 | 6): (object: DesiredObject) => boolean {
  return (object) => {
    if (object.type === 'address') return object.address.address.family === family;
    if (object.type !== 'sysctl') return true;
    // Reverse-path filters are IPv4's alone.
    return family === 4 ? !object.path.startsWith('net/ipv6/') : !object.path.endsWith('rp_filter');
  };
}

function stageFor(object: DesiredObject): Stage {
  switch (object.type) {
    case 'link':
      return 'device';
    case 'sysctl':
      if (object.path.endsWith('/rp_filter')) return 'reverse-path';
      if (object.path.endsWith('/disable_ipv6')) return 'address';
      return object.path.endsWith('/accept_ra') ? 'nic' : 'forwarding';
    case 'address':
    case 'neighbour':
    case 'fdb':
    case 'route':
      return object.type;
  }
}

/** What counts as missing may be there in another state, or with its way overridden. */
function overridden(
  report: StageReport,
  of: { readonly object: DesiredObject; readonly parts: ViewParts },
): StageReport {
  if (report.state !== 'missing') return report;
  const { object, parts } = of;
  const { details } = parts.input.reads;
  if (object.type === 'link') return elsewhere(report, object, parts);
  if (object.type === 'fdb') {
    const entry = details.forwarding.find(
      ({ device, mac }) => device === object.device && mac === object.mac,
    );
    if (entry === undefined) return report;
    const remote = entry.remote === undefined ? '' : ` dst ${entry.remote.text}`;
    return {
      ...report,
      state: 'drift',
      attributes: [
        ...(entry.remote?.text === object.remote.text ? [] : ['remote']),
        ...(entry.permanent ? [] : ['permanent']),
        ...entry.overrides,
      ],
      actual: `fdb ${entry.mac} dev ${entry.device}${remote} ${[...entry.overrides, entry.permanent ? 'permanent' : 'learned'].join(' ')}`,
    };
  }
  if (object.type === 'neighbour') {
    const entry = details.neighbours.find(
      ({ device, address }) => device === object.device && address.text === object.address.text,
    );
    if (entry === undefined) return report;
    return {
      ...report,
      state: 'drift',
      attributes: entry.mac === object.mac ? ['state'] : ['mac'],
      actual: `neigh ${entry.address.text} ${entry.mac === undefined ? '' : `lladdr ${entry.mac} `}dev ${entry.device} nud ${entry.state}`,
    };
  }
  return report;
}

/**
 * A device in the other slot that nobody asks for: where somebody has made ours anew with another
 * VNI, the agent plans the right one beside it.
 */
function elsewhere(
  report: StageReport,
  object: Extract<DesiredObject, { readonly type: 'link' }>,
  { input }: ViewParts,
): StageReport {
  const slot = slotOf(object.name);
  if (object.kind !== 'vxlan' || slot === undefined) return report;
  const stray = input.actual.kernel.links.find(
    (link) =>
      link.kind === 'vxlan' &&
      isOwnLink(link) &&
      link.local.family === object.local.family &&
      !input.desired.objects.has(`link ${link.name}`),
  );
  if (stray === undefined) return report;
  return {
    ...report,
    state: 'drift',
    attributes: differences({ ...stray, name: object.name }, object),
    actual: formatObject(stray),
  };
}
