/**
 * What a firewall admits by zone, against the obvious way of asking for every single address; and
 * the JSON client's own bounds.
 */
import fc from 'fast-check';
import t from 'tap';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { addressFromU32, parseAddress } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { parsePrefix } from '../../encap/prefix.js';
import { type Firewall, type FirewallRule, admits } from '../../src/cloud/admission.js';
import { admitsByZone } from '../../src/cloud/admits-by-zone.js';
import type { FirewallReading } from '../../src/cloud/control.js';
import { JsonClient, type JsonClientOptions, apiEndpoint } from '../../src/cloud/json-client.js';
import { portRange, protocolNumber } from '../../src/cloud/protocol-names.js';
import { isRouteName, routeName } from '../../src/cloud/route-name.js';
import { admitted } from '../../src/cloud/routed-prefixes.js';
import { failureOf } from '../support/cloud-control.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { property } from '../support/property.js';

/** Small overlays, so that every address can be asked for. */
const cluster: Cluster = sketchCluster({
  zones: { a: {}, b: {}, c: {} },
  nodes: [
    { name: 'a-1', zone: 'a', at: '10.0.0.1/24', overlay: '10.64.1.0/29' },
    { name: 'a-2', zone: 'a', at: '10.0.0.2/24', overlay: '10.64.1.8/29' },
    { name: 'b-1', zone: 'b', at: '10.0.1.1/24', overlay: '10.64.2.0/29' },
    { name: 'b-2', zone: 'b', at: '10.0.1.2/24', overlay: '10.64.2.8/29' },
    { name: 'c-1', zone: 'c', at: 'fd00::1/64', overlay: 'fd64::/64' },
    { name: 'gone', zone: 'c', at: '10.0.2.1/24', overlay: '10.64.3.0/29', withdrawn: true },
  ],
});

const groupsOf = new Map([
  ['a-1', ['nodes']],
  ['a-2', ['nodes', 'edge']],
  ['b-1', ['nodes']],
  ['b-2', ['edge']],
]);

const arbitraryRule: fc.Arbitrary<FirewallRule> = fc.record({
  name: fc.constant('rule'),
  direction: fc.constantFrom('ingress', 'egress'),
  action: fc.constantFrom('allow', 'allow', 'deny'),
  protocol: fc.constantFrom<number | 'all'>('all', 'all', 4, 6, 17, 1),
  ports: fc.constantFrom(undefined, undefined, { from: 4000, to: 5000 }, { from: 22, to: 22 }),
  prefixes: fc.subarray(
    [
      '0.0.0.0/0',
      '10.0.0.0/16',
      '10.0.1.0/24',
      '10.64.0.0/16',
      '10.64.2.0/29',
      '10.64.2.12/30',
    ].map(parsePrefix),
  ),
  groups: fc.subarray(['nodes', 'edge']),
  local: fc.constantFrom(undefined, undefined, ['10.0.0.0/24', '10.64.1.0/30'].map(parsePrefix)),
  priority: fc.nat({ max: 3 }),
});

const arbitraryFirewall: fc.Arbitrary<Firewall> = fc.record({
  rules: fc.array(arbitraryRule, { maxLength: 6 }),
  otherwise: fc.record({
    ingress: fc.constantFrom('allow', 'deny'),
    egress: fc.constantFrom('allow', 'deny'),
  }),
});

