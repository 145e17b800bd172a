/**
 * The shape of a cluster file, version 1: the one source of the validation and of the published
 * JSON Schema. What a shape cannot say (addresses, names that must exist) is checked afterwards.
 *
 * Objects are strict, as a mistyped key that is silently ignored is the worst of answers. None has
 * a refinement: the reader also uses their partial forms, to go on behind a mistake.
 */
import * as z from 'zod';
import { providers, relationSubjects } from '../../encap/cluster.js';
import { modes, ruleResults } from '../../encap/mode.js';
import { defaultCloud } from '../../encap/observed.js';
import { defaultProbes } from '../../encap/probe/settings.js';
import {
  acceptsKeys,
  cloudRefreshRange,
  defaultClusterName,
  defaultLeaseSeconds,
  defaultStaleGraceSeconds,
  leaseSecondsRange,
  maxTextLength,
  mtuRange,
  portRange,
  probeRateRange,
  routeLimitRange,
  staleGraceRange,
} from './limits.js';
import { overlaySchema } from './overlay-schema.js';
import { name, oneOrMany, prefix, text } from './schema-parts.js';

const mtu = z
  .int()
  .min(mtuRange.min)
  .max(mtuRange.max)
  .describe('Largest IP packet of the underlay, in bytes (at least 1280 where IPv6 is carried).');
const provider = z.enum(providers).describe('Whose network it is; decides what passes there.');

const onOff = z.enum(['enabled', 'disabled']);
const verdict = z.enum(['allowed', 'blocked']);

const switches = {
  sourceDestinationCheck: onOff
    .describe(
      "Does the underlay drop packets that are not from or to the NIC's own address? " +
        '(AWS source/destination check, OCI skipSourceDestCheck, OpenStack port security)',
    )
    .optional(),
  ipForwarding: onOff.describe('GCE canIpForward, Azure enableIPForwarding.').optional(),
  fabricRoutes: z
    .enum(['present', 'absent'])
    .describe('Do the routers of the underlay know the overlay prefixes?')
    .optional(),
  firewall: z
    .strictObject({
      ipip: verdict.describe('IP protocol 4.').optional(),
      ipv6InIpv4: verdict.describe('IP protocol 41: IPv6 in IPv4.').optional(),
      vxlan: verdict.describe('UDP to the VXLAN port.').optional(),
      native: verdict.describe('Bare packets with overlay source addresses.').optional(),
    })
    .describe('What the security group or firewall admits from the other nodes.')
    .optional(),
};

const subnet = z.union(
  [
    prefix,
    z.strictObject({
      prefix,
      segment: name.describe('The L2 domain of this subnet.').optional(),
    }),
  ],
  { error: 'a prefix, or a mapping with "prefix" and "segment"' },
);

export const zoneSchema = z.strictObject({
  name,
  provider: provider.describe('Whose network it is; onprem when absent.').optional(),
  region: name.describe('For rules about regions.').optional(),
  subnets: z
    .union([subnet, z.array(subnet).min(1)], { error: 'a prefix or a list of prefixes' })
    .describe('Underlay subnets; a node without "zone" belongs to the zone that holds its address.')
    .optional(),
  segment: name
    .describe('L2 domain of all subnets that do not name their own; zones may share one.')
    .optional(),
  mtu: mtu.optional(),
  ...switches,
});

const linkEnd = z.union(
  [
    name.describe('A zone.'),
    z.strictObject({ zone: name.optional(), provider: provider.optional() }),
  ],
  { error: 'the name of a zone, or { provider: … }' },
);

export const linkSchema = z.strictObject({
  between: z.array(linkEnd).length(2).describe('Two ends, each a zone or all zones of a provider.'),
  mtu: mtu.describe('Largest IP packet that crosses the link, in bytes.').optional(),
  modes: z
    .array(z.enum(modes))
    .min(1)
    .describe('The modes that the link carries; absent: what the providers let through.')
    .optional(),
  allowPublic: z
    .boolean()
    .describe('May tunnel packets travel between public addresses, unencrypted? Default false.')
    .optional(),
  note: text.describe('For explanations.').optional(),
});

