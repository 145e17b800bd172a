/**
 * The guard over time, on a real kernel: updates under traffic, restarts, others' edits, removal.
 * The namespaces are those of guard-lab.ts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import type { Guard, GuardSpec } from '../../tunnel/guard/guard.js';
import { NoGuardError, openGuard } from '../../tunnel/guard/index.js';
import { IptablesGuard } from '../../tunnel/guard/iptables.js';
import { NftablesGuard } from '../../tunnel/guard/nftables.js';
import {
  type GuardLab,
  ether,
  guardLab,
  inner4,
  inside,
  labPeer,
  labSpec,
  masqueradingSpec,
  outer4,
  podEther,
  run,
  vxlan42,
} from './guard-lab.js';

// Two back ends in one file, on machines that may be busy.
t.setTimeout(180_000);

const [b, c] = labSpec.peers as [GuardSpec['peers'][0], GuardSpec['peers'][0]];
const from = (source: string, id: string): string =>
  `${ether}/${outer4}/${vxlan42}/${inner4(id, source)}`;

/** Without UDP checksums, as the number inside changes. */
const stream = (source: string, id: string): string =>
  from(source, id).replaceAll('UDP(', 'UDP(chksum=0,');

/** Did the packet reach the workload? A packet outside all pools behind it tells when to look. */
async function reaches(
  lab: GuardLab,
  { code, id }: { code: string; id: string },
): Promise<boolean> {
  await lab.peer.send(code);
  await lab.peer.send(`${ether}/${inner4(`${id}last`, '203.0.113.9')}`);
  if (!(await lab.work.arrives(`udp4:9000/${id}last`))) throw new Error(`${id}last did not arrive`);
  return `udp4:9000/${id}` in (await lab.work.received());
}

/** As somebody else would. */
function editRules(lab: GuardLab, edit: string): void {
  if (edit.startsWith('nft'))
    run(['ip', 'netns', 'exec', lab.netns, 'nft', '-f', '-'], `${edit.slice(4)}\n`);
  else inside(lab.netns, edit);
}

const backends: readonly {
  name: string;
  open: (netns: string) => Guard;
  updates: number;
  rules: string;
  edits: readonly string[];
  /** An edit that makes the next `apply` write everything anew. */
  structural: string;
}[] = [
  {
    name: 'nft',
    open: (netns) => new NftablesGuard({ netns }),
    updates: 100,
    rules: 'nft -a list ruleset',
    edits: [
      'nft insert rule inet selvage_guard input accept',
      'nft delete element inet selvage_guard outer4 { 192.0.2.2 }',
      'nft add element inet selvage_guard pair44 { 192.0.2.9 . 0-0xffffffff }',
      'nft flush chain inet selvage_guard outer',
      'nft delete table inet selvage_guard',
      'nft add table inet selvage_guard { flags dormant; }',
      'nft add chain inet selvage_guard mine',
      'nft add chain inet selvage_guard input { policy drop; }',
      'nft add map inet selvage_guard odd { type ipv4_addr : verdict; }',
      'nft flush chain inet selvage_guard egress',
      'nft add element inet selvage_guard nativeto4 { 10.2.0.0/24 }',
      'nft flush chain inet selvage_guard translate',
      'nft add chain inet selvage_guard seal_of_mine',
    ],
    structural: 'nft add map inet selvage_guard odd { type ipv4_addr : verdict; }',
  },
  {
    name: 'ipt',
    open: (netns) => new IptablesGuard({ netns }),
    updates: 25,
    rules: 'iptables-legacy-save',
    edits: [
      'iptables-legacy -I INPUT 1 -j ACCEPT',
      'iptables-legacy -D INPUT -j SELVAGE-INPUT',
      'iptables-legacy -A INPUT -j SELVAGE-INPUT',
      'iptables-legacy -F SELVAGE-OUTER',
      'iptables-legacy -I SELVAGE-SENDERS 1 -s 192.0.2.9 -j RETURN',
      'ip6tables-legacy -D FORWARD -j SELVAGE-FORWARD',
      'iptables-legacy -N SELVAGE-MINE',
      'iptables-legacy -D OUTPUT -j SELVAGE-OUTPUT',
      'iptables-legacy -I SELVAGE-NATIVE-TO 1 -d 10.2.0.0/24 -j RETURN',
      'iptables-legacy -t nat -D POSTROUTING -j SELVAGE-POSTROUTING',
      'ip6tables-legacy -t nat -F SELVAGE-MASQUERADE',
    ],
    structural: 'iptables-legacy -N SELVAGE-ODD',
  },
];

