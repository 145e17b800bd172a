/**
 * What is broken in the lab of `faults.test.ts`, where, and what it must be called by: the first
 * code of the explanation, and its health.
 */

export interface InjectedFault {
  readonly fault: string;
  /** Of the pair that is explained, which end is broken; of a network fault, whose packets are lost. */
  readonly at?: 'from' | 'to';
  /** For the packets of the other direction. */
  readonly reverse?: true;
}

export interface FaultCase {
  /** Where no fault of the lab says it. */
  readonly title?: string;
  readonly from: string;
  readonly to: string;
  readonly faults: readonly InjectedFault[];
  /** All of them in the first three lines, the first of them first. */
  readonly codes: readonly string[];
  readonly health: 'OK' | 'DEGRADED' | 'BROKEN' | 'UNDETERMINED';
  /** A test that would tell causes apart, or another detail of the text. */
  readonly says?: RegExp;
  /** A node besides the two that has a part in it. */
  readonly third?: string;
}

type Health = FaultCase['health'];

const vxlan = { from: 'rack-1', to: 'az-1' } as const;
const vxlan2 = { from: 'az-2', to: 'rack-5' } as const;
const ipip = { from: 'rack-2', to: 'far-1' } as const;
const native = { from: 'rack-3', to: 'rack-4' } as const;

const one = (
  fault: string,
  pair: { readonly from: string; readonly to: string },
  code: string,
  health: Health,
  more: Partial<FaultCase> & { readonly at?: 'from' | 'to' } = {},
): FaultCase => {
  const { at, ...rest } = more;
  return {
    ...pair,
    faults: [at === undefined ? { fault } : { fault, at }],
    codes: [code],
    health,
    ...rest,
  };
};

const atBoth = (
  fault: string,
  pair: { readonly from: string; readonly to: string },
  code: string,
  health: Health,
): readonly FaultCase[] => [
  one(fault, pair, code, health, { at: 'from' }),
  one(fault, pair, code, health, { at: 'to' }),
];

export const singleFaults: readonly FaultCase[] = [
  // The network between.
  one('vxlan-lost', vxlan, 'underlay-drops-vxlan', 'BROKEN'),
  one('vxlan-lost-back', vxlan2, 'underlay-drops-vxlan', 'BROKEN'),
  one('ipip-lost', ipip, 'underlay-drops-ipip', 'BROKEN'),
  one('ipip-lost-back', ipip, 'underlay-drops-ipip', 'BROKEN'),
  one('native-lost', native, 'source-destination-check', 'BROKEN'),
  one('cut', vxlan, 'underlay-unreachable', 'UNDETERMINED'),
  one('cut-one-way', vxlan2, 'underlay-unreachable', 'UNDETERMINED'),
  one('mtu-black-hole', vxlan, 'path-mtu-black-hole', 'BROKEN'),
  one('mtu-black-hole', ipip, 'path-mtu-black-hole', 'BROKEN'),
  one('mtu-black-hole', native, 'path-mtu-black-hole', 'BROKEN'),
  one('loss', vxlan, 'underlay-lossy', 'DEGRADED'),
  one('loss', ipip, 'underlay-lossy', 'DEGRADED'),
  one('loss', native, 'underlay-lossy', 'DEGRADED'),
  one('icmp-filtered', vxlan2, 'underlay-drops-icmp', 'DEGRADED'),
  one('duplicate-address', native, 'duplicate-node-address', 'DEGRADED', { third: 'rack-1' }),
  // What the agent made, spoilt.
  ...atBoth('wrong-vni', vxlan, 'vni-differs', 'BROKEN'),
  ...atBoth('stale-fdb', vxlan2, 'fdb-wrong', 'BROKEN'),
  ...atBoth('stale-neighbour', vxlan, 'neighbour-wrong', 'BROKEN'),
  ...atBoth('device-down', vxlan2, 'device-down', 'BROKEN'),
  one('device-down', ipip, 'device-down', 'BROKEN', { at: 'to' }),
  ...atBoth('device-missing', vxlan, 'device-missing', 'BROKEN'),
  ...atBoth('device-without-address', vxlan2, 'tunnel-address-missing', 'BROKEN'),
  one('device-without-address', ipip, 'tunnel-address-missing', 'BROKEN', { at: 'from' }),
  ...atBoth('device-mtu', vxlan, 'device-differs', 'DEGRADED'),
  ...atBoth('route-missing', vxlan2, 'route-missing', 'BROKEN'),
  one('route-missing', ipip, 'route-missing', 'BROKEN', { at: 'to' }),
  ...atBoth('route-missing', native, 'route-missing', 'BROKEN'),
  ...atBoth('forwarding-off', vxlan, 'forwarding-off', 'BROKEN'),
  ...atBoth('reverse-path-strict', vxlan2, 'reverse-path-strict', 'DEGRADED'),
  ...atBoth('guard-misses-node', vxlan, 'guard-differs', 'BROKEN'),
  one('guard-misses-node', ipip, 'guard-differs', 'BROKEN', { at: 'to' }),
  ...atBoth('guard-missing', vxlan2, 'guard-differs', 'DEGRADED'),
  ...atBoth('nic-mtu', vxlan, 'nic-mtu-small', 'DEGRADED'),
  one('nic-mtu', native, 'nic-mtu-small', 'DEGRADED', { at: 'from' }),
  // What somebody else put there.
  ...atBoth('foreign-route', vxlan, 'route-shadowed', 'BROKEN'),
  ...atBoth('foreign-rule', vxlan2, 'policy-rule-diverts', 'BROKEN'),
  one('foreign-rule', native, 'policy-rule-diverts', 'BROKEN', { at: 'to' }),
  ...atBoth('foreign-firewall', vxlan, 'filter-drops-tunnel', 'BROKEN'),
  ...atBoth('foreign-firewall', ipip, 'filter-drops-tunnel', 'BROKEN'),
  one('foreign-firewall', native, 'filter-drops-overlay', 'BROKEN', { at: 'to' }),
  ...atBoth('foreign-forward-drop', vxlan2, 'filter-drops-overlay', 'BROKEN'),
  ...atBoth('foreign-masquerade', vxlan, 'masquerade-hits-overlay', 'DEGRADED'),
  ...[vxlan2, ipip].flatMap((pair) => [
    one('underlay-route-missing', pair, 'underlay-route-missing', 'BROKEN', { at: 'from' }),
    // No answer comes, and nobody there can be asked.
    one('underlay-route-missing', pair, 'underlay-unreachable', 'UNDETERMINED', {
      at: 'to',
      says: /or underlay-route-missing: on \S+, by its console: ip route get/,
    }),
  ]),
  // The agents.
  one('agent-dead', vxlan, 'agent-not-running', 'DEGRADED', { at: 'from' }),
  one('agent-dead', vxlan, 'peer-agent-not-running', 'DEGRADED', { at: 'to' }),
  one('agent-hung', vxlan2, 'peer-agent-silent', 'DEGRADED', { at: 'to' }),
];

