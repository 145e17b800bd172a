/** Nonces of questions that were answered, for as long as their time of sending lets them come again. */
export class NonceMemory {
  readonly #keptMs: number;
  readonly #max: number;
  /** In the order of arrival, which is the order in which they expire. */
  readonly #expiry = new Map<string, number>();

  constructor(options: { readonly keptMs: number; readonly max: number }) {
    this.#keptMs = options.keptMs;
    this.#max = options.max;
  }

  /** True the first time; false for one seen before, and when no more can be remembered. */
  isNew(nonce: Uint8Array, nowMs: number): boolean {
    for (const [key, expiresMs] of this.#expiry) {
      if (expiresMs > nowMs) break;
      this.#expiry.delete(key);
    }
    const key = Buffer.from(nonce).toString('latin1');
    if (this.#expiry.has(key) || this.#expiry.size >= this.#max) return false;
    this.#expiry.set(key, nowMs + this.#keptMs);
    return true;
  }
}
