/**
 * Somebody else's rules, loaded by their own tools into a namespace and read back: which of them
 * break the tunnels, and does the printed remedy mend it? No packets; the walk is ours.
 */
import t from 'tap';
import {
  type ForeignRule,
  findForeignRules,
  judgeRulesets,
} from '../../tunnel/guard/foreign-rules.js';
import { IptablesGuard } from '../../tunnel/guard/iptables.js';
import { nftSyntax } from '../../tunnel/guard/nft-syntax.js';
import { NftablesGuard } from '../../tunnel/guard/nftables.js';
import { inside, labSpec, masqueradingSpec, run } from './guard-lab.js';

const netns = `sgt${process.pid}foreign`;
const load = (tool: string, rules: string): string =>
  run(['ip', 'netns', 'exec', netns, ...tool.split(' ')], rules);

t.beforeEach(() => {
  run(['ip', 'netns', 'add', netns]);
});
t.afterEach(() => {
  run(['ip', 'netns', 'del', netns]);
});

const find = (): Promise<readonly ForeignRule[]> => findForeignRules(labSpec, { netns });
const brief = (found: readonly ForeignRule[]): readonly string[] =>
  [
    ...new Set(
      found.map(
        ({ kind, table, chain, certain }) =>
          `${kind} ${table} ${chain}${certain ? '' : ' (maybe)'}`,
      ),
    ),
  ].sort();
const hits = (found: readonly ForeignRule[]): readonly string[] =>
  [...new Set(found.map(({ hits }) => hits))].sort();

/** Runs every remedy that changes rules directly; afterwards nothing certain may be left. */
async function mend(found: readonly ForeignRule[]): Promise<readonly ForeignRule[]> {
  for (const remedy of new Set(found.map((one) => one.remedy)))
    run(['ip', 'netns', 'exec', netns, 'sh', '-c', remedy.replace(/^nft (.*)$/, "nft '$1'")]);
  return find();
}

await t.test('nothing is found where nobody filters, nor in our own rules', async (t) => {
  t.same(await find(), []);
  await new NftablesGuard({ netns }).apply(masqueradingSpec);
  await new IptablesGuard({ netns }).apply(masqueradingSpec);
  load('iptables-nft-restore', '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n');
  t.same(await find(), []);
});

await t.test('an input chain with policy drop and no accept for us', async (t) => {
  load(
    'nft -f -',
    `table inet filter {
      chain input {
        type filter hook input priority 0; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iifname "lo" accept
        ip protocol icmp accept
        tcp dport { 22, 80 } accept
      }
    }`,
  );
  const found = await find();
  t.same(brief(found), ['drops-tunnel inet filter input']);
  t.equal(found[0]!.rule, 'policy drop');
  t.same(hits(found), [
    'IP in IP (protocol 4) over IPv4',
    'IP in IP (protocol 4) over IPv6',
    'IP in IP (protocol 41) over IPv4',
    'IP in IP (protocol 41) over IPv6',
    'VXLAN (UDP 4789) over IPv4',
    'VXLAN (UDP 4789) over IPv6',
  ]);
  t.equal(
    found[0]!.remedy,
    'nft insert rule inet filter input iifname "eth0" udp dport 4789 accept',
  );
  t.same(await mend(found), []);
});

