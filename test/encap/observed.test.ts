/** What a provider's API says of a node, in the decision, its trail and what a node receives. */
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { describeStep } from '../../encap/describe.js';
import type { ObservedNode } from '../../encap/observed.js';
import { withObservations } from '../../encap/observed.js';
import type { Decision } from '../../encap/trail.js';
import { stepOf } from '../../encap/trail.js';
import { Rib } from '../../routes/rib.js';
import type { ZoneSketch } from '../support/cluster-builder.js';
import { sketchCluster } from '../support/cluster-builder.js';

const managed = { manage: true, refreshMs: 60_000, routeLimit: 45 };

function awsPair(zone: ZoneSketch = {}, { asked = true } = {}): Cluster {
  const cluster = sketchCluster({
    zones: { z: { provider: 'aws', region: 'eu', subnets: ['10.0.0.0/24'], ...zone } },
    nodes: [
      { name: 'a', zone: 'z', at: '10.0.0.1/24', overlay: '10.64.1.0/24' },
      { name: 'b', zone: 'z', at: '10.0.0.2/24', overlay: '10.64.2.0/24' },
    ],
  });
  return asked ? { ...cluster, cloud: managed } : cluster;
}

function observed(part: Partial<ObservedNode>): ObservedNode {
  return { switches: {}, admits: {}, source: 'EC2 API, eni-1', waits: {}, ...part };
}

const checkOff = observed({ switches: { sourceDestinationCheck: 'disabled' } });
const checkOn = observed({
  switches: { sourceDestinationCheck: 'enabled' },
  source: 'EC2 API, eni-b',
  waits: { sourceDestinationCheck: 'selvage is switching it off' },
});

function ask(cluster: Cluster): Decision {
  const [from, owner] = [cluster.nodes.get('a')!, cluster.nodes.get('b')!];
  return decide({ cluster, local: undefined }, { from, prefix: owner.overlay[0]!, owner });
}

function modeOf(decision: Decision): string {
  const chosen = stepOf(decision, 'feasible')?.chosen;
  return chosen?.carriage.mode ?? 'none';
}

function nativeLine(decision: Decision): string {
  const { lines } = describeStep(stepOf(decision, 'feasible')!);
  return lines.join('\n');
}

t.test('native is chosen only while both ends are seen to have the check off', (t) => {
  const cluster = awsPair();
  const see = (a?: ObservedNode, b?: ObservedNode): Decision =>
    ask(
      withObservations(
        cluster,
        new Map([...(a ? [['a', a] as const] : []), ...(b ? [['b', b] as const] : [])]),
      ),
    );
  t.equal(modeOf(see()), 'ipip', 'nothing read yet');
  t.equal(modeOf(see(checkOff)), 'ipip', 'one end only');
  t.equal(modeOf(see(checkOff, checkOn)), 'ipip', 'the other end is seen to have it on');
  t.equal(modeOf(see(checkOff, checkOff)), 'native');
  t.match(nativeLine(see()), 'b: sourceDestinationCheck must be disabled, but it is not confirmed');
  t.match(nativeLine(see()), 'nobody has read it from the cloud yet');
  t.match(
    nativeLine(see(checkOff, checkOn)),
    'b: sourceDestinationCheck must be disabled, but it is enabled (EC2 API, eni-b; selvage is switching it off)',
  );
  t.end();
});

t.test('the file wins over what was observed', (t) => {
  const all = (one: ObservedNode): Map<string, ObservedNode> =>
    new Map([
      ['a', one],
      ['b', one],
    ]);
  const saysOn = awsPair({ switches: { sourceDestinationCheck: 'enabled' } });
  t.equal(modeOf(ask(withObservations(saysOn, all(checkOff)))), 'ipip');
  const saysOff = awsPair({ switches: { sourceDestinationCheck: 'disabled' } });
  t.equal(modeOf(ask(withObservations(saysOff, all(checkOn)))), 'native');
  const admits = awsPair({ switches: { firewall: { ipip: 'allowed' } } });
  const blocked = observed({ admits: { z: { ipip: 'blocked' } } });
  t.equal(modeOf(ask(withObservations(admits, all(blocked)))), 'ipip');
  t.end();
});

t.test('a firewall that lacks protocol 4, at either end, makes auto use VXLAN', (t) => {
  const blocked = observed({ admits: { z: { ipip: 'blocked', vxlan: 'allowed' } } });
  for (const name of ['a', 'b']) {
    const decision = ask(withObservations(awsPair(), new Map([[name, blocked]])));
    t.equal(modeOf(decision), 'vxlan', name);
    const { lines } = describeStep(stepOf(decision, 'feasible')!);
    t.match(lines.join('\n'), `${name}: its firewall blocks ipip (EC2 API, eni-1)`);
  }
  const elsewhere = observed({ admits: { other: { ipip: 'blocked' } } });
  t.equal(modeOf(ask(withObservations(awsPair(), new Map([['b', elsewhere]])))), 'ipip');
  t.end();
});

t.test('a firewall that admits a protocol does not make the platform carry it', (t) => {
  const cluster = awsPair({ provider: 'azure' });
  const open = observed({ admits: { z: { ipip: 'allowed', vxlan: 'allowed' } } });
  const both = new Map([
    ['a', open],
    ['b', open],
  ]);
  t.equal(modeOf(ask(withObservations(cluster, both))), 'vxlan');
  t.end();
});

t.test('what a switch may open at any time is received at all times', (t) => {
  const receives = (cluster: Cluster): boolean => {
    const rib = new Rib('a');
    rib.build({ cluster, local: undefined });
    return rib.usable.has('native:4:4');
  };
  t.equal(receives(awsPair()), true, 'the file leaves the switch to the API');
  const off = new Map([
    ['a', checkOff],
    ['b', checkOff],
  ]);
  t.equal(receives(withObservations(awsPair(), off)), true, 'so a change of it changes nothing');
  t.equal(receives(awsPair({}, { asked: false })), false, 'nobody asks an API');
  const on = awsPair({ switches: { sourceDestinationCheck: 'enabled' } });
  t.equal(receives(on), false, 'the file says that it is on');
  t.end();
});

t.test('nothing observed leaves the cluster as it is', (t) => {
  const cluster = awsPair();
  t.equal(withObservations(cluster, new Map()), cluster);
  t.end();
});
