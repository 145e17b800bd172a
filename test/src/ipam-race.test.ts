/**
 * Fifty machines join at once, against three members of etcd of which one is killed meanwhile, the
 * leader. Each has a client of its own, as each is a machine of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { prefixesOverlap } from '../../encap/prefix.js';
import { checkIpam } from '../../src/fleet/ipam-check.js';
import type { Joined } from '../../src/fleet/join.js';
import { joinNode } from '../../src/fleet/join.js';
import { patiently } from '../../src/fleet/patience.js';
import { readFleet } from '../../src/fleet/reading.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import type { KeyValue } from '../../src/store/kv.js';
import { openKeyValue, storeAddress } from '../../src/store/registry.js';
import { skipReason } from '../support/capabilities.js';
import type { Etcd } from '../support/etcd.js';
import { startEtcd } from '../support/etcd.js';
import { joinRequest, writeConfig } from '../support/fleet.js';

t.setTimeout(180_000);

const joiners = 50;
const text = `
overlay:
  pools: [10.64.0.0/20, "fd64::/56"]
  blocks: [{ within: 10.64.0.0/20, size: 26 }]
`;

function open(etcd: Etcd): Promise<KeyValue> {
  const address = storeAddress(`etcd://${etcd.authority}/c`);
  return openKeyValue({ address, access: {} });
}

/** So that it is the middle when it happens. */
async function untilBlocks(kv: KeyValue, count: number): Promise<void> {
  while ((await kv.list(fleetKeys('c').blocks)).entries.length < count) await sleep(2);
}

t.test(
  'fifty join at once while the leader is killed: no overlap, no leak',
  { skip: skipReason('etcd') },
  async (t) => {
    const etcd = await startEtcd(t, { members: 3 });
    const kv = await open(etcd);
    t.teardown(() => kv.close());
    await writeConfig(kv, { version: 1, text });

    const clients = await Promise.all(Array.from({ length: joiners }, () => open(etcd)));
    const join = async (client: KeyValue, index: number): Promise<Joined> => {
      const request = joinRequest({
        name: `n${index}`,
        address: `10.0.0.${index + 1}/24`,
        random: Math.random,
      });
      return patiently(() => joinNode(client, request), { timeoutMs: 90_000, random: Math.random });
    };
    const leader = etcd.leader();
    const joining = clients.map(join);
    await untilBlocks(kv, joiners / 2);
    await leader.kill();
    const joined = await Promise.all(joining);
    for (const client of clients) client.close();

    const keys = fleetKeys('c');
    const fleet = await readFleet(kv, keys);
    t.same(checkIpam(fleet), [], 'nothing is wrong');
    t.equal(fleet.records.size, joiners);
    t.equal(
      fleet.blocks.length,
      2 * joiners,
      'one block of each family each, and none is left over',
    );
    const overlaps = fleet.blocks.flatMap((a, i) =>
      fleet.blocks
        .slice(0, i)
        .filter((b) => prefixesOverlap(a.prefix, b.prefix))
        .map((b) => `${a.prefix.text} ${b.prefix.text}`),
    );
    t.same(overlaps, []);
    for (const { name, overlay } of joined)
      t.same(
        fleet.records.get(name)?.overlay.map((prefix) => prefix.text),
        overlay,
        `${name} was told what it has`,
      );
    const attempts = joined.reduce((sum, { collisions }) => sum + collisions, 0);
    // All after the lowest free one, one after another: 50 × 49 / 2 for each family.
    t.ok(attempts < 10 * joiners, `${attempts} collisions of all, far from a quadratic number`);

    await leader.start();
    await etcd.ready(leader);
    const again = await joinNode(kv, joinRequest({ name: 'n7', address: '10.0.0.8/24' }));
    t.same(again.made, [], 'a second join finds its blocks');
  },
);