/** Each address of each peer's overlay, one at a time. */
function byHand(firewalls: readonly Firewall[], zone: string): Record<string, string> {
  const peers = [...cluster.nodes.values()].filter(
    (node) => node.zone === zone && node.name !== 'a-1' && !node.withdrawn,
  );
  const passes = (packet: {
    readonly protocol: number;
    readonly port?: number;
    readonly peer: string;
    readonly local: string;
    readonly groups: readonly string[];
  }): boolean =>
    (['ingress', 'egress'] as const).every((direction) =>
      firewalls.every(
        (firewall) =>
          admits(firewall, {
            direction,
            protocol: packet.protocol,
            ...(packet.port === undefined ? {} : { port: packet.port }),
            peer: parseAddress(packet.peer),
            peerGroups: packet.groups,
            local: parsePrefix(packet.local),
          }).admitted,
      ),
    );
  const tunnel = (protocol: number, port?: number): boolean =>
    peers.every((peer) =>
      passes({
        protocol,
        ...(port === undefined ? {} : { port }),
        peer: peer.underlay[0]!.address.text,
        local: '10.0.0.1/32',
        groups: groupsOf.get(peer.name)!,
      }),
    );
  const native = peers.every((peer) => {
    const base = new DataView(peer.overlay[0]!.bytes.buffer.slice(0)).getUint32(0);
    return [...Array(8).keys()].every((i) =>
      [1, 6, 17].every((protocol) =>
        passes({
          protocol,
          peer: addressFromU32(base + i).text,
          local: '10.64.1.0/29',
          groups: [],
        }),
      ),
    );
  });
  const word = (yes: boolean): string => (yes ? 'allowed' : 'blocked');
  return {
    ipip: word(tunnel(4)),
    ipv6InIpv4: word(tunnel(41)),
    vxlan: word(tunnel(17, 4789)),
    native: word(native),
  };
}

property(
  'verdicts by zone are those of every single packet',
  [fc.array(arbitraryFirewall, { minLength: 1, maxLength: 2 })],
  (firewalls) => {
    const reading: FirewallReading = {
      firewalls: firewalls.map((firewall) => ({ node: 'a-1', id: 'x', text: 'x', firewall })),
      groups: groupsOf,
      problems: [],
    };
    const found = admitsByZone({ cluster, node: cluster.nodes.get('a-1')!, firewalls: reading });
    for (const zone of ['a', 'b']) {
      const expected = byHand(firewalls, zone);
      if (JSON.stringify(found[zone]) !== JSON.stringify(expected))
        throw new Error(
          `${zone}: ${JSON.stringify(found[zone])}, by hand ${JSON.stringify(expected)}`,
        );
    }
    // No address of one family in common, or gone: nothing can be said of zone c.
    return !('c' in found);
  },
);

t.test('pods are in a group only where its addresses cover them', (t) => {
  const firewall: Firewall = {
    rules: (['ingress', 'egress'] as const).map((direction) => ({
      name: 'members',
      direction,
      action: 'allow',
      protocol: 'all',
      prefixes: [],
      groups: ['nodes'],
      priority: 0,
    })),
    otherwise: { ingress: 'deny', egress: 'deny' },
  };
  const question = {
    cluster,
    node: cluster.nodes.get('b-1')!,
    firewalls: { firewalls: [{ node: 'b-1', id: 'x', text: 'x', firewall }], groups: groupsOf },
  };
  t.match(admitsByZone(question).a, { ipip: 'allowed', native: 'blocked' });
  const groupPrefixes = new Map([
    ['a-1', [parsePrefix('10.64.1.0/24')]],
    ['a-2', [parsePrefix('10.64.1.8/30')]],
  ]);
  t.match(admitsByZone({ ...question, groupPrefixes }).a, { native: 'blocked' }, 'half of a-2');
  groupPrefixes.set('a-2', [parsePrefix('10.64.1.8/29')]);
  t.match(admitsByZone({ ...question, groupPrefixes }).a, { native: 'allowed' });
  t.same(admitsByZone({ ...question, node: cluster.nodes.get('a-1')! }), {}, 'no firewall known');
  t.end();
});

t.test('words of firewall APIs', (t) => {
  const words = ['ipip', 'IPENCAP', '4', '94', 'all', '*', '-1', '256', 'vxlan', 'ipv6-icmp'];
  t.same(words.map(protocolNumber), [4, 4, 4, 94, 'all', 'all', 'all', undefined, undefined, 58]);
  t.same(['22', '4000-5000', '5000-4000', '70000', 'any'].map(portRange), [
    { from: 22, to: 22 },
    { from: 4000, to: 5000 },
    undefined,
    undefined,
    undefined,
  ]);
  t.end();
});