export const selectorSchema = z.strictObject({
  zone: oneOrMany(name, 'a zone or a list of zones').optional(),
  region: oneOrMany(name, 'a region or a list of regions').optional(),
  provider: oneOrMany(provider, 'a provider or a list of providers').optional(),
  subnet: oneOrMany(prefix, 'a prefix or a list of prefixes')
    .describe('Underlay prefixes that hold the address of the node.')
    .optional(),
  label: z
    .record(z.string(), oneOrMany(z.string().max(maxTextLength), 'text or a list of texts'))
    .describe('Labels that the node has, each with one of these values.')
    .optional(),
  node: oneOrMany(name, 'a node or a list of nodes').optional(),
});

const side = z
  .union([name.describe('A zone.'), selectorSchema], {
    error: 'the name of a zone, or a mapping such as { provider: aws }',
  })
  .describe('Which nodes; every key given must hold, any value of a list may.');

const relations = oneOrMany(
  z.enum(relationSubjects),
  `one or several of ${relationSubjects.join(', ')}`,
);

export const ruleSchema = z.strictObject({
  name: text.describe('For explanations; default "rule-N" by its position.').optional(),
  from: side.optional(),
  to: side.optional(),
  between: z.array(side).length(2).describe('Two sides, either way round.').optional(),
  same: relations.describe('What the two nodes must have in common.').optional(),
  different: relations.describe('What the two nodes must not have in common.').optional(),
  family: z.literal([4, 6]).describe('Only this IP family of the overlay.').optional(),
  mode: z.enum(ruleResults).describe('auto: the cheapest mode that passes; deny: no path.'),
  force: z
    .boolean()
    .describe('Use the mode although the underlay is known not to carry it. Default false.')
    .optional(),
  reason: text.describe('For explanations.').optional(),
});

export const nodeSchema = z.strictObject({
  name,
  zone: name.describe('Default: the zone one of whose subnets holds the address.').optional(),
  address: text
    .describe("Underlay address, e.g. 192.168.10.11/24; without /mask that of the zone's subnet.")
    .optional(),
  addresses: z
    .array(text)
    .min(1)
    .describe('Instead of "address": one underlay address for each family.')
    .optional(),
  publicAddress: oneOrMany(text, 'an address or a list of addresses')
    .describe('Used only across links with "allowPublic: true".')
    .optional(),
  overlay: oneOrMany(prefix, 'a prefix or a list of prefixes').describe(
    'Prefixes of workload addresses that the node owns; the first address of the first one of ' +
      "each family is the node's own tunnel address.",
  ),
  labels: z
    .record(z.string(), z.string().max(maxTextLength))
    .describe('For rules; values are text.')
    .optional(),
  mtu: mtu.describe('MTU of the NIC in bytes; default that of the zone.').optional(),
  accepts: z
    .partialRecord(z.enum(acceptsKeys), z.enum(['kernel', 'ebpf', 'userspace', 'none']))
    .describe(
      'What receives tunnel packets here, by mode or "mode/outer family/inner family"; ' +
        'kernel when absent.',
    )
    .optional(),
  masquerade: z
    .boolean()
    .describe("All of the node's overlay prefixes, or none; default: as the overlay says.")
    .optional(),
  ...switches,
});

const probePolicy = z.enum(['off', 'observe', 'drive']);

export const probesSchema = z
  .union(
    [
      probePolicy,
      z.strictObject({
        mode: probePolicy.optional(),
        port: z
          .int()
          .min(portRange.min)
          .max(portRange.max)
          .describe(`UDP port on which agents answer each other; default ${defaultProbes.port}.`)
          .optional(),
        packetsPerSecond: z
          .int()
          .min(probeRateRange.min)
          .max(probeRateRange.max)
          .describe(
            `What one agent sends at most; more makes the rounds shorter; default ${defaultProbes.packetsPerSecond}.`,
          )
          .optional(),
      }),
    ],
    { error: 'off, observe, drive, or a mapping with "mode", "port" and "packetsPerSecond"' },
  )
  .describe(
    'Do agents probe the paths to each other, and may it change anything? observe (the default): ' +
      'they say what they find; drive: where a rule says auto, a way that loses everything gives ' +
      'place to the next best, and a smaller path MTU limits the route; off: they send nothing.',
  );

