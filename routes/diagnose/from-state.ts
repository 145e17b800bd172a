/**
 * What is not as it should be, as a code: each stage report of a view that does not match. Several
 * follow from one another (a device that is gone takes its routes along); the others are then
 * contributing, not causes.
 */
import { routeProtocol } from '../ownership.js';
import type { FindingCode } from './codes.js';
import type { Direction, NodeView, StageReport } from './evidence.js';

/** A stage that does not match, before anybody has looked where packets are missing. */
export interface Suspect {
  readonly code: FindingCode;
  readonly node: string;
  readonly side: 'from' | 'to';
  readonly report: StageReport;
  /** `unknown`: counts only where packets are missing. */
  readonly certain: boolean;
  /** Follows from another one. */
  readonly consequence: boolean;
}

export function suspectsOf(view: NodeView, side: 'from' | 'to'): readonly Suspect[] {
  return suspectsIn(view.stages, { node: view.node, side });
}

export function suspectsIn(
  stages: readonly StageReport[],
  at: Pick<Suspect, 'node' | 'side'>,
): readonly Suspect[] {
  const broken = stages.filter((report) => report.state !== 'match');
  return broken.map((report) => ({
    ...at,
    code: stateCode(report),
    report,
    certain: report.state !== 'unknown',
    consequence: broken.some((other) => other !== report && entails(other, report)),
  }));
}

/** Which directions of the pair a report is about. */
export function concerns(report: StageReport, direction: Direction): boolean {
  return report.direction === 'both' || report.direction === direction;
}

export function stateCode(report: StageReport): FindingCode {
  const { stage, state, attributes, key } = report;
  const has = (name: string): boolean => attributes.includes(name);
  switch (stage) {
    case 'agent':
      return 'agent-not-running';
    case 'forwarding':
      return 'forwarding-off';
    case 'policy-rule':
      return state === 'missing' ? 'policy-rule-missing' : 'policy-rule-diverts';
    case 'route':
      if (state === 'missing') return 'route-missing';
      if (state === 'drift') return 'route-differs';
      return has('shadow') ? 'route-shadowed' : 'route-foreign';
    case 'device':
      if (state === 'missing') return 'device-missing';
      if (state === 'foreign') return 'device-foreign';
      if (has('vni')) return 'vni-differs';
      if (has('port')) return 'vxlan-port-differs';
      return has('up') ? 'device-down' : 'device-differs';
    case 'address':
      if (state === 'foreign') return 'address-duplicate';
      return key.startsWith('sysctl ') ? 'ipv6-disabled' : 'tunnel-address-missing';
    case 'neighbour':
      return state === 'missing' ? 'neighbour-missing' : 'neighbour-wrong';
    case 'fdb':
      if (state === 'missing') return 'fdb-missing';
      return state === 'foreign' ? 'fdb-foreign' : 'fdb-wrong';
    case 'own-filter':
      return 'guard-differs';
    case 'foreign-filter':
      if (has('drops-tunnel')) return 'filter-drops-tunnel';
      return has('drops-forwarded') ? 'filter-drops-overlay' : 'masquerade-hits-overlay';
    case 'underlay-route':
      return underlayRouteCode(report);
    case 'nic':
      return nicCode(report);
    case 'reverse-path':
      return report.actual?.endsWith('=1') === true
        ? 'reverse-path-strict'
        : 'reverse-path-differs';
    case 'conntrack':
      return 'conntrack-full';
    case 'delivery':
      return 'echo-ignored';
  }
}

function underlayRouteCode({ state, attributes, key }: StageReport): FindingCode {
  const has = (name: string): boolean => attributes.includes(name);
  if (has('duplicate')) return 'duplicate-node-address';
  if (has('recursive')) return 'underlay-route-recursive';
  if (has('mtu')) return 'path-mtu-learned';
  if (has('device')) return 'underlay-route-elsewhere';
  if (key.startsWith('neighbour '))
    return has('unresolved') ? 'underlay-neighbour-unresolved' : 'underlay-neighbour-static';
  return state === 'missing' ? 'underlay-route-missing' : 'underlay-route-foreign';
}

function nicCode({ state, attributes, key }: StageReport): FindingCode {
  const has = (name: string): boolean => attributes.includes(name);
  if (state === 'unknown') return 'nic-hook';
  if (key.startsWith('sysctl ')) return 'host-setting-differs';
  if (has('duplicate')) return 'duplicate-node-address';
  if (key.startsWith('address ')) return 'underlay-address-missing';
  if (state === 'missing') return 'nic-missing';
  if (has('up')) return 'nic-down';
  if (has('carrier')) return 'nic-no-carrier';
  return has('arp') ? 'nic-arp-off' : 'nic-mtu-small';
}

/** A device that differs in these was made anew, or is down: what stood on it is gone. */
const remaking = new Set(['up', 'vni', 'port', 'mac', 'local', 'parent', 'kind']);
const ownProtocol = `protocol ${routeProtocol}`;

/**
 * Does the second follow from the first? A device that is gone or down takes what stands on it
 * along; so does the tunnel address with the routes that it is the source of, and a NIC with the
 * routes and neighbours that go by it.
 */
function entails(cause: StageReport, effect: StageReport): boolean {
  const lost = effect.state === 'missing' || effect.attributes.includes('unresolved');
  switch (cause.stage) {
    case 'device': {
      const gone =
        cause.state !== 'drift' || cause.attributes.some((attribute) => remaking.has(attribute));
      if (!gone || effect.stage === 'device') return false;
      // What somebody then wrote in our name by the new device is of the same making.
      if (effect.attributes.includes('shadow') && effect.holder === ownProtocol) return true;
      const device = cause.key.slice('link '.length);
      const setting = effect.key.startsWith('sysctl ');
      return (lost || setting) && mentions(effect, device);
    }
    case 'address':
      // A device without any IPv4 address loses its neighbours too.
      return cause.state === 'missing' && ['route', 'neighbour'].includes(effect.stage) && lost;
    case 'nic': {
      const [kind, name = ''] = cause.key.split(' ');
      const shrunk = cause.attributes.join() === 'mtu';
      if (shrunk) return ['device', 'route'].includes(effect.stage) && onlyMtu(effect);
      const gone =
        cause.state === 'missing' ||
        ['up', 'carrier'].some((attribute) => cause.attributes.includes(attribute));
      if (!gone) return false;
      if (effect.stage === 'underlay-route') return lost;
      // Without its address nothing can be sent from it; what went by the NIC went along.
      return kind === 'nic' && effect.stage === 'route' && lost && mentions(effect, name);
    }
    case 'forwarding':
      // One switch for all devices.
      return (
        !cause.key.includes('/conf/') &&
        effect.stage === 'forwarding' &&
        effect.key.includes('/conf/')
      );
    default:
      return false;
  }
}

/** What is planned follows the NIC; what is not written yet differs in nothing else. */
function onlyMtu({ attributes }: StageReport): boolean {
  return attributes.length > 0 && attributes.every((attribute) => attribute.endsWith('mtu'));
}

function mentions(report: StageReport, device: string): boolean {
  const words = `${report.key} ${report.desired ?? ''} ${report.actual ?? ''}`.split(/[ /]/);
  return words.includes(device);
}
