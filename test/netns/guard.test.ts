/**
 * The guard under attack: real packets on a real kernel, for each back end. A packet counts as
 * dropped when a packet sent after it has arrived, it has not, and its reason's counter has grown.
 */
import t from 'tap';
import type { Guard } from '../../tunnel/guard/guard.js';
import { openGuard } from '../../tunnel/guard/index.js';
import { IptablesGuard } from '../../tunnel/guard/iptables.js';
import { NftablesGuard, type PacketFilterOptions } from '../../tunnel/guard/nftables.js';
import { type PacketCase, packetCases } from './guard-attacks.js';
import {
  type GuardLab,
  ether,
  guardLab,
  inner4,
  changingSpec,
  labSpec,
  masqueradingSpec,
  outer4,
  podEther,
  vxlan42,
} from './guard-lab.js';

// Two back ends in one file, on machines that may be busy.
t.setTimeout(180_000);

let sequence = 0;

/** Sends the case and a good packet behind it; true when only what may arrive has arrived. */
async function outcome(
  lab: GuardLab,
  { code, from, expect }: PacketCase,
): Promise<{ readonly arrived: readonly string[]; readonly expected: readonly string[] }> {
  const id = `case${++sequence}`;
  const last = `last${sequence}`;
  if (from === 'node') await lab.node.say(code(id), id);
  else await lab[from].send(code(id));
  if (from === 'peer') {
    await lab.peer.send(`${ether}/${outer4}/${vxlan42}/${inner4(last)}`);
    await lab.work.arrives(`udp4:9000/${last}`);
  } else {
    await lab.work.send(
      `${podEther}/IP(src='10.1.0.2',dst='192.0.2.2')/UDP(dport=9000)/b'id=${last};'`,
    );
    await lab.peer.arrives(`udp4:9000/${last}`);
  }
  const arrived: string[] = [];
  for (const at of ['peer', 'node', 'work'] as const) {
    if ('at' in expect && expect.at === at) await lab[at].arrives(`${expect.socket}/${id}`);
    for (const key of Object.keys(await lab[at].received()))
      if (key.endsWith(`/${id}`) || key.endsWith(`/${last}`)) arrived.push(`${at} ${key}`);
  }
  const sentinel = from === 'peer' ? `work udp4:9000/${last}` : `peer udp4:9000/${last}`;
  const wanted = 'at' in expect ? [`${expect.at} ${expect.socket}/${id}`] : [];
  if ('at' in expect && expect.source !== undefined) {
    const source = await lab[expect.at].source(`${expect.socket}/${id}`);
    arrived.push(`from ${source}`);
    wanted.push(`from ${expect.source}`);
  }
  return { arrived: arrived.sort(), expected: [...wanted, sentinel].sort() };
}

type Counts = Readonly<Record<string, number>>;

function grown(before: Counts, after: Counts): string[] {
  return Object.keys(after).filter((reason) => after[reason]! > (before[reason] ?? 0));
}

const specs = { plain: labSpec, change: changingSpec, masquerade: masqueradingSpec } as const;

const backends = [
  { name: 'nft', open: (options: PacketFilterOptions): Guard => new NftablesGuard(options) },
  { name: 'ipt', open: (options: PacketFilterOptions): Guard => new IptablesGuard(options) },
];

// User-mode-linux has no nftables for IP: there this file shows that iptables alone will do.
const inUml = process.env['SELVAGE_UML'] !== undefined;

/** A packet takes a second there; these show that the matches mean the same on its older kernel. */
const tellingInUml =
  /4in4|IPv6 in IPv4|spoofed .* fragments|IPv6 fragments of 8|10\.2\.0\.5 without/;
const cases = packetCases.filter(
  ({ title, under }) => !inUml || (under === undefined && tellingInUml.test(title)),
);

for (const { name, open } of inUml ? backends.slice(1) : backends) {
  await t.test(`${name}: each packet meets its fate`, async (t) => {
    const lab = await guardLab(name);
    t.teardown(() => lab.close());
    const { backend } = await openGuard({ netns: lab.netns });
    t.equal(backend, inUml ? 'iptables' : 'nftables', 'what this kernel holds is chosen');
    const guard = open({ netns: lab.netns, log: (line) => t.fail(line) });
    await guard.apply(labSpec);
    t.same(await guard.verify(labSpec), { ok: true, difference: undefined });

    let under: PacketCase['under'] = 'plain';
    let before = await guard.counters();
    for (const one of cases) {
      if (under !== (one.under ?? 'plain')) {
        under = one.under ?? 'plain';
        await guard.apply(specs[under]);
        t.same(await guard.verify(specs[under]), { ok: true, difference: undefined });
      }
      const { arrived, expected } = await outcome(lab, one);
      t.same(arrived, expected, one.title);
      // What passes is not asked for: the next drop would show what else was counted.
      if ('at' in one.expect) continue;
      const after = await guard.counters();
      t.same(grown(before, after), [one.expect.dropped], `${one.title}: the counter`);
      before = after;
    }
  });
}
