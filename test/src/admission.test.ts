/** Firewalls of clouds: by example, and against an evaluator that asks every address by itself. */
import fc from 'fast-check';
import t from 'tap';
import { addressFromU32, parseAddress } from '../../encap/address.js';
import { type Prefix, parsePrefix, prefixContains } from '../../encap/prefix.js';
import {
  type Firewall,
  type FirewallRule,
  type FirewalledPacket,
  admits,
  admitsPrefix,
  mistakenProtocol,
} from '../../src/cloud/admission.js';
import { property } from '../support/property.js';

function rule(name: string, rest: Partial<FirewallRule> & { from?: readonly string[] }) {
  const { from, ...given } = rest;
  return {
    name,
    direction: 'ingress',
    action: 'allow',
    protocol: 'all',
    prefixes: (from ?? []).map(parsePrefix),
    groups: [],
    priority: 0,
    ...given,
  } as const satisfies FirewallRule;
}

function firewall(...rules: readonly FirewallRule[]): Firewall {
  return { rules, otherwise: { ingress: 'deny', egress: 'allow' } };
}

function packet(
  protocol: number,
  rest: Partial<FirewalledPacket> & { readonly from?: string } = {},
): FirewalledPacket {
  const { from, ...given } = rest;
  return {
    direction: 'ingress',
    protocol,
    peer: parseAddress(from ?? '10.0.1.11'),
    peerGroups: [],
    ...given,
  };
}

t.test('a security group admits what a rule names, and nothing else comes in', (t) => {
  const group = firewall(
    rule('vxlan', { protocol: 17, ports: { from: 4789, to: 4789 }, from: ['10.0.0.0/16'] }),
    rule('members', { protocol: 4, groups: ['sg-nodes'] }),
  );
  t.same(admits(group, packet(17, { port: 4789 })).rule?.name, 'vxlan');
  t.equal(admits(group, packet(17, { port: 4790 })).admitted, false);
  t.equal(admits(group, packet(17)).admitted, false, 'any port is more than 4789');
  t.equal(admits(group, packet(6, { port: 4789 })).admitted, false);
  t.equal(admits(group, packet(17, { port: 4789, from: '10.1.0.1' })).admitted, false);
  t.equal(admits(group, packet(17, { port: 4789, from: 'fd00::1' })).admitted, false);
  t.equal(admits(group, packet(4)).admitted, false);
  t.same(admits(group, packet(4, { peerGroups: ['sg-x', 'sg-nodes'] })).rule?.name, 'members');
  t.same(admits(group, packet(4, { direction: 'egress' })), { admitted: true, rule: undefined });
  t.end();
});

t.test('protocols without ports ignore them, protocols without types ignore those', (t) => {
  const wall = firewall(
    rule('ipip', { protocol: 4, ports: { from: 0, to: 0 }, from: ['10.0.0.0/8'] }),
    rule('all', { ports: { from: 1, to: 2 }, from: ['192.0.2.0/24'] }),
    rule('needed', { protocol: 1, icmp: { type: 3, code: 4 }, from: ['10.0.0.0/8'] }),
    rule('echo', { protocol: 1, icmp: { type: 8, code: undefined }, from: ['10.0.0.0/8'] }),
  );
  t.equal(admits(wall, packet(4)).admitted, true);
  t.equal(admits(wall, packet(41, { from: '192.0.2.1' })).admitted, true);
  t.equal(admits(wall, packet(17, { from: '192.0.2.1', port: 3 })).admitted, false);
  t.equal(admits(wall, packet(17, { from: '192.0.2.1', port: 2 })).admitted, true);
  t.equal(admits(wall, packet(1, { icmp: { type: 3, code: 4 } })).rule?.name, 'needed');
  t.equal(admits(wall, packet(1, { icmp: { type: 3, code: 3 } })).admitted, false);
  t.equal(admits(wall, packet(1, { icmp: { type: 8, code: 9 } })).rule?.name, 'echo');
  t.equal(admits(wall, packet(1)).admitted, false);
  t.end();
});

t.test('the smaller priority decides, and of equal ones the denial', (t) => {
  const wall = firewall(
    rule('allow-all', { from: ['0.0.0.0/0'], priority: 1000 }),
    rule('deny-ipip', { protocol: 4, action: 'deny', from: ['0.0.0.0/0'], priority: 1000 }),
    rule('allow-one', { protocol: 4, from: ['10.0.1.11/32'], priority: 999 }),
    rule('deny-later', { action: 'deny', from: ['0.0.0.0/0'], priority: 1001 }),
  );
  t.same(admits(wall, packet(4, { from: '10.0.1.12' })), { admitted: false, rule: wall.rules[1] });
  t.same(admits(wall, packet(4)), { admitted: true, rule: wall.rules[2] });
  t.same(admits(wall, packet(41)), { admitted: true, rule: wall.rules[0] });
  t.end();
});

t.test('a prefix passes only whole', (t) => {
  const pods = (text: string) => ({ ...packet(6, { port: 80 }), peer: parsePrefix(text) });
  const wall = firewall(
    rule('low', { from: ['10.64.0.0/25'] }),
    rule('high', { from: ['10.64.0.128/26', '10.64.0.192/26'] }),
    rule('hole', { action: 'deny', from: ['10.64.1.7/32'], priority: -1 }),
    rule('next', { from: ['10.64.1.0/24', 'fd64::/48'] }),
  );
  t.same(admitsPrefix(wall, pods('10.64.0.0/24')), { admitted: true, rule: wall.rules[1] });
  t.same(admitsPrefix(wall, pods('10.64.1.0/24')), { admitted: false, rule: wall.rules[2] });
  t.equal(admitsPrefix(wall, pods('10.64.1.8/29')).admitted, true);
  t.same(admitsPrefix(wall, pods('10.64.0.0/22')), { admitted: false, rule: wall.rules[2] });
  t.same(admitsPrefix(wall, pods('10.64.2.0/24')), { admitted: false, rule: undefined });
  t.equal(admitsPrefix(wall, pods('fd64:0:0:7::/64')).admitted, true);
  t.equal(admitsPrefix(wall, pods('fd64::/47')).admitted, false);
  t.end();
});

