/**
 * Deleting an element of an interval set takes the kernel time in proportion to the set: thousands
 * at once would hold up every other change of rules for seconds. So a set that loses many elements
 * is made anew under its other name (`pair44`, `pair44_`), and the old one goes as a whole when the
 * rules look into the new one. So is a set that is not of the kind we need.
 */
import type { GuardFacts } from './facts.js';
import type { NftListing } from './nft-listing.js';
import { type NftProgram, type OtherNames, nftProgram, otherName } from './nft-program.js';

/** From about here on making the set anew is the faster way. */
const manyDeletions = 500;

/** The program under the names that the kernel has the sets under now. */
export function programAsNamed(facts: GuardFacts, listing: NftListing | undefined): NftProgram {
  return nftProgram(facts, otherNamesIn(listing));
}

/** The same, with the sets that are to be made anew under fresh names; `program` is the other. */
export function programToApply(
  facts: GuardFacts,
  listing: NftListing | undefined,
  { program = programAsNamed(facts, listing) }: { readonly program?: NftProgram | undefined } = {},
): NftProgram {
  const renewed = [...program.sets]
    .filter(([name, { elements, shape }]) => {
      const listed = listing?.sets.get(name);
      if (listed !== undefined && listed.shape !== shape) return true;
      let gone = 0;
      for (const element of listed?.elements ?? []) if (!elements.has(element)) gone++;
      return gone > manyDeletions;
    })
    .map(([name]) => firstName(name));
  if (renewed.length === 0) return program;
  const names = new Set(otherNamesIn(listing));
  for (const name of renewed) if (!names.delete(name)) names.add(name);
  return nftProgram(facts, names);
}

function otherNamesIn(listing: NftListing | undefined): OtherNames {
  const names = [...(listing?.sets.keys() ?? [])];
  return new Set(
    names.map(firstName).filter((name) => {
      return listing?.sets.has(otherName(name)) === true && !listing.sets.has(name);
    }),
  );
}

function firstName(set: string): string {
  return set.endsWith('_') ? set.slice(0, -1) : set;
}
