/** The agent at its provider's API: what it reads counts, what it changes is confirmed, outages change nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import t from 'tap';
import type { Cluster, CloudSettings, ObservedNode, Rule } from '../../encap/cluster.js';
import { CloudError } from '../../src/cloud/control.js';
import type { CloudChange, CloudControl, CloudReading } from '../../src/cloud/control.js';
import { CloudKeeper } from '../../src/cloud/keeper.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { wantsFabricRoutes } from '../../src/cloud/native-wanted.js';
import { observeFrom, observeWith } from '../../src/cloud/observe.js';
import type { Settled } from '../../src/cloud/settled.js';
import { settle } from '../../src/cloud/settled.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { ManualClock } from '../support/manual-clock.js';

const refreshMs = 60_000;
const machine: MachineFacts = {
  provider: 'aws',
  instanceId: 'i-a',
  instanceName: undefined,
  zone: 'eu-west-1a',
  region: 'eu',
  account: undefined,
  nics: [],
  publicAddresses: [],
};

function cluster(
  settings: Partial<CloudSettings> = {},
  rules: readonly Partial<Rule>[] = [],
): Cluster {
  return {
    ...sketchCluster({
      zones: {
        one: {
          provider: 'aws',
          region: 'eu',
          subnets: ['10.0.0.0/24'],
          source: { file: 'cluster.yaml', line: 3, column: 5 },
        },
        two: { provider: 'aws', region: 'eu', subnets: ['10.0.1.0/24'] },
        rack: { provider: 'onprem', subnets: ['192.168.0.0/24'] },
      },
      rules,
      nodes: [
        { name: 'a', zone: 'one', at: '10.0.0.1/24', overlay: '10.64.1.0/24' },
        { name: 'b', zone: 'one', at: '10.0.0.2/24', overlay: '10.64.2.0/24' },
        { name: 'c', zone: 'two', at: '10.0.1.3/24', overlay: '10.64.3.0/24' },
        { name: 'r', zone: 'rack', at: '192.168.0.4/24', overlay: '10.64.4.0/24' },
      ],
    }),
    cloud: { manage: true, refreshMs, routeLimit: 45, ...settings },
  };
}

/** An API with one switch, in the state that a test wants. */
class OneSwitch implements CloudControl {
  readonly provider = 'aws';
  check: 'enabled' | 'disabled' = 'enabled';
  shown: 'enabled' | 'disabled' = 'enabled';
  /** Readings until a change shows. */
  lag = 0;
  permitted = true;
  failing: CloudError | undefined;
  readonly calls: string[] = [];

  read(): Promise<CloudReading> {
    this.calls.push('read');
    if (this.failing !== undefined) return Promise.reject(this.failing);
    if (this.shown !== this.check && this.lag-- <= 0) this.shown = this.check;
    const observed = (switches: ObservedNode['switches']): ObservedNode => ({
      switches,
      admits: {},
      source: 'EC2 API, eni-1',
      waits: {},
    });
    const change: CloudChange = {
      text: 'switch the source/destination check of eni-1 off',
      call: 'ModifyNetworkInterfaceAttribute',
      permission: 'ec2:ModifyNetworkInterfaceAttribute',
      makes: 'sourceDestinationCheck',
      tryOut: () => {
        this.calls.push('dry run');
        return Promise.resolve(this.permitted ? 'allowed' : 'denied');
      },
      carryOut: () => {
        this.calls.push('change');
        this.check = 'disabled';
        return Promise.resolve();
      },
    };
    return Promise.resolve({
      observed: new Map([['a', observed({ sourceDestinationCheck: this.shown })]]),
      changes: this.shown === 'enabled' ? [change] : [],
      problems: [],
      notes: [],
    });
  }
  leave(): Promise<readonly CloudChange[]> {
    return Promise.resolve([]);
  }
  close(): void {
    this.calls.push('close');
  }
}

