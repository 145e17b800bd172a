/**
 * The soak's cluster: a small hybrid cloud as a mutable sketch that events change, and the cluster
 * file that says the same. Every zone carries what its provider lets through; IP-in-IP is kept to
 * the AWS zones and one rack node, since a process carries it on kernels without the module.
 *
 *     rack-1..3 (one switch)   aws-a-1..2, aws-b-1..2 (check off, routes present)
 *     gce-1..2 (routes present, no IP-in-IP)   azure-1..3 (VXLAN only)   aws-b-guest comes and goes
 */

export type SoakMode = 'native' | 'ipip' | 'vxlan' | 'auto';

export interface SoakNode {
  readonly name: string;
  readonly zone: string;
  readonly address: string;
  /** Unique from 1; overlay prefixes and packets carry it. */
  readonly index: number;
}

export interface Sketch {
  guestPresent: boolean;
  /** The guest left without a word: its kernel still has what it had then. */
  guestStale: boolean;
  denied: boolean;
  /** By `a b`, sorted. */
  readonly pairModes: Map<string, SoakMode>;
  readonly zoneModes: Map<string, SoakMode>;
  /** Bytes. */
  readonly linkMtus: Map<string, number>;
  readonly labels: Map<string, string>;
  vxlan: { vni: number; port: number };
}

const members: readonly (readonly [zone: string, name: string, address: string])[] = [
  ['rack', 'rack-1', '192.168.10.11/24'],
  ['rack', 'rack-2', '192.168.10.12/24'],
  ['rack', 'rack-3', '192.168.10.13/24'],
  ['aws-a', 'aws-a-1', '172.31.16.11'],
  ['aws-a', 'aws-a-2', '172.31.16.12'],
  ['aws-b', 'aws-b-1', '172.31.32.11'],
  ['aws-b', 'aws-b-2', '172.31.32.12'],
  ['gce', 'gce-1', '10.132.0.11/32'],
  ['gce', 'gce-2', '10.132.0.12/32'],
  ['azure', 'azure-1', '10.200.0.11'],
  ['azure', 'azure-2', '10.200.0.12'],
  ['azure', 'azure-3', '10.200.0.13'],
  ['aws-b', 'aws-b-guest', '172.31.32.13'],
];

export const allNodes: readonly SoakNode[] = members.map(([zone, name, address], i) => ({
  name,
  zone,
  address,
  index: i + 1,
}));
export const guest = allNodes.at(-1)!;
export const residents = allNodes.slice(0, -1);
/** The pair that is denied at times; nothing else is ever done to its rule. */
export const setAside = ['azure-3', 'rack-3'] as const;

/** Keeps its label: a rule about a label that nobody has is warned of. */
export const alwaysFast = 'azure-1';

export const zones = ['rack', 'aws-a', 'aws-b', 'gce', 'azure'] as const;
/** Pairs of zones whose link the file describes. */
export const linkedZones = zones.flatMap((a, i) =>
  zones
    .slice(i + 1)
    .filter((b) => !(a === 'aws-a' && b === 'aws-b'))
    .map((b) => pairKey(a, b)),
);
/** What the underlay really carries between zones; the file may only ever say less. */
export const realLinkMtu = 1500;
export const linkMtuChoices = [1500, 1446, 1410, 1380] as const;

/** Of changes that nodes must agree on; long enough for a busy machine. */
export const settleSeconds = 3;

export function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

export function newSketch(): Sketch {
  return {
    guestPresent: false,
    guestStale: false,
    denied: false,
    pairModes: new Map(),
    zoneModes: new Map([
      ['rack rack', 'native'],
      ['aws-a aws-b', 'ipip'],
    ]),
    linkMtus: new Map(linkedZones.map((key) => [key, realLinkMtu])),
    labels: new Map(
      residents.map((node) => [node.name, node.name === alwaysFast ? 'fast' : 'slow']),
    ),
    vxlan: { vni: 4096, port: 4789 },
  };
}

export function nodesOf(sketch: Sketch): readonly SoakNode[] {
  return sketch.guestPresent ? allNodes : residents;
}

