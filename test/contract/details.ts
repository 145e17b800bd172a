/** What a question reads besides the objects: both kernels tell the same of the same state. */
import { formatPolicyRule } from '../../tunnel/kernel-details.js';
import type { Behaviour } from './behaviour.js';
import { type Bench, nic, set, vxlan4 } from './bench.js';
import { fdb, neighbour, own4 } from './objects.js';

export function detailCases(bench: Bench, behaviour: Behaviour): void {
  const { kernel } = bench;

  behaviour('details tell what a packet meets besides our objects', async (t, apply) => {
    const hop = neighbour('10.64.9.0');
    for (const object of [vxlan4, own4, hop, fdb]) await apply(set(object));
    const { policyRules, neighbours, forwarding, devices, addresses } = await kernel.details();
    t.same(
      policyRules.map((rule) => `IPv${rule.family} ${formatPolicyRule(rule)}`),
      [
        'IPv4 0: from all lookup local',
        'IPv4 32766: from all lookup main',
        'IPv4 32767: from all lookup default',
        'IPv6 0: from all lookup local',
        'IPv6 32766: from all lookup main',
      ],
    );
    t.match(
      neighbours.filter(({ device, state }) => device === 'slv4a' && state === 'permanent'),
      [{ address: { text: hop.address.text }, mac: hop.mac }],
    );
    t.match(
      forwarding.filter(({ device }) => device === 'slv4a'),
      [{ mac: fdb.mac, remote: { text: fdb.remote.text }, permanent: true, overrides: [] }],
    );
    t.match(
      devices.find(({ name }) => name === nic),
      { mtu: 1500, up: true, carrier: true, arp: true, master: undefined, xdp: false },
    );
    t.match(
      addresses.find(({ address }) => address.text === '192.0.2.1'),
      { device: nic, length: 24, duplicate: false, tentative: false },
    );
  });
}