t.test('protocol 94 where 4 is meant is found', (t) => {
  const mistaken = rule('ipip?', { protocol: 94, from: ['10.0.0.0/16'], groups: ['sg-nodes'] });
  t.same(mistakenProtocol(firewall(mistaken)), [mistaken]);
  t.same(
    mistakenProtocol(firewall(mistaken, rule('half', { protocol: 4, from: ['10.0.0.0/17'] }))),
    [mistaken],
    'half of the peers is not all',
  );
  const whole = rule('whole', { protocol: 4, from: ['10.0.0.0/16'], groups: ['sg-nodes'] });
  t.same(mistakenProtocol(firewall(mistaken, whole)), []);
  t.same(mistakenProtocol(firewall(mistaken, rule('any', { from: ['0.0.0.0/0'] }))), []);
  t.same(mistakenProtocol(firewall(rule('no', { protocol: 94, action: 'deny' }))), []);
  t.end();
});

// --- against an evaluator that needs no cleverness -------------------------------------------

const base = 0x0a000000;
/** Prefixes inside of 10.0.0.0/27, so that all addresses can be asked one by one. */
const prefixes = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 27, max: 32 }))
  .map(([host, length]): Prefix => {
    const network = base + (length === 32 ? host : host & ~((1 << (32 - length)) - 1));
    return parsePrefix(`${addressFromU32(network).text}/${length}`);
  });
const numbers = fc.constantFrom(1, 4, 17, 94);
const ports = fc.constantFrom(53, 4789, 8472);
const rules = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  direction: fc.constantFrom('ingress' as const, 'egress' as const),
  action: fc.constantFrom('allow' as const, 'deny' as const),
  protocol: fc.oneof(numbers, fc.constant('all' as const)),
  ports: fc.option(
    fc.tuple(ports, ports).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
    { nil: undefined },
  ),
  icmp: fc.option(fc.constantFrom({ type: 3, code: 4 }, { type: 3, code: undefined }), {
    nil: undefined,
  }),
  prefixes: fc.array(prefixes, { maxLength: 3 }),
  groups: fc.subarray(['g1', 'g2'], { maxLength: 1 }),
  priority: fc.integer({ min: 0, max: 2 }),
});
const firewalls: fc.Arbitrary<Firewall> = fc.record({
  rules: fc.array(rules, { maxLength: 8 }),
  otherwise: fc.record({
    ingress: fc.constantFrom('allow' as const, 'deny' as const),
    egress: fc.constantFrom('allow' as const, 'deny' as const),
  }),
});
const packets = fc.record({
  direction: fc.constantFrom('ingress' as const, 'egress' as const),
  protocol: numbers,
  port: ports,
  icmp: fc.constantFrom({ type: 3, code: 4 }, { type: 8, code: 0 }, { type: 3, code: 1 }),
  peer: fc.integer({ min: 0, max: 31 }).map((host) => addressFromU32(base + host)),
  peerGroups: fc.subarray(['g1', 'g2']),
});

/** All rules that match, the best of them: nothing sorted, nothing cut. */
function obvious(wall: Firewall, asked: FirewalledPacket): boolean {
  const matching = wall.rules.filter((rule) => {
    if (rule.direction !== asked.direction) return false;
    if (rule.protocol !== 'all' && rule.protocol !== asked.protocol) return false;
    if (asked.protocol === 17 && rule.ports !== undefined)
      if (asked.port! < rule.ports.from || asked.port! > rule.ports.to) return false;
    if (asked.protocol === 1 && rule.icmp !== undefined) {
      if (rule.icmp.type !== asked.icmp!.type) return false;
      if (rule.icmp.code !== undefined && rule.icmp.code !== asked.icmp!.code) return false;
    }
    return (
      rule.prefixes.some((prefix) => prefixContains(prefix, asked.peer)) ||
      rule.groups.some((group) => asked.peerGroups.includes(group))
    );
  });
  if (matching.length === 0) return wall.otherwise[asked.direction] === 'allow';
  const best = Math.min(...matching.map((rule) => rule.priority));
  return matching.every((rule) => rule.priority !== best || rule.action === 'allow');
}

property(
  'a packet is admitted as the obvious evaluator says',
  [firewalls, packets],
  (wall, asked) => admits(wall, asked).admitted === obvious(wall, asked),
);

property(
  'a prefix is admitted exactly if each of its addresses is',
  [firewalls, packets, prefixes],
  (wall, asked, peer) => {
    const each = Array.from({ length: 32 }, (_, host) => addressFromU32(base + host))
      .filter((address) => prefixContains(peer, address))
      .every((address) => obvious(wall, { ...asked, peer: address }));
    return admitsPrefix(wall, { ...asked, peer }).admitted === each;
  },
);

property(
  'the rule told is one of the firewall, and does what was told',
  [firewalls, packets],
  (wall, asked) => {
    const { admitted, rule } = admits(wall, asked);
    if (rule === undefined) return admitted === (wall.otherwise[asked.direction] === 'allow');
    return wall.rules.includes(rule) && (rule.action === 'allow') === admitted;
  },
);