for (const { name, open, updates, rules, edits, structural } of backends) {
  await t.test(`${name}: the guard over time`, async (t) => {
    const lab = await guardLab(`${name}l`);
    t.teardown(() => lab.close());
    const guard = open(lab.netns);
    await guard.apply(labSpec);

    await t.test('a peer just withdrawn is a stranger', async (t) => {
      t.equal(await reaches(lab, { code: from('10.2.0.5', 'w1'), id: 'w1' }), true);
      await guard.apply({ ...labSpec, peers: [c] });
      const before = await guard.counters();
      t.equal(await reaches(lab, { code: from('10.2.0.5', 'w2'), id: 'w2' }), false);
      t.equal((await guard.counters())['outer_source'], (before['outer_source'] ?? 0) + 1);
      await guard.apply(labSpec);
      t.equal(await reaches(lab, { code: from('10.2.0.5', 'w3'), id: 'w3' }), true);
    });

    await t.test('a prefix that grows or shrinks is exact at once', async (t) => {
      const wide = { ...b, innerSources: [parsePrefix('10.2.0.0/23')] };
      await guard.apply({ ...labSpec, peers: [wide, c] });
      t.equal(await reaches(lab, { code: from('10.2.1.5', 'g1'), id: 'g1' }), true);
      t.equal(await reaches(lab, { code: from('10.2.2.0', 'g2'), id: 'g2' }), false);
      const narrow = { ...b, innerSources: [parsePrefix('10.2.0.4/30')] };
      await guard.apply({ ...labSpec, peers: [narrow, c] });
      t.equal(await reaches(lab, { code: from('10.2.0.7', 'g3'), id: 'g3' }), true);
      t.equal(await reaches(lab, { code: from('10.2.0.8', 'g4'), id: 'g4' }), false);
      t.equal(await reaches(lab, { code: from('10.2.0.3', 'g5'), id: 'g5' }), false);
      await guard.apply(labSpec);
    });

    await t.test('a gateway for everything still owns no source of ours', async (t) => {
      const gateway = { ...b, innerSources: [parsePrefix('0.0.0.0/0')] };
      await guard.apply({ ...labSpec, peers: [gateway, c] });
      t.equal(await reaches(lab, { code: from('198.18.0.1', 'd1'), id: 'd1' }), true);
      const before = await guard.counters();
      t.equal(await reaches(lab, { code: from('10.1.0.9', 'd2'), id: 'd2' }), false);
      t.equal((await guard.counters())['decap_source'], (before['decap_source'] ?? 0) + 1);
      await guard.apply(labSpec);
    });

    await t.test('what left natively may do so until its routes are replaced', async (t) => {
      const to = (destination: string, id: string): string =>
        `${podEther}/IP(src='10.1.0.2',dst='${destination}')/UDP(dport=9000)/b'id=${id};'`;
      const leaves = async (destination: string, id: string): Promise<boolean> => {
        await lab.work.send(to(destination, id));
        await lab.work.send(to('192.0.2.9', `${id}last`));
        await lab.peer.arrives(`udp4:9000/${id}last`);
        return `udp4:9000/${id}` in (await lab.peer.received());
      };
      const tunnelled = { ...labSpec, nativeDestinations: [parsePrefix('10.2.0.0/24')] };
      t.same([await leaves('10.3.0.5', 'k1'), await leaves('10.2.0.5', 'k2')], [true, false]);
      await open(lab.netns).apply(tunnelled, { keepNative: true });
      t.same([await leaves('10.3.0.5', 'k3'), await leaves('10.2.0.5', 'k4')], [true, true]);
      const restarted = open(lab.netns);
      t.equal((await restarted.verify(tunnelled)).ok, false, 'more than was asked for');
      await restarted.apply(tunnelled);
      t.same([await leaves('10.3.0.5', 'k5'), await leaves('10.2.0.5', 'k6')], [false, true]);
      t.equal((await restarted.verify(tunnelled)).ok, true);
      await guard.verify(labSpec);
      await guard.apply(labSpec);
    });

    await t.test('the metadata service is reached when that is allowed', async (t) => {
      const ask = (id: string): string =>
        `${podEther}/IP(src='10.1.0.2',dst='169.254.169.254')/UDP(dport=9000)/b'id=${id};'`;
      await guard.apply({ ...labSpec, blockMetadata: false });
      await lab.work.send(ask('m1'));
      t.equal(await lab.peer.arrives('udp4:9000/m1'), true);
      await guard.apply(labSpec);
    });

    await t.test('an update of the VNI moves the check', async (t) => {
      await guard.apply({
        ...labSpec,
        vxlan: [
          { vni: 43, port: 4789 },
          { vni: 42, port: 4789 },
        ],
      });
      t.equal(await reaches(lab, { code: from('10.2.0.5', 'v1'), id: 'v1' }), true);
      t.equal(await reaches(lab, { code: from('10.3.0.5', 'v2'), id: 'v2' }), false);
      await guard.apply(labSpec);
    });

    await t.test('counts survive updates', async (t) => {
      const before = (await guard.counters())['inner_source'] ?? 0;
      await reaches(lab, { code: from('10.3.0.5', 'n1'), id: 'n1' });
      await guard.apply({ ...labSpec, nics: ['eth0', 'eth7'] });
      await guard.apply(labSpec);
      t.equal((await guard.counters())['inner_source'], before + 1);
    });

    await t.test('updates under load leave no gap', async (t) => {
      await lab.peer.start('good', { code: stream('10.2.0.5', 'L#######'), rate: 1000 });
      await lab.peer.start('spoofed', { code: stream('10.5.0.5', 'S#######'), rate: 3000 });
      const e = labPeer('node-e', 5, 5);
      // So many that losing them makes the set anew.
      const crowd = Array.from({ length: 600 }, (_, i) => ({
        ...e,
        outerSources: [parseAddress(`172.16.${i >> 8}.${i & 255}`)],
      }));
      const variants: readonly GuardSpec[] = [
        { ...labSpec, peers: [b, c, e] },
        labSpec,
        { ...labSpec, nics: ['eth0', 'eth7'] },
        { ...labSpec, peers: [b, e], vxlan: [...labSpec.vxlan, { vni: 44, port: 4791 }] },
        masqueradingSpec,
        ...(name === 'nft' ? [{ ...labSpec, peers: [b, c, ...crowd] }] : []),
        { ...labSpec, blockMetadata: false, pools: [parsePrefix('10.0.0.0/8')] },
      ];
      for (let i = 0; i < updates; i++) {
        if (i % 10 === 9) {
          editRules(lab, structural);
          await guard.verify(labSpec);
        }
        await guard.apply(variants[i % variants.length]!);
      }
      const spoofed = await lab.peer.stop('spoofed');
      const good = await lab.peer.stop('good');
      const number = (one: number): string => `udp4:9000/L${String(one).padStart(7, '0')}`;
      t.ok(good > 100 && spoofed > 300, `${good} good and ${spoofed} spoofed packets were sent`);
      await lab.work.arrives(number(good - 1));
      const got = Object.keys(await lab.work.received());
      const missing = Array.from({ length: good }, (_, i) => number(i)).filter(
        (key) => !got.includes(key),
      );
      t.same(missing.slice(0, 3), [], `${missing.length} good packets were lost`);
      t.same(got.filter((key) => key.includes('/S')).slice(0, 3), [], 'no spoofed packet passed');
      await guard.apply(labSpec);
    });

    await t.test('a restart with all in place writes nothing', async (t) => {
      const stable = (text: string): string =>
        text.replace(/^#.*$|\[\d+:\d+\]|packets \d+ bytes \d+/gm, '');
      const before = stable(inside(lab.netns, rules));
      const again = open(lab.netns);
      await again.apply(labSpec);
      t.equal(stable(inside(lab.netns, rules)), before, 'handles and rules are the same');
      t.same(await again.verify(labSpec), { ok: true, difference: undefined });
    });

    await t.test("others' edits are seen and repaired", async (t) => {
      await guard.apply(masqueradingSpec);
      for (const edit of edits) {
        editRules(lab, edit);
        const { ok, difference } = await guard.verify(masqueradingSpec);
        t.equal(ok, false, edit);
        t.match(difference, /\S/, `${edit}: ${difference}`);
        await guard.apply(masqueradingSpec);
        t.same(
          await guard.verify(masqueradingSpec),
          { ok: true, difference: undefined },
          `${edit}: repaired`,
        );
      }
      await guard.apply(labSpec);
      t.notMatch(inside(lab.netns, rules), /masquerade/i, 'what is not asked for is not there');
      t.equal(await reaches(lab, { code: from('10.2.0.5', 'e1'), id: 'e1' }), true);
      t.equal(await reaches(lab, { code: from('10.3.0.5', 'e2'), id: 'e2' }), false);
    });

    if (name === 'nft')
      await t.test('a rule edited under its own comment is seen and repaired', async (t) => {
        const listed = inside(lab.netns, 'nft -a list chain inet selvage_guard vxlan');
        const [, comment, handle] = /inner_ethertype" drop comment "([^"]+)" # handle (\d+)/.exec(
          listed,
        )!;
        const edit = `replace rule inet selvage_guard vxlan handle ${handle} accept comment "${comment}"\n`;
        run(['ip', 'netns', 'exec', lab.netns, 'nft', '-f', '-'], edit);
        t.match((await guard.verify(labSpec)).difference, /chain vxlan/);
        const next = open(lab.netns);
        t.match(
          (await next.verify(labSpec)).difference,
          /chain vxlan/,
          'also by an agent that starts',
        );
        await next.apply(labSpec);
        t.equal((await next.verify(labSpec)).ok, true);
        t.equal((await guard.verify(labSpec)).ok, true);
        t.equal((await open(lab.netns).verify(labSpec)).ok, true);
      });

    await t.test('removal takes ours and nothing else', async (t) => {
      inside(lab.netns, 'nft add table inet neighbour');
      inside(lab.netns, 'iptables-legacy -A INPUT -p tcp --dport 1 -j DROP');
      await guard.remove();
      await guard.remove();
      t.notMatch(inside(lab.netns, rules), /selvage/i);
      t.match(inside(lab.netns, 'nft list tables'), /inet neighbour/);
      t.match(inside(lab.netns, 'iptables-legacy -S INPUT'), /--dport 1 -j DROP/);
      t.equal((await guard.verify(labSpec)).ok, false);
      t.equal(await reaches(lab, { code: from('10.3.0.5', 'r1'), id: 'r1' }), true, 'unguarded');
      await guard.apply(labSpec);
      t.equal(
        await reaches(lab, { code: from('10.3.0.5', 'r2'), id: 'r2' }),
        false,
        'guarded again',
      );
    });
  });
}

await t.test('ten thousand peers load in one go, and one more is a small change', async (t) => {
  const netns = `sgt${process.pid}many`;
  run(['ip', 'netns', 'add', netns]);
  t.teardown(() => void run(['ip', 'netns', 'del', netns]));
  const peers = Array.from({ length: 10_000 }, (_, i) => {
    const [high, low] = [i >> 8, i & 255];
    return {
      ...labPeer('node', 2, 2),
      outerSources: [parsePrefix(`172.16.${high}.${low}/32`)].map((p) => ({
        family: 4 as const,
        bytes: p.bytes,
        text: p.text.slice(0, -3),
      })),
      innerSources: [
        parsePrefix(`10.${high}.${low}.0/24`),
        parsePrefix(`fd00:0:${high.toString(16)}:${low.toString(16)}::/64`),
      ],
      nativeSources: [],
    };
  });
  const guard = new NftablesGuard({ netns });
  const timed = async (spec: GuardSpec): Promise<number> => {
    const begin = performance.now();
    await guard.apply(spec);
    return performance.now() - begin;
  };
  const allMs = await timed({ ...labSpec, peers: peers.slice(1) });
  const oneMs = await timed({ ...labSpec, peers });
  t.ok(allMs < 10_000, `10,000 peers: ${allMs.toFixed(0)} ms`);
  t.ok(oneMs < 3000, `one more: ${oneMs.toFixed(0)} ms`);
  t.equal((await guard.verify({ ...labSpec, peers })).ok, true);
  const fewMs = await timed(labSpec);
  t.ok(fewMs < 5000, `all but two gone: ${fewMs.toFixed(0)} ms`);
  t.equal((await guard.verify(labSpec)).ok, true);
});

await t.test(
  'where the kernel cannot masquerade the guard holds without, and says so',
  async (t) => {
    const netns = `sgt${process.pid}nonat`;
    run(['ip', 'netns', 'add', netns]);
    t.teardown(() => void run(['ip', 'netns', 'del', netns]));
    // A tool that refuses what a kernel without NAT would.
    const folder = t.testdir({});
    const path = process.env['PATH']!;
    for (const tool of ['nft', 'iptables-legacy-restore', 'ip6tables-legacy-restore']) {
      const real = run(['sh', '-c', `command -v ${tool}`]).trim();
      writeFileSync(
        join(folder, tool),
        `#!/bin/sh\n[ -t 0 ] || in=$(cat)\ncase "$in" in *asquerade*|*ASQUERADE*) echo no NAT here >&2; exit 1;; esac\nprintf '%s\\n' "$in" | PATH='${path}' ${real} "$@"\n`,
        { mode: 0o755 },
      );
    }
    process.env['PATH'] = `${folder}:${path}`;
    try {
      for (const Back of [NftablesGuard, IptablesGuard]) {
        const lines: string[] = [];
        const guard = new Back({ netns, log: (line) => lines.push(line) });
        await guard.apply(masqueradingSpec);
        t.equal((await guard.verify(masqueradingSpec)).ok, true);
        t.match(lines[0], /cannot masquerade.*overlay\.masquerade to false: .*no NAT here/);
        t.equal((await guard.counters())['native_leak'], 0, 'the guard itself is there');
        await guard.remove();
      }
    } finally {
      process.env['PATH'] = path;
    }
  },
);

await t.test('the guard that the kernel can hold is opened, or a reason given', async (t) => {
  const netns = `sgt${process.pid}open`;
  run(['ip', 'netns', 'add', netns]);
  t.teardown(() => void run(['ip', 'netns', 'del', netns]));
  t.equal((await openGuard({ netns })).backend, 'nftables');
  t.equal(inside(netns, 'nft list ruleset'), '', 'trying leaves no trace');
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    await t.rejects(openGuard(), {
      constructor: NoGuardError,
      message: /no guard, so no tunnel.*nftables/,
    });
  } finally {
    process.env['PATH'] = path;
  }
  const refused = await openGuard({ netns: 'sgt-no-such-namespace' }).catch(
    (error: unknown) => error,
  );
  t.ok(refused instanceof NoGuardError, String(refused));
});
