/** Which ranges of the pools the nodes of a zone get their blocks from. */
import type { Family } from '../../encap/address.js';
import type { BlockRange } from '../config/read-blocks.js';

/**
 * Of one family: those that name the zone, else those that name none. A zone with ranges of its own
 * never gets blocks of the common ones, as its few wide prefixes would no longer lead to all of it.
 */
export function rangesOf(
  ranges: readonly BlockRange[],
  want: { readonly zone: string; readonly family: Family },
): readonly BlockRange[] {
  const family = ranges.filter(({ within }) => within.family === want.family);
  const own = family.filter(({ zones }) => zones?.includes(want.zone) === true);
  return own.length > 0 ? own : family.filter(({ zones }) => zones === undefined);
}

/** The families of which a zone's nodes get blocks; none: nobody can join there. */
export function familiesOf(ranges: readonly BlockRange[], zone: string): readonly Family[] {
  return ([4, 6] as const).filter((family) => rangesOf(ranges, { zone, family }).length > 0);
}
