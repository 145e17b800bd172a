/**
 * What operators write, and what they are told: the text of a file, then every problem with its
 * place, code, path and remedy. An empty list of problems is a file that is fine.
 */
const oneNode = 'nodes:\n  - { name: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\n';

const node = (address: string, overlay: string, more = ''): string =>
  `nodes:\n  - name: a\n    address: ${address}\n    overlay: ${overlay}\n${more}`;
const address = (text: string): string => node(text, '10.64.1.0/24');
const overlay = (text: string): string => node('10.0.0.1/24', text);
const nodeWith = (line: string): string => node('10.0.0.1/24', '10.64.1.0/24', `    ${line}\n`);

export const mistakes: readonly (readonly [string, readonly string[]])[] = [
  ['', ['1:1 empty-file → write "nodes:" with at least one node: name, address, overlay']],
  [
    '# nothing\n',
    ['1:1 empty-file → write "nodes:" with at least one node: name, address, overlay'],
  ],
  ['- name: a\n', ['1:1 wrong-type → begin with "nodes:" and indent the list below it']],
  ['hello', ['1:1 wrong-type → begin with "nodes:"']],
  [
    'nodes:\n',
    ['1:1 empty-value nodes → add "nodes:" with at least one node: name, address, overlay'],
  ],
  ['nodes: []\n', ['1:8 empty-value nodes → list at least one: name, address, overlay']],
  [
    'nodes: {a: {address: 10.0.0.1}}\n',
    ['1:8 wrong-type nodes → write every entry as a list item: "- name: a"'],
  ],
  [
    'nodez:\n  - {name: a, address: 10.0.0.1, overlay: 10.64.0.0/24}\n',
    ['1:1 unknown-key nodez → did you mean "nodes"?'],
  ],
  [
    'nodes: [a, b]\n',
    [
      '1:9 wrong-type nodes[0] → write { name: a, … }',
      '1:12 wrong-type nodes[1] → write { name: b, … }',
    ],
  ],
  [
    'nodes:\n  - name: a\n    adress: 10.0.0.1\n    overlay: 10.64.1.0/24\n',
    ['3:5 unknown-key nodes[0].adress → did you mean "address"?'],
  ],
  [
    'nodes:\n  - name: a\n    ip: 10.0.0.1\n    podCIDR: 10.64.1.0/24\n',
    [
      '3:5 unknown-key nodes[0].ip → did you mean "address"?',
      '4:5 unknown-key nodes[0].podCIDR → did you mean "overlay"?',
    ],
  ],
  [
    'nodes:\n  - name: 1\n    address: 10.0.0.1\n    overlay: 10.64.1.0/24\n',
    ['2:11 wrong-type nodes[0].name → quote it if that is meant: "1"'],
  ],
  [
    'nodes:\n  - name: 010\n    address: 10.0.0.1\n    overlay: 10.64.1.0/24\n',
    ['2:11 wrong-type nodes[0].name → quote it: "010"'],
  ],
  [
    `overlay: { masquerade: { exclude: [10.0.0.1/8] } }\n${oneNode}`,
    [
      '1:36 host-bits overlay.masquerade.exclude[0] → write 10.0.0.0/8, the network that holds 10.0.0.1',
    ],
  ],
  [
    `overlay: { masquerade: { sorces: 10.64.0.0/12 } }\n${oneNode}`,
    ['1:26 unknown-key overlay.masquerade.sorces → did you mean "sources"?'],
  ],
  [
    `overlay:\n  pools: 10.64.0.0/16\n  blocks:\n    - { within: 10.65.0.0/16 }\n    - { within: 10.64.0.0/18, zones: default }\n    - { within: 10.64.32.0/19, size: 25 }\n${oneNode}`,
    [
      '4:17 range-outside-pools overlay.blocks[0].within → take it from a pool, or write the pool below "overlay: pools:"',
      '6:17 range-overlap overlay.blocks[2].within → an address belongs to one range: separate them, or give one range both zones',
    ],
  ],
  [
    `overlay:\n  pools: [10.64.0.0/16, "fd64::/48"]\n  blocks:\n    - { within: 10.64.0.0/25 }\n    - { within: "fd64::/56", size: 48 }\n    - { within: 10.64.128.0/17, zones: defualt, size: 33 }\n${oneNode}`,
    [
      "4:17 range-too-small overlay.blocks[0].within → write a size from 25 to 32, the length of each node's prefix",
      "5:36 range-too-small overlay.blocks[1].size → write a size from 56 to 128, the length of each node's prefix",
      '6:40 unknown-zone overlay.blocks[2].zones → did you mean "default"?',
      "6:55 range-too-small overlay.blocks[2].size → write a size from 17 to 32, the length of each node's prefix",
    ],
  ],
  [
    `overlay: { blocks: [{ within: 10.64.0.0/16 }] }\n${oneNode}`,
    [
      '1:31 range-outside-pools overlay.blocks[0].within → take it from a pool, or write the pool below "overlay: pools:"',
    ],
  ],
  [
    `overlay: { pools: 10.64.0.0/16, blocks: 10.64.0.0/16 }\n${oneNode}`,
    [
      '1:41 wrong-type overlay.blocks → write a mapping such as { within: 10.64.0.0/16, size: 24 }, or a list of them',
    ],
  ],
  [`overlay: { pools: 10.64.0.0/16, blocks: { within: 10.64.0.0/16, size: 26 } }\n${oneNode}`, []],
  [
    `overlay: { masquerade: yes please }\n${oneNode}`,
    [
      '1:24 wrong-type overlay.masquerade → write true, false, or a mapping with "sources" and "exclude"',
    ],
  ],
  [`probes: drives\n${oneNode}`, ['1:9 unknown-value probes → did you mean "drive"?']],
  [
    `probes: { port: 4789 }\n${oneNode}`,
    ['1:17 port-conflict probes.port → write another port than 4789'],
  ],
  [address('10.0.0.1 /24'), ['3:14 bad-address nodes[0].address → write 10.0.0.1/24']],
  [address('10.0.0.256'), ['3:14 bad-address nodes[0].address → write it like 192.168.10.11/24']],
  [address('10.0.0'), ['3:14 bad-address nodes[0].address → write it like 192.168.10.11/24']],
  [address('10.0'), ['3:14 wrong-type nodes[0].address → quote it if that is meant: "10.0"']],
  [address('10.0.0.01/24'), ['3:14 bad-address nodes[0].address → write 10.0.0.1/24']],
  [address('10.0.0.1/255.255.255.0'), ['3:14 bad-address nodes[0].address → write 10.0.0.1/24']],
  [address('10.0.0.1/33'), ['3:14 bad-address nodes[0].address → write it like 192.168.10.11/24']],
  [address('10.0.0.1/'), ['3:14 bad-address nodes[0].address → write it like 192.168.10.11/24']],
  [address('10.0.0.1:4789'), ['3:14 bad-address nodes[0].address → write 10.0.0.1']],
  [
    address('node-a.example.com'),
    ['3:14 bad-address nodes[0].address → write it like 192.168.10.11/24'],
  ],
  [address('"10.0.0.1\u00a0"'), ['3:14 bad-address nodes[0].address → write 10.0.0.1']],
  [address('\u201c10.0.0.1\u201d'), ['3:14 bad-address nodes[0].address → write 10.0.0.1']],
  [
    address('127.0.0.1'),
    ['3:14 unusable-address nodes[0].address → write the address that the other nodes reach it by'],
  ],
  [
    address('169.254.1.1/16'),
    ['3:14 unusable-address nodes[0].address → write the address that the other nodes reach it by'],
  ],
  [
    address('fe80::1/64'),
    ['3:14 unusable-address nodes[0].address → write the address that the other nodes reach it by'],
  ],
  [address('"fe80::1%eth0"'), ['3:14 bad-address nodes[0].address → write a routed address']],
  [address('::ffff:10.0.0.1'), ['3:14 mapped-address nodes[0].address → write 10.0.0.1']],
  [address('fd64::'), ['3:14 yaml-syntax → quote it: "fd64::"']],
  [address('[fd64::]'), ['3:14 wrong-type nodes[0].address → quote it: "fd64::"']],
  [
    address('[10.0.0.1]'),
    ['3:14 wrong-type nodes[0].address → write one value, without brackets or dashes'],
  ],
  [
    address('10.0.0.0/24'),
    ["3:14 network-address nodes[0].address → write the address of the node's NIC"],
  ],
  [
    address('10.0.0.255/24'),
    ["3:14 network-address nodes[0].address → write the address of the node's NIC"],
  ],
  [address('fd64:::1'), ['3:14 bad-address nodes[0].address → write fd64::1']],
  [address('fd64::1::2'), ['3:14 bad-address nodes[0].address → write it like fd00::11/64']],
  [address('fd64::12345'), ['3:14 bad-address nodes[0].address → write it like fd00::11/64']],
  [address('fd64::g'), ['3:14 bad-address nodes[0].address → write it like fd00::11/64']],
  [address('"1:2:3"'), ['3:14 bad-address nodes[0].address → write it like fd00::11/64']],
  [
    address('10.0.0.1-10.0.0.9'),
    ['3:14 bad-address nodes[0].address → write it like 192.168.10.11/24'],
  ],
  [address('https://10.0.0.1'), ['3:14 bad-address nodes[0].address → write it like fd00::11/64']],
  [address('10,0,0,1'), ['3:14 bad-address nodes[0].address → write 10.0.0.1']],
  [
    address('0.0.0.0'),
    ['3:14 unusable-address nodes[0].address → write the address that the other nodes reach it by'],
  ],
  [
    address('224.0.0.1'),
    ['3:14 unusable-address nodes[0].address → write the address that the other nodes reach it by'],
  ],
  [
    address('255.255.255.255'),
    ['3:14 unusable-address nodes[0].address → write the address that the other nodes reach it by'],
  ],
  [
    'nodes:\n  - name: a\n    address: 10.0.0.1\n    addresses: [10.0.0.2]\n    overlay: 10.64.1.0/24\n',
    [
      '4:5 conflicting-keys nodes[0].addresses → keep "address" for one, "addresses" for one of each family',
    ],
  ],
  [address('~'), ['3:14 empty-value nodes[0].address → write a value behind it, or remove it']],
  [address('""'), ['3:14 empty-value nodes[0].address → write a value, or remove the key']],
  [
    overlay('10.64.1.5/24'),
    ['4:14 host-bits nodes[0].overlay → write 10.64.1.0/24, the network that holds 10.64.1.5'],
  ],
  [
    overlay('10.64.1.0'),
    ['4:14 bad-prefix nodes[0].overlay → write 10.64.1.0/LENGTH, e.g. 10.64.1.0/24'],
  ],
  [
    overlay('fd64::1/64'),
    ['4:14 host-bits nodes[0].overlay → write fd64::/64, the network that holds fd64::1'],
  ],
  [
    overlay('10.64.1.0/32'),
    [
      '4:14 (warning) small-prefix nodes[0].overlay → give the node a larger prefix if workloads shall run on it',
    ],
  ],
  [
    overlay('0.0.0.0/0'),
    [
      '4:14 unusable-address nodes[0].overlay → write a prefix of unicast addresses, for example of 10.0.0.0/8 or fd00::/8',
    ],
  ],
  [overlay('10.64.1.0/024'), ['4:14 bad-prefix nodes[0].overlay → write 10.64.1.0/24']],
  [overlay('[]'), ['4:14 empty-value nodes[0].overlay → write an entry, or remove the key']],
  [
    overlay('[10.64.1.0/24, 10.64.1.0/24]'),
    ['4:29 overlay-overlap nodes[0].overlay[1] → give each node prefixes of its own'],
  ],
  [
    overlay('[10.64.1.0/24, 10.64.1.128/25]'),
    ['4:29 overlay-overlap nodes[0].overlay[1] → give each node prefixes of its own'],
  ],
  [
    overlay('10.0.0.0/8'),
    [
      '4:14 underlay-overlap nodes[0].overlay → overlay and underlay need separate ranges: renumber one of them',
    ],
  ],
  [
    overlay('10.0.0.0/24'),
    [
      '4:14 underlay-overlap nodes[0].overlay → overlay and underlay need separate ranges: renumber one of them',
    ],
  ],
  [
    overlay('169.254.0.0/16'),
    [
      '4:14 unusable-address nodes[0].overlay → write a prefix of unicast addresses, for example of 10.0.0.0/8 or fd00::/8',
    ],
  ],
  [
    overlay('::ffff:10.64.0.0/112'),
    [
      '4:14 unusable-address nodes[0].overlay → write a prefix of unicast addresses, for example of 10.0.0.0/8 or fd00::/8',
    ],
  ],
  [
    overlay('"fd00:ec2::/64"'),
    [
      '4:14 metadata-address nodes[0].overlay → write a smaller prefix, or one of another range, that does not hold it',
    ],
  ],
  [
    `overlay: { pools: [10.64.0.0/12, "fd00::/8"] }\n${oneNode}`,
    [
      '1:34 metadata-address overlay.pools[1] → write a smaller prefix, or one of another range, that does not hold it',
    ],
  ],
  [
    `overlay: { pools: [10.64.0.0/12, 169.254.169.254/32] }\n${oneNode}`,
    [
      '1:34 unusable-address overlay.pools[1] → write a prefix of unicast addresses, for example of 10.0.0.0/8 or fd00::/8',
    ],
  ],
  // Only where a zone has the provider whose service answers there.
  [overlay('100.64.0.0/10'), []],
  [
    `zones: [{ name: z, provider: alibaba }]\n${overlay('100.64.0.0/10')}`,
    [
      '5:14 metadata-address nodes[0].overlay → write a smaller prefix, or one of another range, that does not hold it',
    ],
  ],
  [
    `overlay: { pools: [10.64.0.0/12, 168.63.0.0/16] }\nzones: [{ name: z, provider: azure }]\n${oneNode}`,
    [
      '1:34 metadata-address overlay.pools[1] → write a smaller prefix, or one of another range, that does not hold it',
    ],
  ],
  [overlay('10.64.1.0/x'), ['4:14 bad-prefix nodes[0].overlay → write it like 10.64.1.0/24']],
  [nodeWith('mtu: "1500"'), ['5:10 wrong-type nodes[0].mtu → write 1500 without quotes or unit']],
  [
    nodeWith('mtu: 1500 bytes'),
    ['5:10 wrong-type nodes[0].mtu → write 1500 without quotes or unit'],
  ],
  [nodeWith('mtu: 0x5dc'), []],
  [
    nodeWith('mtu: 01500'),
    ['5:10 wrong-type nodes[0].mtu → write 1500; a leading zero means octal to some programs'],
  ],
  [nodeWith('mtu: 70000'), ['5:10 out-of-range nodes[0].mtu → write a number from 576 to 65535']],
  [nodeWith('mtu: 500'), ['5:10 out-of-range nodes[0].mtu → write a number from 576 to 65535']],
  [nodeWith('mtu: 1500.5'), ['5:10 wrong-type nodes[0].mtu → write a whole number']],
  [nodeWith('mtu: -1'), ['5:10 out-of-range nodes[0].mtu → write a number from 576 to 65535']],
  [nodeWith('mtu: 1e3'), []],
  [
    nodeWith('labels: { role: 7 }'),
    ['5:21 wrong-type nodes[0].labels.role → quote it if that is meant: "7"'],
  ],
  [
    nodeWith('labels: { role: yes, ok: true }'),
    ['5:30 wrong-type nodes[0].labels.ok → quote it if that is meant: "true"'],
  ],
  [
    nodeWith('labels: [a]'),
    ['5:13 wrong-type nodes[0].labels → write a mapping of keys and values'],
  ],
  [
    nodeWith('accepts: { ipip: user }'),
    ['5:22 unknown-value nodes[0].accepts.ipip → did you mean "userspace"?'],
  ],
  [
    nodeWith('accepts: { ipip4: userspace }'),
    ['5:16 unknown-key nodes[0].accepts.ipip4 → did you mean "ipip"?'],
  ],
  [nodeWith('accepts: { ipip/4/4: userspace }'), []],
  [
    nodeWith('sourceDestinationCheck: false'),
    ['5:29 unknown-value nodes[0].sourceDestinationCheck → did you mean "disabled"?'],
  ],
  [
    nodeWith('sourceDestinationCheck: off'),
    ['5:29 unknown-value nodes[0].sourceDestinationCheck → did you mean "disabled"?'],
  ],
  [
    nodeWith('srcDstCheck: disabled'),
    ['5:5 unknown-key nodes[0].srcDstCheck → did you mean "sourceDestinationCheck"?'],
  ],
  [
    nodeWith('firewall: { proto4: allow }'),
    ['5:17 unknown-key nodes[0].firewall.proto4 → did you mean "ipip"?'],
  ],
  [
    nodeWith('firewall: { ipip: open }'),
    ['5:23 unknown-value nodes[0].firewall.ipip → did you mean "allowed"?'],
  ],
  [
    nodeWith('zone: rack'),
    ['5:11 unknown-zone nodes[0].zone → add it below "zones:", or leave "zone" out'],
  ],
  [
    nodeWith('publicAddress: 10.1.1.1'),
    [
      '5:20 (warning) private-public-address nodes[0].publicAddress → write the address that the internet sees, or use "address" for this one',
    ],
  ],
  [
    nodeWith('publicAddress: 203.0.113.7/32'),
    ['5:20 bad-address nodes[0].publicAddress → write 203.0.113.7'],
  ],
  [nodeWith('name: b'), ['5:5 duplicate-key nodes[0].name → keep one of them']],
  [nodeWith('Zone: x'), ['5:5 unknown-key nodes[0].Zone → did you mean "zone"?']],
  [nodeWith('\u00a0zone: x'), ['5:5 unknown-key nodes[0]["\u00a0zone"] → did you mean "zone"?']],
  [
    nodeWith('labels: {__proto__: x, constructor: y}'),
    [
      '5:13 bad-key nodes[0].labels → write keys as plain words; quote what contains brackets, ":" or "?"',
    ],
  ],
  ['version: 2\n' + oneNode, ['1:10 unsupported-version version → write version: 1']],
  [
    'version: "1"\n' + oneNode,
    ['1:10 unsupported-version version → write version: 1 without quotes'],
  ],
  ['version: 1.0\n' + oneNode, []],
  ['cluster: My Cluster\n' + oneNode, ['1:10 bad-name cluster → write "my-cluster"']],
  ['cluster: 12\n' + oneNode, ['1:10 wrong-type cluster → quote it if that is meant: "12"']],
  [
    'overlay: { vxlan: { vni: 16777216 } }\n' + oneNode,
    ['1:26 out-of-range overlay.vxlan.vni → write a number from 1 to 16777215'],
  ],
  [
    'overlay: { vxlan: { vni: 0, port: 65536 } }\n' + oneNode,
    [
      '1:26 out-of-range overlay.vxlan.vni → write a number from 1 to 16777215',
      '1:35 out-of-range overlay.vxlan.port → write a number from 1 to 65535',
    ],
  ],
  [
    'overlay: { vxlan: { vni: 4096, dstport: 1 } }\n' + oneNode,
    ['1:32 unknown-key overlay.vxlan.dstport → did you mean "port"?'],
  ],
  [
    'overlay: { pools: 10.65.0.0/16 }\n' + oneNode,
    ['3:47 outside-pools nodes[0].overlay → take it from a pool, or add a pool that holds it'],
  ],
  [
    'overlay: { pools: [10.64.0.0/16, 10.64.0.0/17] }\n' + oneNode,
    ['1:34 pool-overlap overlay.pools[1] → keep the wider one'],
  ],
  [
    'overlay: { pools: 10.0.0.0/8 }\n' + oneNode,
    [
      '1:19 underlay-overlap overlay.pools → overlay and underlay need separate ranges: renumber one of them',
    ],
  ],
  [
    'overlay: 10.64.0.0/16\n' + oneNode,
    ['1:10 wrong-type overlay → write overlay: { pools: 10.64.0.0/16 }'],
  ],
  ['zones:\n' + oneNode, ['1:1 empty-value zones → write a value behind it, or remove it']],
  ['zones: []\n' + oneNode, []],
  [
    'zones: {a: {provider: aws}}\n' + oneNode,
    ['1:8 wrong-type zones → write every entry as a list item: "- name: a"'],
  ],
  [
    'zones: [{name: a, provider: gcp}]\n' + oneNode,
    ['1:29 unknown-value zones[0].provider → did you mean "gce"?'],
  ],
  [
    'zones: [{name: a, provider: AWS}]\n' + oneNode,
    ['1:29 unknown-value zones[0].provider → did you mean "aws"?'],
  ],
  [
    'zones: [{name: a, provider: onprem, subnets: [10.1.0.0/16]}]\n' + oneNode,
    ['3:25 no-zone nodes[0].address → add "zone: NAME" to the node, or the subnet to its zone'],
  ],
  [
    'zones: [{name: a, subnets: [10.0.0.0/24]},{name: b, subnets: [10.0.0.0/24]}]\n' + oneNode,
    ['3:25 ambiguous-zone nodes[0].address → add "zone: a" or the other one to the node'],
  ],
  [
    'zones: [{name: a, subnets: [10.0.0.0/24, 10.0.0.0/25]}]\n' + oneNode,
    ['1:42 subnet-overlap zones[0].subnets[1] → keep one of them, or correct the length'],
  ],
  [
    'zones: [{name: a, segment: x}]\n' + oneNode,
    [
      '1:28 (warning) unused-key zones[0].segment → add "subnets:" with the prefixes of the segment',
    ],
  ],
  [
    'zones: [{name: a},{name: a}]\nnodes:\n  - { name: a, zone: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\n',
    ['1:26 duplicate-name zones[1].name → rename one of them, or put all subnets below one'],
  ],
  ['zones: [{name: Rack A}]\n' + oneNode, ['1:16 bad-name zones[0].name → write "rack-a"']],
  [
    'zones: [{name: a, mtu: 1400, subnet: [10.0.0.0/24]}]\n' + oneNode,
    ['1:30 unknown-key zones[0].subnet → did you mean "subnets"?'],
  ],
  [
    'zones: [{name: a, subnets: [10.0.0.0/25]}]\n' + oneNode,
    [
      '3:25 (warning) mask-differs nodes[0].address → write /25 unless the NIC really has another mask',
    ],
  ],
  [
    'zones: [{name: a, subnets: [{prefix: 10.0.0.0/24, segmnt: x}]}]\n' + oneNode,
    ['1:51 unknown-key zones[0].subnets[0].segmnt → did you mean "segment"?'],
  ],
  [
    'links:\n  - between: [default, z]\n' + oneNode,
    ['2:24 unknown-zone links[0].between[1] → known: default'],
  ],
  [
    'links:\n  - between: [default]\n' + oneNode,
    ['2:14 out-of-range links[0].between → write exactly two'],
  ],
  [
    'links:\n  - between: [default, {provider: azure}]\n    mtu: 1300\n    modes: [ipinip]\n    allowPublic: yes\n' +
      oneNode,
    [
      '2:35 (warning) unused-value links[0].between[1].provider → add "provider:" to the zones meant, or leave it for zones to come',
      '4:13 unknown-value links[0].modes[0] → did you mean "ipip"?',
      '5:18 wrong-type links[0].allowPublic → write true',
    ],
  ],
  [
    'links: [{between: [default, default]},{between: [{zone: default}, default]}]\n' + oneNode,
    ['1:49 duplicate-link links[1].between → merge the two, as a link speaks of both directions'],
  ],
  [
    'links: [{between: [{zone: default, provider: aws}, {}]}]\n' + oneNode,
    [
      '1:20 conflicting-keys links[0].between[0] → keep "zone"; its provider is known',
      '1:52 missing-key links[0].between[1] → write the name of a zone',
    ],
  ],
  [
    'rules: [{mode: vxlan},{mode: ipip}]\n' + oneNode,
    ['1:23 rule-shadowed rules[1] → move it up, narrow the earlier one, or remove it'],
  ],
  [
    'rules: [{mode: always}]\n' + oneNode,
    ['1:16 unknown-value rules[0].mode → write one of native, ipip, vxlan, auto, deny'],
  ],
  [
    'rules: [{name: x}]\n' + oneNode,
    ['1:9 missing-key rules[0] → add mode: native, ipip, vxlan, auto or deny'],
  ],
  [
    'rules: [{mode: vxlan, same: zone, different: provider}]\n' + oneNode,
    ['1:9 rule-never-matches rules[0] → correct its conditions, or remove it'],
  ],
  [
    'rules: [{mode: vxlan, same: zone, different: zone}]\n' + oneNode,
    ['1:46 rule-never-matches rules[0].different → remove one of the two'],
  ],
  [
    'rules: [{mode: vxlan, same: region}]\n' + oneNode,
    [
      '1:29 (warning) unused-value rules[0].same → give the zones their "region:", or name another relation',
    ],
  ],
  [
    'rules: [{mode: vxlan, different: region, same: provider}]\nzones: [{name: z, subnets: [10.0.0.0/24], region: west}]\n' +
      oneNode,
    [],
  ],
  [
    'rules: [{mode: vxlan, same: az}]\n' + oneNode,
    ['1:29 unknown-value rules[0].same → did you mean "zone"?'],
  ],
  [
    'rules: [{mode: auto, force: true, family: 5}]\n' + oneNode,
    [
      '1:29 (warning) unused-key rules[0].force → remove it, or name the mode to force',
      '1:43 unknown-value rules[0].family → write one of 4, 6',
    ],
  ],
  [
    'rules: [{mode: vxlan, from: defalt, to: {node: b, region: x, provider: aws, label: {role: db}, subnet: 10.0.0.1/24}}]\n' +
      oneNode,
    [
      '1:29 unknown-zone rules[0].from → did you mean "default"?',
      '1:48 unknown-node rules[0].to.node → known: a',
      '1:59 unknown-region rules[0].to.region → add "region:" to the zones meant',
      '1:72 (warning) unused-value rules[0].to.provider → add "provider:" to the zones meant, or leave it for zones to come',
      '1:91 (warning) unused-value rules[0].to.label.role → add it to the nodes meant',
      '1:104 host-bits rules[0].to.subnet → write 10.0.0.0/24, the network that holds 10.0.0.1',
    ],
  ],
  [
    'rules: [{mode: vxlan, from: default, between: [default, default]}]\n' + oneNode,
    [
      '1:38 conflicting-keys rules[0].between → keep "between" for both directions, "from" and "to" for one',
    ],
  ],
  [
    'rules: [{mode: vxlan, name: x},{mode: auto, name: x}]\n' + oneNode,
    [
      '1:32 rule-shadowed rules[1] → move it up, narrow the earlier one, or remove it',
      '1:51 duplicate-name rules[1].name → rename one of them, so that explanations can tell them apart',
    ],
  ],
  [
    'rules: [{mode: vxlan, family: 4},{mode: auto, family: 6},{mode: deny, from: default}]\n' +
      oneNode,
    ['1:58 rule-shadowed rules[2] → move it up, narrow the earlier one, or remove it'],
  ],
  [
    'rules: [{mode: vxlan, from: {zone: default, provider: onprem-bgp}}]\n' + oneNode,
    [
      '1:55 (warning) unused-value rules[0].from.provider → add "provider:" to the zones meant, or leave it for zones to come',
    ],
  ],
  [
    'rules: {mode: vxlan}\n' + oneNode,
    ['1:8 wrong-type rules → write every entry as a list item: "- mode: …"'],
  ],
  ['rules: vxlan\n' + oneNode, ['1:8 wrong-type rules → write a list']],
  [
    'nodes:\n- name: a\n  address: 10.0.0.1\n overlay: 10.64.0.0/24\n',
    ['4:1 yaml-syntax → indent it like the keys of the item it belongs to, or begin it with "- "'],
  ],
  ['nodes:\n\t- name: a\n', ['2:1 tab-indent → indent with spaces']],
  [
    'a: 1\n---\n' + oneNode,
    [
      '2:1 several-documents → keep one: remove the line "---" and what belongs to the other document',
    ],
  ],
  [
    oneNode + 'nodes: []\n',
    [
      '3:1 duplicate-key nodes → keep one of them',
      '3:8 empty-value nodes → list at least one: name, address, overlay',
    ],
  ],
  ['nodes: *x\n', ['1:8 unknown-alias → write "&x" at the value meant, or quote the text']],
  ['x: &x [*x]\n' + oneNode, ['1:8 circular-alias → write the value out']],
  [
    'nodes: !foo []\n',
    [
      '1:8 unknown-tag → remove the tag, or quote the value if it is meant to begin with "!"',
      '1:13 empty-value nodes → list at least one: name, address, overlay',
    ],
  ],
  ['name:a\n' + oneNode, ['1:1 yaml-syntax → write "name: a"']],
  ['nodes:\n  - {name: a\n', ['2:12 yaml-syntax → close it with }']],
  ['nodes: [\n', ['1:8 yaml-syntax → close it with ]']],
  ['a: "b\n' + oneNode, ['3:60 yaml-syntax → close it with "']],
  ['cluster: %x\n' + oneNode, ['1:10 yaml-syntax → put the value in quotes']],
  ['cluster: @x\n' + oneNode, ['1:10 yaml-syntax → put the value in quotes']],
  [
    'cluster: a: b\n' + oneNode,
    ['1:10 yaml-syntax → put the second key on a line of its own, or quote the value'],
  ],
  [
    '? [x]\n: 1\n' + oneNode,
    ['1:1 bad-key → write keys as plain words; quote what contains brackets, ":" or "?"'],
  ],
  [
    'cluster: "\\q"\n' + oneNode,
    ['1:11 yaml-syntax → use single quotes, or write the backslash twice'],
  ],
  [
    oneNode + '  - { name: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\n',
    ['3:13 duplicate-name nodes[1].name → rename one of them, or remove the copy'],
  ],
  [
    oneNode + '  - { name: b, address: 10.0.0.1/24, overlay: 10.64.1.0/25 }\n',
    [
      '3:25 duplicate-address nodes[1].address → each node has addresses of its own: correct one of them',
      '3:47 overlay-overlap nodes[1].overlay → give each node prefixes of its own',
    ],
  ],
  [
    'nodes:\n  - <<: &d { address: 10.0.0.1, overlay: 10.64.1.0/24, mtu: 12 }\n    name: a\n  - <<: *d\n    name: b\n',
    [
      '2:23 duplicate-address nodes[1].address → each node has addresses of its own: correct one of them',
      '2:42 overlay-overlap nodes[1].overlay → give each node prefixes of its own',
      '2:61 out-of-range nodes[0].mtu → write a number from 576 to 65535',
    ],
  ],
  [
    'x: &a [1,1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nz: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nw: &d [*c,*c,*c,*c,*c,*c,*c]\nv: &e [*d,*d,*d,*d,*d,*d,*d]\nu: &f [*e,*e,*e,*e,*e,*e]\nt: [*f,*f,*f,*f,*f]\n' +
      oneNode,
    ['1:1 alias-bomb → write repeated parts out, or fewer aliases of aliases'],
  ],
  ['\ufeffnodes:\r\n  - { name: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\r\n', []],
  [
    'nodes:\n  - name: a\n    address: fd00::1/64\n    overlay: 10.64.1.0/24\n    mtu: 1300\n  - name: b\n    address: fd00::2/64\n    overlay: fd64::/64\n    mtu: 1000\n',
    [
      '5:10 (warning) mtu-tight nodes[0].mtu → IPv6 will pass here without vxlan only; 1330 bytes would do',
      '9:10 mtu-too-small nodes[1].mtu → write at least 1280, better 1330 or more',
    ],
  ],
  [
    'rules: [{name: r, mode: ipip}]\nzones: [{name: z, provider: azure},{name: y, provider: aws}]\nnodes:\n  - { name: a, zone: z, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\n  - { name: b, zone: y, address: 10.0.1.1/24, overlay: 10.64.2.0/24 }\n',
    [
      '1:25 rule-infeasible rules[0].mode → use mode: auto, narrow the rule, or add "force: true" if you know better',
    ],
  ],
  [
    'rules: [{name: r, mode: native}]\nzones: [{name: y, provider: aws}]\n' +
      oneNode +
      '  - { name: b, address: 10.0.0.2/24, overlay: 10.64.2.0/24 }\n',
    [
      '1:25 rule-infeasible rules[0].mode → add "sourceDestinationCheck: disabled" to zone y once that is so, or use mode: auto',
    ],
  ],
];
