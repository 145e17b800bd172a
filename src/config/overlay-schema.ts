/**
 * The shape of `overlay:` in a cluster file: what the overlay's addresses are, where joining nodes
 * get theirs from, and what is the same on all nodes.
 */
import * as z from 'zod';
import { defaultSettleMs } from '../../routes/changeover.js';
import {
  blockLengthRange,
  defaultBlockLength,
  defaultVni,
  defaultVxlanPort,
  portRange,
  settleSecondsRange,
  vniRange,
} from './limits.js';
import { name, oneOrMany, prefix } from './schema-parts.js';

const vxlan = z.strictObject({
  vni: z
    .int()
    .min(vniRange.min)
    .max(vniRange.max)
    .describe(`VXLAN network identifier; default ${defaultVni}.`)
    .optional(),
  port: z
    .int()
    .min(portRange.min)
    .max(portRange.max)
    .describe(`UDP port; default ${defaultVxlanPort}.`)
    .optional(),
});

const masquerade = z
  .union(
    [
      z.boolean(),
      z.strictObject({
        sources: oneOrMany(prefix, 'a prefix or a list of prefixes')
          .describe('Overlay prefixes of which this holds; default: all of private addresses.')
          .optional(),
        exclude: oneOrMany(prefix, 'a prefix or a list of prefixes')
          .describe("Destinations that see the workload's own address; the pools always do.")
          .optional(),
      }),
    ],
    { error: 'true, false, or a mapping with "sources" and "exclude"' },
  )
  .describe(
    "Do workloads reach what is outside of the overlay under their node's address? true: all of " +
      'them; false: none; default: those with private addresses, which nobody outside can answer.',
  );

const blockRange = z.strictObject({
  within: prefix.describe('A pool or a part of one.'),
  size: z
    .int()
    .min(blockLengthRange.min)
    .max(blockLengthRange.max)
    .describe(
      `Length of a block in bits; default ${defaultBlockLength[4]} for IPv4, ${defaultBlockLength[6]} for IPv6.`,
    )
    .optional(),
  zones: oneOrMany(name, 'a zone or a list of zones')
    .describe('Only for nodes of these zones; default: those that no range of the family names.')
    .optional(),
});

export const overlaySchema = z.strictObject({
  pools: oneOrMany(prefix, 'a prefix or a list of prefixes')
    .describe("What the nodes' prefixes are taken from; default: exactly the union of them.")
    .optional(),
  blocks: z
    .union([blockRange, z.array(blockRange).min(1)], {
      error: 'a mapping such as { within: 10.64.0.0/16, size: 24 }, or a list of them',
    })
    .describe(
      'Where a joining node gets its prefixes from; default: every pool that was written, for all zones.',
    )
    .optional(),
  vxlan: vxlan.optional(),
  masquerade: masquerade.optional(),
  settleSeconds: z
    .number()
    .min(settleSecondsRange.min)
    .max(settleSecondsRange.max)
    .describe(
      'At least twice the time that this file takes to reach all nodes, in seconds. After a change ' +
        'nodes accept the new at once, send it after this time, and stop accepting the old after ' +
        'twice of it. ' +
        `Default ${defaultSettleMs / 1000}.`,
    )
    .optional(),
});

export type OverlayEntry = z.infer<typeof overlaySchema>;