class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'selvage-cloud-'));
  readonly clock = new ManualClock();
  readonly control = new OneSwitch();
  readonly lines: string[] = [];
  opened = 0;
  changed = 0;
  readonly keeper: CloudKeeper;

  constructor(
    readonly self = 'a',
    { folder, facts = machine }: { folder?: string; facts?: MachineFacts } = {},
  ) {
    if (folder !== undefined) this.folder = folder;
    this.keeper = new CloudKeeper({
      self,
      file: this.file,
      log: pino({}, { write: (line: string) => void this.lines.push(line) }),
      clock: this.clock,
      chance: () => 0.5,
      open: () => {
        this.opened += 1;
        return Promise.resolve({ machine: facts, control: this.control });
      },
      onChange: () => (this.changed += 1),
    });
  }
  get file(): string {
    return join(this.folder, 'cloud-reading.json');
  }
  check(of: Cluster, node = 'a'): string | undefined {
    return this.keeper.nodes(of).get(node)?.observed.switches.sourceDestinationCheck;
  }
  waits(of: Cluster): string | undefined {
    return this.keeper.nodes(of).get('a')?.observed.waits.sourceDestinationCheck;
  }
  close(): void {
    this.keeper.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function bench(t: Tap, self?: string, facts?: MachineFacts): Bench {
  const made = new Bench(self, facts === undefined ? {} : { facts });
  t.teardown(() => made.close());
  return made;
}
interface Tap {
  teardown(undo: () => void): void;
}

t.test('a switch is changed after a dry run, and counts once a reading shows it', async (t) => {
  const it = bench(t);
  const config = cluster();
  it.control.lag = 1;
  it.keeper.update(config, { frozen: false });
  await it.clock.advance(1);
  t.same(it.control.calls, ['read', 'dry run', 'change']);
  t.equal(it.check(config), 'enabled', 'not shown yet, so it does not count');
  t.match(it.waits(config), 'done, not seen yet');
  await it.clock.advance(1_000);
  t.equal(it.check(config), 'enabled', 'the API is behind');
  await it.clock.advance(10_000);
  t.equal(it.check(config), 'disabled');
  t.equal(it.waits(config), undefined);
  t.ok(it.changed >= 2, 'each change is told to who decides');
  const calls = it.control.calls.length;
  await it.clock.advance(refreshMs * 1.2);
  t.equal(it.control.calls.length, calls + 1, 'then it is read at its interval');
  t.match(it.keeper.status()?.changes[0]?.text, 'switch the source/destination check of eni-1 off');
  // Somebody switches it on again.
  it.control.check = it.control.shown = 'enabled';
  await it.clock.advance(refreshMs * 1.2);
  await it.clock.advance(5_000);
  t.equal(it.check(config), 'disabled', 'drift is mended');
});

t.test(
  'what becomes fit counts from the second reading in a row, what becomes unfit at once',
  (t) => {
    const seen = (sourceDestinationCheck?: 'enabled' | 'disabled'): Map<string, ObservedNode> =>
      new Map([
        [
          'b',
          {
            switches: sourceDestinationCheck === undefined ? {} : { sourceDestinationCheck },
            admits: {},
            source: 'EC2 API',
            waits: {},
          },
        ],
      ]);
    const valueOf = (now: Settled): string | undefined =>
      now.nodes.get('b')?.switches.sourceDestinationCheck;
    const start = { nodes: new Map<string, ObservedNode>(), fresh: new Set<string>() };
    t.equal(
      valueOf(settle(seen('disabled'), start)),
      'disabled',
      'found so: nobody is throwing it',
    );
    const on = settle(seen('enabled'), start);
    const once = settle(seen('disabled'), on);
    t.equal(valueOf(once), 'enabled');
    t.equal(once.waiting, true);
    const stale = settle(seen('enabled'), once);
    t.equal(valueOf(settle(seen('disabled'), stale)), 'enabled', 'another copy said otherwise');
    const twice = settle(seen('disabled'), once);
    t.equal(valueOf(twice), 'disabled');
    t.equal(twice.waiting, false);
    t.equal(valueOf(settle(seen('enabled'), twice)), 'enabled', 'unfit at once');
    const unread = settle(seen(), start);
    t.equal(valueOf(settle(seen('disabled'), unread)), undefined, 'not read before');
    t.end();
  },
);

t.test('without manage the API is read and nothing is changed', async (t) => {
  const it = bench(t);
  const config = cluster({ manage: false });
  it.keeper.update(config, { frozen: false });
  await it.clock.advance(refreshMs * 3);
  t.notMatch(it.control.calls.join(), 'dry run');
  t.notMatch(it.control.calls.join(), 'change');
  t.equal(it.check(config), 'enabled');
  t.match(it.waits(config), 'to be done by hand, or by the agent with "cloud: { manage: true }"');
});

t.test(
  'nothing is changed while frozen, where no rule can ask for native, or without permission',
  async (t) => {
    const frozen = bench(t);
    frozen.keeper.update(cluster(), { frozen: true });
    await frozen.clock.advance(1);
    t.same(frozen.control.calls, ['read']);
    t.match(frozen.waits(cluster()), 'the agent is frozen');
    frozen.keeper.update(cluster(), { frozen: false });
    await frozen.clock.advance(1);
    t.same(frozen.control.calls, ['read', 'read', 'dry run', 'change']);

    const never = bench(t);
    never.keeper.update(cluster({}, [{ mode: 'vxlan' }]), { frozen: false });
    await never.clock.advance(1);
    t.same(never.control.calls, ['read']);

    const denied = bench(t);
    denied.control.permitted = false;
    denied.keeper.update(cluster(), { frozen: false });
    await denied.clock.advance(1);
    t.same(denied.control.calls, ['read', 'dry run']);
    t.match(denied.waits(cluster()), 'not permitted; grant ec2:ModifyNetworkInterfaceAttribute');
  },
);

t.test(
  'an API that does not answer is left alone longer and longer, and nothing is forgotten',
  async (t) => {
    const it = bench(t);
    const config = cluster();
    it.control.check = it.control.shown = 'disabled';
    it.keeper.update(config, { frozen: false });
    await it.clock.advance(1);
    t.equal(it.check(config), 'disabled');
    const { changed } = it;
    it.control.failing = new CloudError('DescribeNetworkInterfaces: RequestLimitExceeded', {
      failure: 'retry',
      code: 'RequestLimitExceeded',
      call: 'DescribeNetworkInterfaces',
    });
    const reads = (): number => it.control.calls.filter((call) => call === 'read').length;
    await it.clock.advance(3_600_000);
    t.equal(it.check(config), 'disabled', 'what was read before holds');
    t.equal(it.changed, changed);
    t.ok(reads() < 15, `${reads()} readings in an hour`);
    t.match(it.keeper.status()?.failure, 'RequestLimitExceeded');
    t.equal(
      it.lines.filter((line) => line.includes('RequestLimitExceeded')).length,
      1,
      'told once',
    );
    const before = reads();
    it.keeper.update({ ...config }, { frozen: false });
    await it.clock.advance(1);
    t.equal(reads(), before, 'a new file does not make it be asked sooner');
    const { opened } = it;
    it.control.failing = undefined;
    await it.clock.advance(600_000);
    t.equal(it.keeper.status()?.failures, 0);
    t.equal(it.opened, opened + 1, 'after a failure the machine is looked at anew');
    await it.clock.advance(1_800_000);
    t.equal(it.opened, opened + 1);
    await it.clock.advance(3_600_000);
    t.ok(it.opened > opened + 1, 'and now and then: NICs come and go');
  },
);

t.test('a restart while the API is out goes on with what was read before', async (t) => {
  const it = bench(t);
  const config = cluster();
  it.control.check = it.control.shown = 'disabled';
  it.keeper.update(config, { frozen: false });
  await it.clock.advance(1);
  const next = new Bench('a', { folder: it.folder });
  t.teardown(() => next.keeper.close());
  t.equal(next.check(config), 'disabled');
  const observed = observeFrom(it.file)(config);
  t.equal(
    observed.nodes.get('a')?.observed?.switches.sourceDestinationCheck,
    'disabled',
    'a command without an agent reads the same',
  );
  const moved = { ...config, nodes: cluster().nodes };
  const elsewhere = sketchCluster({
    nodes: [{ name: 'a', at: '10.0.0.77/24', overlay: '10.64.1.0/24' }],
  });
  t.equal(
    observeFrom(it.file)({ ...moved, nodes: elsewhere.nodes }).nodes.get('a')?.observed,
    undefined,
    'a node that came back with another address is another machine',
  );
  t.equal(observeFrom(it.file)({ ...config, name: 'other' }).nodes.get('a')?.observed, undefined);
  writeFileSync(it.file, readFileSync(it.file, 'utf8').replace('disabled', 'enabled'));
  t.equal(observeFrom(it.file)(config).nodes.get('a')?.observed, undefined, 'damaged: not used');
});

t.test('a node that is in no cloud, and a file without the section, ask nobody', async (t) => {
  const rack = bench(t, 'r');
  rack.keeper.update(cluster(), { frozen: false });
  await rack.clock.advance(refreshMs * 2);
  t.equal(rack.opened, 0);
  t.match(rack.keeper.status()?.idle, 'r is in no cloud');
  const silent = bench(t);
  const { cloud: _, ...without } = cluster();
  silent.keeper.update(without, { frozen: false });
  await silent.clock.advance(refreshMs * 2);
  t.equal(silent.opened, 0);
  t.equal(silent.keeper.status(), undefined);
});

t.test('what the file says and the machine contradicts is told, and the file wins', async (t) => {
  const it = bench(t, 'a', { ...machine, region: 'us-east-1' });
  const config = cluster();
  it.keeper.update(config, { frozen: false });
  await it.clock.advance(1);
  t.match(it.keeper.status()?.problems, [/region eu, and this machine is in us-east-1/]);
  t.equal(it.check(config), 'enabled', 'what was read counts all the same');
});

t.test('one cluster and one reading make one object', (t) => {
  const config = cluster();
  const nodes = new Map();
  const observe = observeWith(() => nodes);
  t.equal(observe(config), observe(config));
  t.end();
});

t.test('routes are wanted only where a rule asks for native across subnets', (t) => {
  const asks = (rules: readonly Partial<Rule>[], node: string): boolean => {
    const config = cluster({}, rules);
    return wantsFabricRoutes(config, config.nodes.get(node)!);
  };
  t.equal(asks([], 'a'), false, 'auto has other ways');
  t.equal(asks([{ mode: 'native' }], 'a'), true, 'from c, in another subnet');
  const same = { mode: 'native', relations: { subnet: 'same' } } as const;
  t.equal(asks([same], 'a'), false, 'neighbours need none');
  const rack = { mode: 'native', from: { zones: ['rack'] } } as const;
  t.equal(asks([rack], 'a'), false, 'no route of this provider helps the rack');
  const shadowed = [{ mode: 'vxlan' }, { mode: 'native' }] as const;
  t.equal(asks(shadowed, 'a'), false, 'the first rule that matches decides');
  const towards = { mode: 'native', to: { nodes: ['c'] } } as const;
  t.equal(asks([towards], 'c'), true);
  t.equal(asks([towards], 'a'), false);
  t.end();
});
