/**
 * Two places for a device of one kind, so that the next one can stand beside the present one. Which
 * is which follows from what the kernel has: a device is never moved between slots.
 */
export const slots = ['a', 'b'] as const;
export type Slot = (typeof slots)[number];

/** What stands in a slot at present, by whatever tells devices of the kind apart. */
export interface Occupied {
  readonly slot: Slot;
  readonly key: string;
}

/**
 * A slot for each key, the most important first; keys beyond the second get none. A key that stands
 * somewhere stays there; others take an empty slot, or one whose device nobody asks for any more.
 */
export function assignSlots(
  keys: readonly string[],
  occupied: readonly Occupied[],
): ReadonlyMap<string, Slot> {
  const wanted = keys.slice(0, slots.length);
  const assigned = new Map<string, Slot>();
  const taken = new Set<Slot>();
  const assign = (key: string, slot: Slot): void => {
    assigned.set(key, slot);
    taken.add(slot);
  };
  for (const { slot, key } of occupied)
    if (wanted.includes(key) && !assigned.has(key) && !taken.has(slot)) assign(key, slot);
  const holders = new Set(occupied.map(({ slot }) => slot));
  for (const key of wanted) {
    if (assigned.has(key)) continue;
    const free = slots.filter((slot) => !taken.has(slot));
    assign(key, free.find((slot) => !holders.has(slot)) ?? free[0]!);
  }
  return assigned;
}
