/**
 * A fleet and its troubles, with real agents, a real store of three members and packets across every
 * ordered pair of nodes all the time. Each trouble is the store's, or of somebody who writes into it;
 * none of them may cost a packet of pairs that have nothing to do with it.
 *
 *     store1 store2 store3 ── a switch ── mgmt0 of every node
 *     rack-1 rack-2   aws-1 aws-2   gce-1   (workloads behind each, on their zones' underlays)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parsePrefix } from '../../encap/prefix.js';
import { labRun } from '../../src/lab/commands.js';
import { selvageProgram } from '../../src/lab/program.js';
import { tryCommand } from '../../src/lab/shell.js';
import { killMember, restartMember, storeCommand } from '../../src/lab/store/control.js';
import { storeMembers } from '../../src/lab/store/topology.js';
import { eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import {
  Fleet,
  file,
  keys,
  name,
  otherWords,
  plain,
  prefixesOfPeers,
  raiseFleet,
  underPackets,
} from '../support/fleet-lab.js';

t.setTimeout(290_000);
t.test(
  'a fleet and its troubles',
  { skip: skipReason('root', 'netns', 'nft', 'kernel-vxlan', 'etcd'), timeout: 280_000 },
  async (t) => {
    const { lab } = await raiseFleet(t);
    const fleet = new Fleet(lab);
    const matrix = await labRun(lab, { transferBytes: 64 * 1024 });
    t.match(matrix.totals, { failed: 0, pairs: 40 }, 'the packet matrix holds');
    const during = await underPackets(t, lab);

    await during('the leader is killed', async () => {
      const leader = await fleet.leader();
      await killMember(lab, leader);
      await eventually(
        async () => (await fleet.leader()) !== leader,
        () => 'no other leader',
        30_000,
      );
      // And the fleet goes on: a change reaches every node.
      await fleet.set(otherWords);
      await fleet.untilAllFollow();
      await restartMember(lab, leader);
      await fleet.set(plain);
      await fleet.untilAllFollow();
    });

    await during('the majority is lost, leases run out, an agent restarts meanwhile', () =>
      fleet.withoutMajority(t, 6_000),
    );

    await during('all of the store is stopped and started', async () => {
      for (const member of storeMembers(name)) await killMember(lab, member.name);
      await sleep(2_000);
      await Promise.all(storeMembers(name).map((member) => restartMember(lab, member.name)));
      await fleet.untilSynced();
      await fleet.untilAllFollow();
    });

    await during('compaction while a watcher is cut off', async () => {
      await fleet.cutOff('gce-1', true);
      for (let i = 0; i < 30; i++) await fleet.put(keys.status('nobody'), `{"version":1,"n":${i}}`);
      await fleet.set(otherWords);
      const { stdout } = await storeCommand(lab, [
        'get',
        keys.all,
        '--prefix',
        '-w',
        'json',
        '--limit=1',
      ]);
      const { revision } = (JSON.parse(stdout) as { header: { revision: number } }).header;
      const compacted = await storeCommand(lab, ['compact', String(revision)]);
      t.equal(compacted.status, 0, compacted.stderr);
      await fleet.cutOff('gce-1', false);
      await fleet.untilAllFollow();
      await fleet.set(plain);
      await fleet.untilAllFollow();
    });

    await during('a storm of events of nodes that come and go', async () => {
      const guests = Array.from({ length: 20 }, (_, i) => 100 + i);
      const block = (n: number): string => keys.block(parsePrefix(`10.64.${n}.0/24`));
      const record = (n: number): string => keys.record(`guest-${n}`);
      const json = (value: object): string => JSON.stringify({ version: 1, ...value });
      for (let round = 0; round < 5; round++) {
        await fleet.write(
          guests.flatMap((n) => {
            const overlay = [`10.64.${n}.0/24`];
            const address = `192.168.10.${n}/24`;
            return [
              [block(n), json({ node: `guest-${n}`, at: '2026-01-01T00:00:00Z' })],
              [record(n), json({ node: { name: `guest-${n}`, zone: 'rack', address, overlay } })],
            ] as const;
          }),
        );
        await fleet.write(guests.flatMap((n) => [[record(n)], [block(n)]] as const));
      }
      await eventually(
        async () => (await fleet.statuses()).every(({ peers }) => peers.length === prefixesOfPeers),
        () => 'what is gone is still there',
        30_000,
      );
    });

    await during('garbage under our prefix, and claims of what is another’s', async () => {
      const rogue = (node: object): string => JSON.stringify({ version: 1, node });
      const [prefix, address] = ['10.64.3.0/24', '192.168.10.12/24'];
      const wrong = [
        [`${keys.blocks}nonsense`, 'who knows'],
        [`${keys.configs}gibberish`, 'rules: none'],
        [keys.record('broken'), '{"version":1,"node":'],
        [keys.record('later'), '{"version":99}'],
        [
          keys.record('rogue'),
          rogue({ name: 'rogue', zone: 'rack', address: '192.168.10.66/24', overlay: [prefix] }),
        ],
        [
          keys.record('impostor'),
          rogue({ name: 'impostor', zone: 'rack', address, overlay: ['10.64.200.0/24'] }),
        ],
      ] as const;
      await fleet.write(wrong);
      const words = ['nonsense', 'gibberish', 'broken', 'later', 'rogue', 'impostor'];
      let named: readonly string[] = [];
      await eventually(
        async () => {
          const statuses = await fleet.statuses();
          named = statuses.flatMap(({ config }) => config.problems);
          return statuses.every(({ config }) =>
            words.every((word) => config.problems.some((line) => line.includes(word))),
          );
        },
        () => `not all of it is named:\n${named.join('\n')}`,
        30_000,
      );
      const [status] = await fleet.statuses();
      const line = (word: string): string | undefined =>
        status!.config.problems.find((problem) => problem.includes(word));
      t.match(line('rogue'), /10\.64\.3\.0\/24.*aws-1/, 'whose prefix it is');
      t.match(line('impostor'), /192\.168\.10\.12.*rack-2/, 'whose address it is');
      t.equal(status!.peers.length, prefixesOfPeers, 'and none of it counts');
      await fleet.write(wrong.map(([key]) => [key] as const));
      await eventually(
        async () => (await fleet.statuses()).every(({ config }) => config.problems.length === 0),
        () => 'what is gone is still named',
        30_000,
      );
    });

    await t.test("a node's account may write its own keys only", async (t) => {
      const access = lab.files.get('rack-1')!.storeAccess;
      const { namespace } = lab.plan.nodes[0]!;
      const refused = await tryCommand(
        [
          ...selvageProgram(),
          'config',
          'set',
          file,
          '--store-file',
          access,
          '--message',
          'mine now',
        ],
        { namespace },
      );
      t.not(refused.status, 0);
      t.match(refused.stderr, /roles do not permit it/);
    });
  },
);