const two = (
  pair: { readonly from: string; readonly to: string },
  faults: readonly (InjectedFault | string)[],
  codes: readonly string[],
  more: Partial<FaultCase> = {},
): FaultCase => ({
  ...pair,
  faults: faults.map((fault) => (typeof fault === 'string' ? { fault } : fault)),
  codes,
  health: 'BROKEN',
  ...more,
});

const at = (end: 'from' | 'to', fault: string): InjectedFault => ({ fault, at: end });
const reversed = (fault: string): InjectedFault => ({ fault, reverse: true });

export const combinedFaults: readonly FaultCase[] = [
  // One in each direction.
  two(vxlan, ['vxlan-lost', at('to', 'stale-fdb')], ['underlay-drops-vxlan', 'fdb-wrong']),
  two(ipip, ['ipip-lost', at('to', 'route-missing')], ['underlay-drops-ipip', 'route-missing']),
  two(
    native,
    ['native-lost', at('to', 'route-missing')],
    ['source-destination-check', 'route-missing'],
  ),
  two(
    vxlan2,
    [at('from', 'foreign-rule'), reversed('mtu-black-hole')],
    ['policy-rule-diverts', 'path-mtu-black-hole'],
  ),
  // State, and the network.
  two(
    vxlan,
    [at('from', 'stale-neighbour'), 'vxlan-lost'],
    ['neighbour-wrong', 'underlay-drops-vxlan'],
  ),
  two(
    vxlan2,
    ['icmp-filtered', 'vxlan-lost-back'],
    ['underlay-drops-vxlan', 'underlay-drops-icmp'],
  ),
  two(
    vxlan,
    [at('to', 'foreign-masquerade'), 'mtu-black-hole'],
    ['path-mtu-black-hole', 'masquerade-hits-overlay'],
  ),
  two(ipip, ['loss', 'mtu-black-hole'], ['path-mtu-black-hole', 'underlay-lossy']),
  // One at each node.
  two(
    vxlan,
    [at('from', 'foreign-masquerade'), at('to', 'guard-misses-node')],
    ['guard-differs', 'masquerade-hits-overlay'],
  ),
  two(
    vxlan2,
    [at('from', 'device-down'), at('to', 'forwarding-off')],
    ['device-down', 'forwarding-off'],
  ),
  two(
    vxlan,
    [at('from', 'foreign-route'), at('to', 'foreign-firewall')],
    ['route-shadowed', 'filter-drops-tunnel'],
  ),
  two(
    vxlan,
    [at('from', 'nic-mtu'), at('to', 'route-missing')],
    ['route-missing', 'nic-mtu-small'],
  ),
  // Both at one node.
  two(
    vxlan2,
    [at('to', 'wrong-vni'), at('to', 'forwarding-off')],
    ['forwarding-off', 'vni-differs'],
  ),
  two(
    vxlan,
    [at('to', 'foreign-rule'), at('to', 'foreign-forward-drop')],
    ['filter-drops-overlay', 'policy-rule-diverts'],
  ),
  two(
    vxlan,
    [at('from', 'foreign-firewall'), at('from', 'device-down')],
    ['device-down', 'filter-drops-tunnel'],
  ),
  // And nobody there to tell: what is lost, and the test that would say why.
  two(
    vxlan2,
    ['vxlan-lost', at('to', 'agent-dead')],
    ['lost-on-the-way', 'peer-agent-not-running'],
    {
      health: 'UNDETERMINED',
      says: /or underlay-drops-vxlan: on rack-5:/,
    },
  ),
  two(vxlan, [at('to', 'agent-hung'), 'loss'], ['underlay-lossy', 'peer-agent-silent'], {
    health: 'DEGRADED',
  }),
];

export function nodesOf(one: FaultCase): readonly string[] {
  return [one.from, one.to, ...(one.third === undefined ? [] : [one.third])];
}
