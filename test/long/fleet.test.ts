/** A fleet whose store has no majority for three minutes, and is stopped whole for as long again. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { killMember, restartMember } from '../../src/lab/store/control.js';
import { storeMembers } from '../../src/lab/store/topology.js';
import { skipReason } from '../support/capabilities.js';
import { Fleet, name, raiseFleet, underPackets } from '../support/fleet-lab.js';

const outageMs = 180_000;

t.setTimeout(900_000);
t.test(
  'a long outage of the store',
  { skip: skipReason('root', 'netns', 'nft', 'kernel-vxlan', 'etcd'), timeout: 890_000 },
  async (t) => {
    const { lab } = await raiseFleet(t);
    const fleet = new Fleet(lab);
    const during = await underPackets(t, lab);
    await during('no majority for three minutes', () => fleet.withoutMajority(t, outageMs));
    await fleet.untilAllFollow();
    await during('no store at all for three minutes', async () => {
      for (const member of storeMembers(name)) await killMember(lab, member.name);
      await sleep(outageMs);
      await Promise.all(storeMembers(name).map((member) => restartMember(lab, member.name)));
      await fleet.untilSynced();
      await fleet.untilAllFollow();
    });
  },
);
