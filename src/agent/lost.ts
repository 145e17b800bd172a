/** Peers that stopped answering, as data and as words. */
export interface LostPeer {
  readonly node: string;
  /** What does not answer any more, e.g. `overlay IPv4`. */
  readonly paths: readonly string[];
}

/** `b (overlay IPv4, underlay IPv4), c (overlay IPv6)` */
export function formatLost(lost: readonly LostPeer[]): string {
  return lost.map(({ node, paths }) => `${node} (${paths.join(', ')})`).join(', ');
}