t.test('names of routes fit every API and prove whose they are', (t) => {
  const owner = {
    cluster: 'Ünser großer Cluster',
    node: 'node.with.a.very.long.domain.example.com',
  };
  const prefix = parsePrefix('fd64:0:0:101::/64');
  const name = routeName(owner, prefix);
  t.match(name, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])$/);
  t.ok(isRouteName(name, owner.cluster, prefix));
  t.notOk(isRouteName(name, owner.cluster, parsePrefix('fd64:0:0:102::/64')));
  t.notOk(isRouteName(name, 'Another', prefix));
  t.end();
});

t.test('places below a limit', (t) => {
  const claim = (node: string, wanted: number, present = 0) => ({ node, wanted, present });
  const names = (claims: Parameters<typeof admitted>[0], limit: number): string =>
    [...admitted(claims, limit)].sort().join();
  t.equal(names([claim('c', 1), claim('a', 1), claim('b', 1)], 2), 'a,b');
  t.equal(names([claim('c', 1, 1), claim('a', 1), claim('b', 1)], 2), 'a,c');
  t.equal(names([claim('a', 3), claim('b', 1)], 2), 'b', 'what does not fit leaves its place');
  t.equal(names([claim('a', 2, 1), claim('b', 1, 1)], 2), 'b', 'half of it is not held');
  t.end();
});

t.test('the client stays on its host and within its bounds', async (t) => {
  let answer = (
    path: string,
  ): { status: number; headers?: Record<string, string>; body: string } => ({
    status: 200,
    body: JSON.stringify({ path }),
  });
  const server: Server = createServer((request, response) => {
    const { status, headers, body } = answer(request.url ?? '');
    response.writeHead(status, headers);
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options: JsonClientOptions = {
    provider: 'Cloud',
    endpoint: new URL(`${url}/base`),
    token: () => Promise.resolve({ accessToken: 'SECRET', expiresAtMs: Date.now() + 3_600_000 }),
    tokenHeaders: (token) => ({ authorization: `Bearer ${token}` }),
    explain: ({ status }) => ({
      failure: status === 429 ? 'retry' : 'other',
      code: `code-${status}`,
      message: 'You sent SECRET\nand \u001b[31mmore',
    }),
    remedy: () => undefined,
    maxBytes: 1000,
  };
  const client = new JsonClient(options);
  const ask = (path: string): ReturnType<JsonClient['send']> =>
    client.send({ path, query: { q: 'a b' }, call: 'things.get', permission: 'things.get' });
  t.same((await ask('things/1')).body, { path: '/base/things/1?q=a+b' });
  t.same((await ask(`${url}/other?x=1`)).body, { path: '/other?x=1&q=a+b' });
  t.match(await failureOf(ask('http://127.0.0.2:1/other')), {
    code: 'ForeignHost',
    message: "Cloud's answer to things.get leads to another host, 127.0.0.2:1",
  });
  answer = () => ({ status: 302, headers: { location: 'http://127.0.0.2:1/' }, body: '' });
  t.match(await failureOf(ask('x')), { code: 'Redirect', failure: 'other' });
  answer = () => ({ status: 200, body: JSON.stringify('x'.repeat(2000)) });
  t.match(await failureOf(ask('x')), {
    code: 'AnswerTooLarge',
    message: /larger than 1000 bytes/,
  });
  answer = () => ({ status: 200, body: '<html>' });
  t.match(await failureOf(ask('x')), { code: 'NotJson' });
  answer = () => ({ status: 400, body: '{}' });
  t.match(await failureOf(ask('x')), {
    message: 'Cloud refuses things.get: code-400, You sent (token) and [31mmore',
  });
  let asked = 0;
  answer = () => {
    asked++;
    return { status: 429, headers: { 'retry-after': '0' }, body: '{}' };
  };
  t.match(await failureOf(ask('x')), { failure: 'retry' });
  t.equal(asked, 2, 'once more and no more');
  t.equal(
    apiEndpoint({ A: ' ', B: 'http://x/y' }, { variables: ['A', 'B'], usual: url }).href,
    'http://x/y',
  );
  t.throws(
    () => apiEndpoint({ A: 'http://u:p@x/' }, { variables: ['A'], usual: url }),
    /A is no URL of an API/,
  );
});