await t.test('drops before the input chain, and on the way out', async (t) => {
  run(['ip', '-n', netns, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far']);
  load(
    'nft -f -',
    `table netdev edge {
      chain in { type filter hook ingress device "eth0" priority 0; policy accept;
        udp dport 4789 drop
      }
    }
    table ip early { chain pre { type filter hook prerouting priority -300; policy accept;
      ip protocol 4 drop
    }
    }
    table inet late { chain out { type filter hook output priority 0; policy accept;
      oifname "eth0" meta l4proto 41 reject
    }
    }`,
  );
  const found = await find();
  t.same(brief(found), [
    'drops-tunnel inet late out',
    'drops-tunnel ip early pre',
    'drops-tunnel netdev edge in (maybe)',
  ]);
  t.same(hits(found), [
    'IP in IP (protocol 4) over IPv4 on prerouting',
    'IP in IP (protocol 41) over IPv4 on output',
    'IP in IP (protocol 41) over IPv6 on output',
    'VXLAN (UDP 4789) over IPv4 on ingress',
    'VXLAN (UDP 4789) over IPv6 on ingress',
  ]);
  t.same([...new Set(found.map(({ table, way }) => `${table} ${way}`))].sort(), [
    'inet late out',
    'ip early in',
    'netdev edge in',
  ]);
  t.same(await mend(found), []);
  const base = { type: 'filter', hook: 'ingress', policy: 'drop', dev: 'eth7' };
  const chain = { chain: { family: 'netdev', table: 'e', name: 'c', ...base } };
  const nft = JSON.stringify({ nftables: [{ table: { family: 'netdev', name: 'e' } }, chain] });
  t.same(judgeRulesets(labSpec, { nft }), [], 'a chain of another device is no matter');
});

for (const tool of ['iptables-nft', 'iptables-legacy'] as const)
  await t.test(`raw PREROUTING and OUTPUT, by ${tool}`, async (t) => {
    const name = tool === 'iptables-nft' ? 'iptables' : tool;
    load(
      `${tool}-restore`,
      `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p udp -m udp --dport 4789 -j DROP
-A OUTPUT -o eth0 -p 4 -j DROP
COMMIT
`,
    );
    const found = await find();
    t.same(brief(found), [
      `drops-tunnel ${name} raw OUTPUT`,
      `drops-tunnel ${name} raw PREROUTING`,
    ]);
    t.same(await mend(found), []);
  });

await t.test('what container engines and cluster agents usually load is no matter', async (t) => {
  load(
    'iptables-nft-restore',
    `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:KUBE-KUBELET-CANARY - [0:0]
-A PREROUTING -m rpfilter --invert -j DROP
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A FORWARD -j KUBE-FORWARD
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DROP
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A DOCKER-USER -j RETURN
COMMIT
`,
  );
  t.same(
    (await find()).filter(({ certain }) => certain),
    [],
  );
});

await t.test('the same with room for us is left in peace', async (t) => {
  load(
    'nft -f -',
    `table inet filter {
      set nodes { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
      chain input {
        type filter hook input priority 0; policy drop;
        iifname "eth*" ip saddr @nodes udp dport 4000-5000 accept
        ip6 saddr 2001:db8::/32 goto nodes6
        ip saddr 192.0.2.0-192.0.2.99 meta l4proto { 4, 41 } counter accept
      }
      chain nodes6 {
        meta nfproto ipv6 meta l4proto != { 4, 17, 41 } return
        accept
      }
    }`,
  );
  t.same(await find(), []);
});

await t.test('what cannot be judged is said to be uncertain', async (t) => {
  load(
    'nft -f -',
    `table ip filter {
      chain input {
        type filter hook input priority 0; policy drop;
        meta mark 0x7 accept
        meta l4proto { 4, 41 } accept
      }
    }`,
  );
  const found = await find();
  t.same(brief(found), ['drops-tunnel ip filter input (maybe)']);
  t.same(hits(found), ['VXLAN (UDP 4789) over IPv4']);
});

await t.test('rules in the manner of firewalld', async (t) => {
  load(
    'nft -f -',
    `table inet firewalld {
      chain filter_INPUT {
        type filter hook input priority 10; policy accept;
        ct state { established, related } accept
        iifname "lo" accept
        jump filter_INPUT_ZONES
        ct state invalid drop
        reject with icmpx type admin-prohibited
      }
      chain filter_INPUT_ZONES {
        iifname "eth0" goto filter_IN_public
        goto filter_IN_public
      }
      chain filter_IN_public {
        jump filter_IN_public_allow
        meta l4proto { icmp, ipv6-icmp } accept
      }
      chain filter_IN_public_allow {
        tcp dport 22 ct state { new, untracked } accept
        udp dport 4789 ct state { new, untracked } accept
      }
    }`,
  );
  const found = await find();
  t.same(brief(found), ['drops-tunnel inet firewalld filter_INPUT']);
  t.match(found[0]!.rule, /reject/);
  t.notOk(hits(found).some((what) => what.startsWith('VXLAN')));
  t.equal(found[0]!.remedy, 'firewall-cmd --permanent --add-protocol=4 && firewall-cmd --reload');
});

const ufw = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j LOG
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m multiport --dports 22,443 -m comment --comment "web and shell" -j ACCEPT
COMMIT
`;

for (const tool of ['iptables-nft', 'iptables-legacy'] as const)
  await t.test(`rules in the manner of ufw, by ${tool}`, async (t) => {
    const name = tool === 'iptables-nft' ? 'iptables' : tool;
    load(`${tool}-restore`, ufw);
    const found = await find();
    t.same(brief(found), [
      `drops-forwarded ${name} filter FORWARD`,
      `drops-tunnel ${name} filter INPUT`,
    ]);
    t.equal(found[0]!.remedy, 'ufw allow in on eth0 to any port 4789 proto udp');
    t.equal(found[1]!.remedy, `${name} -t filter -I INPUT 1 -i eth0 -p 4 -j ACCEPT`);
    t.equal(
      found.find(({ kind }) => kind === 'drops-forwarded')!.remedy,
      `${name} -t filter -I FORWARD 1 -s 10.0.0.0/9 -d 10.0.0.0/9 -j ACCEPT`,
    );
  });

const nat = (...rules: readonly string[]): string =>
  ['*nat', ':POSTROUTING ACCEPT [0:0]', ':EXTRA - [0:0]', ...rules, 'COMMIT', ''].join('\n');

await t.test("a container engine's masquerade of its own bridge is no matter", async (t) => {
  load('iptables-nft-restore', nat('-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE'));
  t.same(await find(), []);
});

for (const tool of ['iptables-nft', 'iptables-legacy'] as const)
  await t.test(`a masquerade of everything, by ${tool}`, async (t) => {
    const name = tool === 'iptables-nft' ? 'iptables' : tool;
    load(`${tool}-restore`, nat('-A POSTROUTING -j MASQUERADE'));
    const found = await find();
    t.same(brief(found), [`masquerades-overlay ${name} nat POSTROUTING`]);
    t.equal(found[0]!.rule, '-A POSTROUTING -j MASQUERADE');
    t.equal(
      found[0]!.remedy,
      `${name} -t nat -I POSTROUTING 1 -s 10.0.0.0/9 -d 10.0.0.0/9 -j ACCEPT`,
    );
    t.same(await mend(found), []);
  });

await t.test('a masquerade that spares the overlay', async (t) => {
  load(
    'iptables-nft-restore',
    nat(
      '-A POSTROUTING -s 10.1.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE',
      '-A POSTROUTING -j EXTRA',
      '-A EXTRA -d 10.0.0.0/8 -j RETURN',
      '-A EXTRA -o lo -j SNAT --to-source 192.0.2.1',
    ),
  );
  t.same(await find(), []);
});

await t.test('masquerade by nft: of one device, with an exclusion, by address', async (t) => {
  load(
    'nft -f -',
    `table ip nat {
      chain one { type nat hook postrouting priority 100; oifname "slv4a" masquerade; }
      chain two { type nat hook postrouting priority 101; ip daddr 10.0.0.0/9 accept; masquerade; }
      chain three { type nat hook postrouting priority 102; ip saddr 10.1.0.0/24 oifname "eth0" snat to 192.0.2.1; }
      chain four { type nat hook postrouting priority 103; meta mark 0x4000 masquerade; }
    }
    table ip6 nat6 {
      chain post { type nat hook postrouting priority 100; ip6 saddr fd00:1::/64 masquerade; }
    }`,
  );
  const found = await find();
  t.same(brief(found), [
    'masquerades-overlay ip nat four (maybe)',
    'masquerades-overlay ip nat one',
    'masquerades-overlay ip nat three',
    'masquerades-overlay ip6 nat6 post',
  ]);
  t.equal(
    found.at(-1)!.remedy,
    'nft insert rule ip6 nat6 post ip6 saddr { fd00::/24 } ip6 daddr { fd00::/24 } accept',
  );
  t.same(await mend(found), []);
});

await t.test('the forward policy that a container engine leaves behind', async (t) => {
  inside(netns, 'iptables-nft -P FORWARD DROP');
  const found = await find();
  t.same(brief(found), ['drops-forwarded iptables filter FORWARD']);
  t.same(await mend(found), []);
});

await t.test("a rule of nft in nft's own words is that rule", (t) => {
  load(
    'nft -f -',
    `table inet words {
      set peers { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
      chain jumped { }
      chain in {
        type filter hook input priority 0; policy accept;
        ct state established,related accept
        ct state vmap { established : accept, related : accept, invalid : drop }
        iifname "eth0" udp dport 4789 counter drop
        iifname { "eth0", "eth1" } tcp dport { 22, 80-90 } accept
        iifname "eth*" ip saddr != @peers drop
        ip saddr { 10.0.0.0/8, 192.0.2.1-192.0.2.9 } ip daddr . tcp dport { 10.0.0.1 . 80 } return
        meta l4proto { tcp, udp } goto jumped
        meta mark 0x00004000 jump jumped
        meta mark & 0x000000ff == 0x00000010 accept
        tcp flags & (fin | syn) == syn drop
        ip6 nexthdr 41 reject with icmpv6 type admin-prohibited
        tcp dport 25 reject with tcp reset
        udp dport 4789 limit rate over 10/second burst 5 packets drop
        udp length > 100 log prefix "large: " level warn drop
        ip protocol 4 meta mark set 0x00000001
        fib daddr type local accept
        @th,336,32 0x0a000001 drop
      }
      chain out {
        type nat hook postrouting priority 100;
        oifname != "lo" ip saddr 10.0.0.0/8 masquerade random
        ip daddr 198.51.100.1 udp dport 53 snat ip to 192.0.2.1:1024-2048
      }
    }`,
  );
  interface Rule {
    readonly chain: string;
    readonly expr: readonly Record<string, unknown>[];
  }
  const rules = (): readonly Rule[] => {
    const { nftables } = JSON.parse(inside(netns, 'nft -j list table inet words')) as {
      nftables: { rule?: Rule }[];
    };
    const plain = (expr: Rule['expr']) => expr.filter((entry) => !('counter' in entry));
    return nftables.flatMap(({ rule }) =>
      rule === undefined ? [] : [{ chain: rule.chain, expr: plain(rule.expr) }],
    );
  };
  const before = rules();
  t.equal(before.length, 19);
  const again = before.map(({ chain, expr }) => `add rule inet words ${chain} ${nftSyntax(expr)}`);
  load('nft -f -', ['flush table inet words', ...again].join('\n'));
  t.same(rules(), before, again.join('\n'));
  t.ok(again.includes('add rule inet words in meta mark 0x00004000 jump jumped'));
  t.ok(again.includes('add rule inet words in iifname "eth*" ip saddr != @peers drop'));
  t.end();
});

await t.test("what hits us is named in nft's words, or by its handle", async (t) => {
  load(
    'nft -f -',
    `table inet filter {
      set seen { type ipv4_addr; flags dynamic; }
      chain input {
        type filter hook input priority 0;
        udp dport 4789 counter drop
        meta l4proto 4 update @seen { ip saddr } drop
      }
    }`,
  );
  const rules = new Set((await find()).map(({ rule }) => rule));
  t.ok(rules.has('udp dport 4789 drop'), [...rules].join());
  t.ok(
    [...rules].every(
      (rule) => rule === 'udp dport 4789 drop' || /^rule with handle \d+$/.test(rule),
    ),
    [...rules].join(),
  );
  t.equal(rules.size, 2);
});
