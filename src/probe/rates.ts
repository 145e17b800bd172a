/** How much is done for whom: a bucket for each peer, one for all of them together. */
import { TokenBucket } from '../../tunnel/userspace/token-bucket.js';
import { probeLimits } from './limits.js';

export class Rates {
  readonly #unverified = new TokenBucket(probeLimits.unverified);
  readonly #total = new TokenBucket(probeLimits.total);
  readonly #peers = new Map<string, TokenBucket>();

  /** Before a tag is computed. */
  mayVerify(nowMs: number): boolean {
    return this.#unverified.take(nowMs);
  }

  /** For a genuine question. */
  mayAnswer(peer: string, nowMs: number): boolean {
    const bucket = this.#peers.get(peer) ?? new TokenBucket(probeLimits.perPeer);
    // Moved to the end, so that the first is the one not heard of for longest.
    this.#peers.delete(peer);
    this.#peers.set(peer, bucket);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > probeLimits.rates) this.#peers.delete(oldest!);
    return bucket.take(nowMs) && this.#total.take(nowMs);
  }
}
