/**
 * What an underlay is believed to do, and why. A fact is data: the decision evaluates it, the
 * explanation prints it, and a test may swap it for another.
 */
import type { Provider, Switches } from '../cluster.js';

/** P: read in a primary source. S: a secondary one. G: general knowledge, so the safe side is taken. */
export type Mark = 'P' | 'S' | 'G';

export interface Fact {
  readonly text: string;
  readonly mark: Mark;
  readonly source: string;
}

/** A switch that must be confirmed for the fact to hold. */
export type Need =
  | { readonly switch: 'sourceDestinationCheck'; readonly value: 'disabled' }
  | { readonly switch: 'ipForwarding'; readonly value: 'enabled' }
  | { readonly switch: 'fabricRoutes'; readonly value: 'present' };

export type FirewallClass = keyof NonNullable<Switches['firewall']>;

/**
 * `allowed`: passes once every need is confirmed. `unconfirmed`: taken as blocked until the
 * operator (firewall switch or link) says that it passes. `forbidden`: nothing an operator can
 * confirm makes it pass.
 */
export interface Passage {
  readonly verdict: 'allowed' | 'unconfirmed' | 'forbidden';
  readonly fact: Fact;
  readonly needs: readonly Need[];
  /** Passes only between nodes of one subnet. */
  readonly sameSubnetOnly?: boolean;
}

export interface UnderlayFacts {
  readonly provider: Provider;
  /** `none`: pure L3, never adjacent. `declared`: only where the file declares a segment. */
  readonly layer2: {
    readonly domain: 'subnet' | 'declared' | 'none';
    readonly fact: Fact;
  };
  /** Bare overlay packets between neighbours of one segment. */
  readonly nativeAdjacent: Passage;
  /** Bare overlay packets through the fabric's routers. */
  readonly nativeRouted: Passage;
  /** IP protocol 4 in IPv4. */
  readonly ipip: Passage;
  /** IP protocol 41 in IPv4. */
  readonly ipv6InIpv4: Passage;
  /** UDP to the VXLAN port. */
  readonly vxlan: Passage;
  /** Largest IP packet in bytes between two nodes of a zone. */
  readonly mtu: { readonly bytes: number; readonly fact: Fact };
  /** Largest between two regions of the provider; undefined: as within one. */
  readonly interRegionMtu?: { readonly bytes: number; readonly fact: Fact };
  /** Largest to another provider when no link is declared: the provider's VPN. */
  readonly externalMtu: { readonly bytes: number; readonly fact: Fact };
}

export function fact(mark: Mark, source: string, text: string): Fact {
  return Object.freeze({ text, mark, source });
}

export function allowed(because: Fact, ...needs: Need[]): Passage {
  return Object.freeze({ verdict: 'allowed', fact: because, needs });
}

export function unconfirmed(because: Fact, ...needs: Need[]): Passage {
  return Object.freeze({ verdict: 'unconfirmed', fact: because, needs });
}

export function forbidden(because: Fact): Passage {
  return Object.freeze({ verdict: 'forbidden', fact: because, needs: [] });
}

export const checkOff: Need = { switch: 'sourceDestinationCheck', value: 'disabled' };
export const forwardingOn: Need = { switch: 'ipForwarding', value: 'enabled' };
export const routesPresent: Need = { switch: 'fabricRoutes', value: 'present' };

/** Protocol 41 is unlisted for every provider: not allowed until somebody confirms it. */
export const protocol41Unknown: Passage = unconfirmed(
  fact('G', 'no provider documents it', 'IP protocol 41 is not known to pass'),
);
/** The smallest MTU among the common cloud VPNs, for paths that nobody described. */
export const unknownVpnMtu = {
  bytes: 1400,
  fact: fact('G', 'smallest of the common cloud VPNs', 'an undescribed VPN carries 1400 bytes'),
} as const;
