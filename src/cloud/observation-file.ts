/**
 * The last reading of a provider's API, on this node's disk: an API that does not answer when the
 * agent starts changes nothing that already forwards.
 */
import * as z from 'zod';
import type { Cluster, ObservedNode } from '../../encap/cluster.js';
import { readChecked, writeChecked } from '../agent/checked-file.js';

/** What was read of a node, and of which addresses: a name may come back as another machine. */
export interface ReadNode {
  readonly addresses: readonly string[];
  readonly observed: ObservedNode;
}

export interface SavedReading {
  readonly cluster: string;
  readonly at: Date;
  readonly nodes: ReadonlyMap<string, ReadNode>;
}

const format = 'selvage.cloud-reading/1';
const verdict = z.enum(['allowed', 'blocked']).optional();
const onOff = z.enum(['enabled', 'disabled']).optional();

const schema = z.object({
  schema: z.literal(format),
  cluster: z.string(),
  at: z.iso.datetime().transform((text) => new Date(text)),
  nodes: z.record(
    z.string(),
    z.object({
      addresses: z.array(z.string()),
      observed: z.object({
        switches: z.object({
          sourceDestinationCheck: onOff,
          ipForwarding: onOff,
          fabricRoutes: z.enum(['present', 'absent']).optional(),
        }),
        admits: z.record(
          z.string(),
          z.object({ ipip: verdict, ipv6InIpv4: verdict, vxlan: verdict, native: verdict }),
        ),
        source: z.string(),
        waits: z.object({
          sourceDestinationCheck: z.string().optional(),
          ipForwarding: z.string().optional(),
          fabricRoutes: z.string().optional(),
        }),
      }),
    }),
  ),
});

/** Undefined where there is none of this cluster, or none that can be used. */
export function readReading(path: string, cluster: Cluster): SavedReading | undefined {
  try {
    const text = readChecked(path);
    if (text === undefined) return undefined;
    const parsed = schema.safeParse(JSON.parse(text));
    if (!parsed.success || parsed.data.cluster !== cluster.name) return undefined;
    const { at, nodes } = parsed.data;
    return {
      cluster: cluster.name,
      at,
      nodes: new Map(Object.entries(nodes as Record<string, ReadNode>)),
    };
  } catch {
    // Damaged or unreadable: as if nothing had been read, which is the safe side.
    return undefined;
  }
}

export function writeReading(path: string, reading: SavedReading): void {
  const { cluster, at, nodes } = reading;
  writeChecked(
    path,
    JSON.stringify({
      schema: format,
      cluster,
      at: at.toISOString(),
      nodes: Object.fromEntries(nodes),
    }),
  );
}
