/**
 * What the underlay has told about its paths: the largest outer packet that reaches a peer, learned
 * from ICMP frag-needed and forgotten after ten minutes, so that a path that has recovered is used
 * in full again (RFC 1191 section 6.3).
 *
 * RFC 1191 lets a path shrink to 68 bytes. Nothing here goes below 576, the packet that every IPv4
 * host must accept (RFC 791 section 3.1): no underlay of today is smaller, and a forged ICMP message
 * with a tiny MTU, which cannot be told from a true one, would otherwise cost a peer nearly all its
 * throughput.
 */
export const minimumPathMtu = 576;
export const pathMtuLifetimeMs = 10 * 60 * 1000;

/** RFC 1191 section 7.1, from 1492 down to the floor; larger ones added for jumbo underlays. */
const plateaus = [65535, 32000, 17914, 9000, 8166, 4352, 2002, 1492, 1006, minimumPathMtu] as const;

/**
 * The estimate when a router (RFC 792, before RFC 1191) or the local kernel says only that a packet
 * was too big: the largest plateau below it.
 */
export function plateauBelow(packetBytes: number): number {
  return plateaus.find((plateau) => plateau < packetBytes) ?? minimumPathMtu;
}

export class PathMtus {
  readonly #learned = new Map<number, { readonly mtu: number; readonly expiresMs: number }>();

  /** Lowers the path's MTU; a larger value than the one in force is no news. True when lowered. */
  lower(remote: number, learned: { readonly mtu: number; readonly nowMs: number }): boolean {
    const mtu = Math.max(learned.mtu, minimumPathMtu);
    const before = this.get(remote, learned.nowMs);
    if (before !== undefined && before < mtu) return false;
    this.#learned.set(remote, { mtu, expiresMs: learned.nowMs + pathMtuLifetimeMs });
    return before === undefined || mtu < before;
  }

  /** Largest outer packet in bytes, where the underlay has said anything. */
  get(remote: number, nowMs: number): number | undefined {
    const entry = this.#learned.get(remote);
    if (entry === undefined) return undefined;
    if (nowMs < entry.expiresMs) return entry.mtu;
    this.#learned.delete(remote);
    return undefined;
  }

  /** Forgets paths to addresses that are no peer's any more. */
  keepOnly(remotes: ReadonlySet<number>): void {
    for (const remote of this.#learned.keys())
      if (!remotes.has(remote)) this.#learned.delete(remote);
  }

  entries(nowMs: number): readonly { readonly remote: number; readonly mtu: number }[] {
    return [...this.#learned.keys()].flatMap((remote) => {
      const mtu = this.get(remote, nowMs);
      return mtu === undefined ? [] : [{ remote, mtu }];
    });
  }
}
