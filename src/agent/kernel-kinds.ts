/**
 * Which devices the kernel makes. Asked again from time to time, as modules come and go without a
 * word; a kernel that does not answer then is taken to be what it was.
 */
import type { Accepts } from '../../encap/cluster.js';
import type { CarriageKey } from '../../encap/mode.js';
import { planesBesides } from '../../routes/kernel-planes.js';
import type { Overlap } from '../../routes/overlap.js';
import type { Kernel, OwnLink } from '../../tunnel/kernel.js';

type Kinds = ReadonlySet<OwnLink['kind']>;

/** Each question about a missing kind lets the kernel look for its module. */
const askAgainMs = 60_000;

export class KernelKinds {
  readonly #kernel: Pick<Kernel, 'probeKinds'>;
  readonly #nowMs: () => number;
  #known: { readonly kinds: Kinds; readonly askedMs: number } | undefined;

  constructor(kernel: Pick<Kernel, 'probeKinds'>, nowMs: () => number) {
    this.#kernel = kernel;
    this.#nowMs = nowMs;
  }

  /** The same object while nothing has changed. */
  async get(): Promise<Kinds> {
    const askedMs = this.#nowMs();
    const before = this.#known;
    if (before !== undefined && askedMs - before.askedMs < askAgainMs) return before.kinds;
    const asked = this.#kernel.probeKinds();
    const found = await (before === undefined ? asked : asked.catch(() => before.kinds));
    const kinds = before !== undefined && sameKinds(before.kinds, found) ? before.kinds : found;
    this.#known = { kinds, askedMs };
    return kinds;
  }
}

/**
 * Received besides: what the kernel does now, and the others still believe that it does not. They
 * are told when it is up, and may send at once then.
 */
export function withGrown(
  overlap: Overlap,
  { kinds, told }: { readonly kinds: Kinds; readonly told: Accepts },
): Overlap {
  const lacking = planesBesides(kinds);
  const grown = (Object.keys(told) as CarriageKey[]).filter((key) => lacking[key] === undefined);
  if (grown.length === 0) return overlap;
  return { ...overlap, receives: new Set([...overlap.receives, ...grown]) };
}

function sameKinds(a: Kinds, b: Kinds): boolean {
  return a.size === b.size && [...a].every((kind) => b.has(kind));
}
