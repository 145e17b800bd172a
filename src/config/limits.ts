/**
 * Every limit of the cluster file on one screen, with its unit and where it comes from.
 */
import { modes } from '../../encap/mode.js';

/** A file larger than this is refused before it is read: 50,000 nodes need about half of it. */
export const maxFileBytes = 16 * 1024 * 1024;

/** Of one directory: each is looked at whenever one changes. A file a node, for a rack of racks. */
export const maxDirectoryFiles = 1000;

/** Values that aliases (`*anchor`) may add to those written out; beyond it is an alias bomb. */
export const maxAliasedValues = 500_000;

/** Nested lists and mappings; the deepest honest file has six levels. */
export const maxDepth = 64;

/** VXLAN network identifier: 24 bits (RFC 7348 section 5); 0 is left to mean "none". */
export const vniRange = { min: 1, max: 2 ** 24 - 1 } as const;

/** UDP port: 16 bits (RFC 768), 0 is reserved. */
export const portRange = { min: 1, max: 65_535 } as const;

/**
 * Largest IP packet of an underlay path in bytes. Every IPv4 host accepts 576 (RFC 791 section
 * 3.1), and less leaves too little behind 50 bytes of VXLAN; 65,535 is the IPv4 total length.
 */
export const mtuRange = { min: 576, max: 65_535 } as const;

/** Every IPv6 link carries at least this (RFC 8200 section 5), the overlay's as well. */
export const minIpv6Mtu = 1280;

/** Host names: RFC 1123 section 2.1 with 253 characters for a name with dots. */
export const maxNameLength = 253;
export const maxTextLength = 500;

/** Bits; what fits depends on the family and on the range. */
export const blockLengthRange = { min: 8, max: 128 } as const;

/** Seconds; 0: everything is in force at once, and what is under way may be lost. */
export const settleSecondsRange = { min: 0, max: 3600 } as const;

/** Seconds between two readings of a cloud's API. */
export const cloudRefreshRange = { min: 5, max: 3600 } as const;

/** Routes of one table; AWS allows 1000 at most. */
export const routeLimitRange = { min: 0, max: 1000 } as const;

/**
 * Seconds that an agent's registration outlives it. Less than two would fall to an election in
 * the store; with more than ten minutes nobody would notice that a node is gone.
 */
export const leaseSecondsRange = { min: 2, max: 600 } as const;

/** Seconds from stale to withdrawn; 0: at once. */
export const staleGraceRange = { min: 0, max: 7 * 24 * 3600 } as const;

/** Packets a second of one agent's own probes. */
export const probeRateRange = { min: 1, max: 10_000 } as const;

/** Bits of a node's block where nothing is said: 256 addresses, and what IPv6 hosts expect of a link. */
export const defaultBlockLength = { 4: 24, 6: 64 } as const;

/** A restart of the agent, or a short break of the network, does not make a node stale … */
export const defaultLeaseSeconds = 30;
/** … and a machine that is being repaired keeps its paths meanwhile. */
export const defaultStaleGraceSeconds = 1800;

export const defaultClusterName = 'selvage';
export const defaultVni = 4096;
/** RFC 7348 section 8. */
export const defaultVxlanPort = 4789;
/** The zone that exists when the file has none. */
export const implicitZone = 'default';

/** How many items of a long list a message names. */
export const namedItems = 3;

/** Keys of a node's `accepts` table: a mode, or `mode/outer family/inner family`. */
export const acceptsKeys: readonly string[] = modes.flatMap((mode) => [
  mode,
  ...[4, 6].flatMap((outer) =>
    [4, 6]
      .filter((inner) => mode !== 'native' || inner === outer)
      .map((inner) => `${mode}/${outer}/${inner}`),
  ),
]);