/** What a rule may ask of a pair of zones without being refused. */
export function zoneChoices(a: string, b: string): readonly SoakMode[] {
  const aws = a.startsWith('aws') && b.startsWith('aws');
  const native = aws || (a === b && (a === 'rack' || a === 'gce'));
  return [
    ...(native ? (['native'] as const) : []),
    ...(aws ? (['ipip'] as const) : []),
    'vxlan',
    'auto',
  ];
}

/** As `zoneChoices`, for two nodes: `rack-1` is the one of its zone that takes IP-in-IP. */
export function pairChoices(a: SoakNode, b: SoakNode): readonly SoakMode[] {
  const choices = zoneChoices(a.zone, b.zone);
  const mixed = [a, b].some((node) => node.name === 'rack-1');
  const aws = [a, b].some((node) => node.zone.startsWith('aws'));
  return mixed && aws ? [...choices, 'ipip'] : choices;
}

export function overlayPrefix(node: SoakNode, family: 4 | 6): string {
  return family === 4 ? `10.64.${node.index}.0/24` : `fd64:0:0:${node.index.toString(16)}::/64`;
}

/** Everything there ever is, for building the underlay. */
export function clusterText(sketch: Sketch, everything = false): string {
  const nodes = everything ? allNodes : nodesOf(sketch);
  const lines = [
    'version: 1',
    'cluster: soak',
    'overlay:',
    '  pools: [10.64.0.0/16, "fd64::/48"]',
    `  vxlan: { vni: ${sketch.vxlan.vni}, port: ${sketch.vxlan.port} }`,
    `  settleSeconds: ${settleSeconds}`,
    'zones:',
    '  - { name: rack, provider: onprem, region: dc, subnets: [192.168.10.0/24], segment: row, firewall: { ipip: blocked } }',
    '  - { name: aws-a, provider: aws, region: eu, subnets: [172.31.16.0/20], sourceDestinationCheck: disabled, fabricRoutes: present }',
    '  - { name: aws-b, provider: aws, region: eu, subnets: [172.31.32.0/20], sourceDestinationCheck: disabled, fabricRoutes: present }',
    '  - { name: gce, provider: gce, region: eu, subnets: [10.132.0.0/20], ipForwarding: enabled, fabricRoutes: present, firewall: { ipip: blocked } }',
    '  - { name: azure, provider: azure, region: eu, subnets: [10.200.0.0/24] }',
    'links:',
    ...[...sketch.linkMtus].map(
      ([key, mtu]) => `  - { between: [${key.replace(' ', ', ')}], mtu: ${mtu} }`,
    ),
    'rules:',
  ];
  if (sketch.denied)
    lines.push(
      `  - { name: shut, between: [{ node: ${setAside[0]} }, { node: ${setAside[1]} }], mode: deny }`,
    );
  lines.push(
    '  - { name: lanes, between: [{ label: { lane: fast } }, { label: { lane: fast } }], mode: vxlan }',
  );
  for (const [key, mode] of sketch.pairModes) {
    const [a, b] = key.split(' ') as [string, string];
    // A rule that names a node which is not there would be refused.
    if (!nodes.some((node) => node.name === a) || !nodes.some((node) => node.name === b)) continue;
    lines.push(
      `  - { name: "pair ${key}", between: [{ node: ${a} }, { node: ${b} }], family: 4, mode: ${mode} }`,
    );
  }
  for (const [key, mode] of sketch.zoneModes) {
    const [a, b] = key.split(' ') as [string, string];
    lines.push(`  - { name: "zones ${key}", between: [${a}, ${b}], family: 4, mode: ${mode} }`);
  }
  lines.push('  - { name: rest, mode: auto }', 'nodes:');
  for (const node of nodes) {
    const label = sketch.labels.get(node.name) ?? 'slow';
    const firewall = node.name === 'rack-1' ? ', firewall: { ipip: allowed }' : '';
    lines.push(
      `  - { name: ${node.name}, address: ${node.address}, ` +
        `overlay: [${overlayPrefix(node, 4)}, "${overlayPrefix(node, 6)}"], ` +
        `labels: { lane: ${label} }${firewall} }`,
    );
  }
  return `${lines.join('\n')}\n`;
}