export const cloudSchema = z
  .strictObject({
    manage: z
      .boolean()
      .describe(
        "Do agents change what native routing needs of their own node's attachment (AWS source/" +
          'destination check, routes, IP forwarding)? Default false: they read and report.',
      )
      .optional(),
    refreshSeconds: z
      .number()
      .min(cloudRefreshRange.min)
      .max(cloudRefreshRange.max)
      .describe(
        `Seconds between two readings of the provider's API; default ${defaultCloud.refreshMs / 1000}.`,
      )
      .optional(),
    routeLimit: z
      .int()
      .min(routeLimitRange.min)
      .max(routeLimitRange.max)
      .describe(
        'Routes of ours that one route table of a cloud may hold; nodes beyond it stay ' +
          `encapsulated. Default ${defaultCloud.routeLimit}.`,
      )
      .optional(),
  })
  .describe(
    "Do agents ask their providers' APIs? Absent: no. What they read fills the switches that this " +
      'file leaves out; where the file says something, the file wins.',
  );

export const fleetSchema = z
  .strictObject({
    leaseSeconds: z
      .int()
      .min(leaseSecondsRange.min)
      .max(leaseSecondsRange.max)
      .describe(
        `Seconds without a word after which an agent counts as gone; default ${defaultLeaseSeconds}.`,
      )
      .optional(),
    staleGraceSeconds: z
      .int()
      .min(staleGraceRange.min)
      .max(staleGraceRange.max)
      .describe(
        'Seconds for which the paths to a node stay as they are after its agent is gone; its ' +
          `prefixes are unreachable from then on. Default ${defaultStaleGraceSeconds}.`,
      )
      .optional(),
  })
  .describe('Nodes that register themselves in a store; a cluster without a store has none.');

const fileKeys = {
  version: z.literal(1).describe('Version of this format; default 1.').optional(),
  cluster: name.describe(`Name of the cluster; default "${defaultClusterName}".`).optional(),
  overlay: overlaySchema.optional(),
  probes: probesSchema.optional(),
  cloud: cloudSchema.optional(),
  fleet: fleetSchema.optional(),
};

/** The whole file, for the published schema. */
export const clusterFileSchema = z
  .strictObject({
    ...fileKeys,
    zones: z.array(zoneSchema).describe('Sets of nodes with one provider.').optional(),
    links: z.array(linkSchema).describe('What is known of the paths between zones.').optional(),
    rules: z.array(ruleSchema).describe('In order: the first that matches decides.').optional(),
    nodes: z.array(nodeSchema).min(1).describe('The members of the cluster.'),
  })
  .describe('A Selvage cluster: zones, links, rules and nodes.');

/** The file with its lists unread: each entry is read by itself, so that one cannot spoil others. */
export const fileSchema = z.strictObject({
  ...fileKeys,
  zones: z.array(z.unknown()).optional(),
  links: z.array(z.unknown()).optional(),
  rules: z.array(z.unknown()).optional(),
  nodes: z.array(z.unknown()).min(1),
});

/** Of a fleet, whose nodes register themselves in the store. */
export const registeringFileSchema = fileSchema.extend({ nodes: z.array(z.unknown()).optional() });

export type ZoneEntry = z.infer<typeof zoneSchema>;
export type LinkEntry = z.infer<typeof linkSchema>;
export type RuleEntry = z.infer<typeof ruleSchema>;
export type NodeEntry = z.infer<typeof nodeSchema>;
export type SelectorEntry = z.infer<typeof selectorSchema>;
export type CloudEntry = z.infer<typeof cloudSchema>;
export type FleetEntry = z.infer<typeof fleetSchema>;
export type ProbesEntry = z.infer<typeof probesSchema>;
