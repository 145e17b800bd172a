/**
 * The difference between a program and what the kernel holds, and the one transaction that removes
 * it. The kernel commits a transaction as a whole: a packet is judged by the old rules or by the
 * new ones, and a refused transaction leaves the old ones.
 *
 * Base chains stay and only their rules are exchanged, since a packet between an old and a new hook
 * could pass by both; sets stay and only the elements that differ come and go. One thing is not
 * atomic: the elements of a concatenated interval set are searched a moment after the transaction's
 * rules are in force (nft_pipapo_commit runs behind the change of generation). So new sets come in
 * a transaction of their own, and the rules that look into them in the next. The table is made anew
 * only when it is dormant or one of its hooks is wrong: then it did not guard, and packets that are
 * lost to its first moment went unguarded before.
 */
import { guardTable } from './names.js';
import type { NftListing } from './nft-listing.js';
import { type NftChain, type NftProgram, type NftSet, markOf } from './nft-program.js';

const table = `inet ${guardTable}`;

/** One line for each thing that differs; empty when the kernel holds exactly the program. */
export function differences(
  program: NftProgram,
  listing: NftListing | undefined,
): readonly string[] {
  if (listing === undefined) return [`table ${table} is missing`];
  const found: string[] = [];
  if (listing.tableFlags !== '') found.push(`table ${table} has flags ${listing.tableFlags}`);
  found.push(...listing.others.map((other) => `${other} is not ours`));
  for (const name of program.counters)
    if (!listing.counters.has(name)) found.push(`counter ${name} is missing`);
  for (const [name, set] of program.sets) {
    const listed = listing.sets.get(name);
    if (listed === undefined) found.push(`set ${name} is missing`);
    else if (listed.shape !== set.shape) found.push(`set ${name} is of type ${listed.shape}`);
    else found.push(...elementDifferences(name, { want: set.elements, have: listed.elements }));
  }
  for (const [name, chain] of program.chains) {
    const listed = listing.chains.get(name);
    if (listed === undefined) found.push(`chain ${name} is missing`);
    else if (listed.hook !== hookText(chain))
      found.push(`chain ${name} is "${listed.hook}", not "${hookText(chain)}"`);
    else if (!sameRules(chain, listed.marks))
      found.push(`chain ${name}: ${ruleDifference(chain, listed.marks)}`);
  }
  for (const name of listing.sets.keys())
    if (!program.sets.has(name)) found.push(`set ${name} is not ours`);
  for (const name of listing.chains.keys())
    if (!program.chains.has(name)) found.push(`chain ${name} is not ours`);
  for (const name of listing.counters.keys())
    if (!(program.counters as readonly string[]).includes(name))
      found.push(`counter ${name} is not ours`);
  return found;
}

/**
 * Input for `nft -f -`; undefined when there is nothing to do. `seal` is the only one to be there
 * afterwards, see nft-seal.ts.
 */
export function transaction(
  program: NftProgram,
  { listing, seal }: { readonly listing: NftListing | undefined; readonly seal?: string },
): string | undefined {
  if (listing === undefined || mustRecreate(program, listing))
    return (
      create(program, listing) +
      sealLines([], seal)
        .map((line) => `${line}\n`)
        .join('')
    );
  const lines: string[] = [];
  for (const [name, { base }] of program.chains)
    if (base !== undefined && listing.chains.get(name)?.hook === hookText({ base }, 'drop'))
      lines.push(`add chain ${table} ${name} { policy accept; }`);
  for (const name of program.counters)
    if (!listing.counters.has(name)) lines.push(`add counter ${table} ${name}`);
  for (const [name, set] of program.sets) {
    const have = listing.sets.get(name)?.elements;
    if (have === undefined) lines.push(addSet(name, set));
    lines.push(...elementChanges(name, { want: set.elements, have: have ?? new Set() }));
  }
  const changed = [...program.chains].filter(([name, chain]) => {
    const listed = listing.chains.get(name);
    return listed === undefined || !sameRules(chain, listed.marks);
  });
  for (const [name, chain] of changed)
    lines.push(listing.chains.has(name) ? `flush chain ${table} ${name}` : addChain(name, chain));
  // A rule of somebody else's may jump from one foreign chain to another: empty all, then delete.
  const foreign = [...listing.chains.keys()].filter((name) => !program.chains.has(name));
  lines.push(...foreign.map((name) => `flush chain ${table} ${name}`));
  for (const [name, chain] of changed) lines.push(...addRules(name, chain));
  lines.push(...listing.others.map(deletion));
  lines.push(...foreign.map((name) => `delete chain ${table} ${name}`));
  for (const name of listing.sets.keys())
    if (!program.sets.has(name)) lines.push(`delete set ${table} ${name}`);
  for (const name of listing.counters.keys())
    if (!(program.counters as readonly string[]).includes(name))
      lines.push(`delete counter ${table} ${name}`);
  lines.push(...sealLines(listing.seals, seal));
  return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
}

/** The sets that are not there yet, to be loaded before `transaction`; nothing when all are. */
export function newSets(
  program: NftProgram,
  listing: NftListing | undefined,
): { readonly input: string; readonly listing: NftListing } | undefined {
  if (listing !== undefined && mustRecreate(program, listing)) return undefined;
  const present = listing ?? emptyTable;
  const fresh = [...program.sets].filter(([name]) => !present.sets.has(name));
  if (fresh.length === 0) return undefined;
  const lines = fresh.flatMap(([name, set]) => [
    addSet(name, set),
    ...elementChanges(name, { want: set.elements, have: new Set() }),
  ]);
  if (listing === undefined) lines.unshift(`add table ${table}`);
  return {
    input: `${lines.join('\n')}\n`,
    listing: { ...present, sets: new Map([...present.sets, ...fresh]) },
  };
}

const emptyTable: NftListing = {
  tableFlags: '',
  sets: new Map(),
  chains: new Map(),
  counters: new Map(),
  seals: [],
  others: [],
};

/** What the listing would be after the transaction: what the next difference is taken against. */
export function listingOf(program: NftProgram, seals: readonly string[] = []): NftListing {
  return {
    tableFlags: '',
    sets: program.sets,
    chains: new Map(
      [...program.chains].map(([name, chain]) => [
        name,
        { hook: hookText(chain), marks: chain.rules.map(markOf), bodies: [] },
      ]),
    ),
    counters: new Map(program.counters.map((name) => [name, { packets: 0, bytes: 0 }])),
    seals,
    others: [],
  };
}

function create(program: NftProgram, listing: NftListing | undefined): string {
  const lines = [`add table ${table}`];
  if (listing !== undefined) lines.push(`delete table ${table}`, `add table ${table}`);
  for (const name of program.counters) {
    // Drops counted so far stay counted.
    const { packets, bytes } = listing?.counters.get(name) ?? { packets: 0, bytes: 0 };
    lines.push(`add counter ${table} ${name} { packets ${packets} bytes ${bytes} }`);
  }
  for (const [name, set] of program.sets)
    lines.push(addSet(name, set), ...elementChanges(name, { want: set.elements, have: new Set() }));
  for (const [name, chain] of program.chains) lines.push(addChain(name, chain));
  for (const [name, chain] of program.chains) lines.push(...addRules(name, chain));
  return `${lines.join('\n')}\n`;
}

/** `map NAME` and the like: the kind as nft calls it, then the name. */
function deletion(other: string): string {
  const at = other.lastIndexOf(' ');
  return `delete ${other.slice(0, at)} ${table} ${other.slice(at + 1)}`;
}

/** Flushed before they go, as somebody may have put a rule into one. */
function sealLines(have: readonly string[], want: string | undefined): readonly string[] {
  return [
    ...have
      .filter((name) => name !== want)
      .flatMap((name) => [`flush chain ${table} ${name}`, `delete chain ${table} ${name}`]),
    ...(want === undefined || have.includes(want) ? [] : [`add chain ${table} ${want}`]),
  ];
}

function mustRecreate(program: NftProgram, listing: NftListing): boolean {
  if (listing.tableFlags !== '') return true;
  for (const [name, set] of program.sets) {
    const listed = listing.sets.get(name);
    if (listed !== undefined && listed.shape !== set.shape) return true;
  }
  for (const [name, chain] of program.chains) {
    const listed = listing.chains.get(name);
    if (listed === undefined || listed.hook === hookText(chain)) continue;
    if (listed.hook !== hookText(chain, 'drop')) return true;
  }
  return false;
}

function addSet(name: string, set: NftSet): string {
  return `add set ${table} ${name} { ${set.declaration} }`;
}

function addChain(name: string, { base }: NftChain): string {
  const hook =
    base === undefined
      ? ''
      : ` { type ${base.type} hook ${base.hook} priority ${base.priority}; policy accept; }`;
  return `add chain ${table} ${name}${hook}`;
}

function addRules(name: string, chain: NftChain): readonly string[] {
  return chain.rules.map((rule) => `add rule ${table} ${name} ${rule}`);
}

interface ElementSets {
  readonly want: ReadonlySet<string>;
  readonly have: ReadonlySet<string>;
}

/** Deletions first: a prefix may be replaced by one that overlaps it. */
function elementChanges(name: string, { want, have }: ElementSets): readonly string[] {
  const gone = [...have].filter((element) => !want.has(element));
  const fresh = [...want].filter((element) => !have.has(element));
  const lines: string[] = [];
  if (gone.length > 0) lines.push(`delete element ${table} ${name} { ${gone.join(', ')} }`);
  if (fresh.length > 0) lines.push(`add element ${table} ${name} { ${fresh.join(', ')} }`);
  return lines;
}

function elementDifferences(name: string, { want, have }: ElementSets): readonly string[] {
  const missing = [...want].filter((element) => !have.has(element));
  const extra = [...have].filter((element) => !want.has(element));
  const few = (items: readonly string[]): string =>
    items.length > 3
      ? `${items.slice(0, 3).join(', ')} and ${items.length - 3} more`
      : items.join(', ');
  return [
    ...(missing.length > 0 ? [`set ${name} lacks ${few(missing)}`] : []),
    ...(extra.length > 0 ? [`set ${name} has ${few(extra)} in excess`] : []),
  ];
}

function sameRules(chain: NftChain, marks: readonly string[]): boolean {
  return (
    chain.rules.length === marks.length && chain.rules.every((rule, i) => markOf(rule) === marks[i])
  );
}

function ruleDifference(chain: NftChain, marks: readonly string[]): string {
  const expected = chain.rules.map(markOf);
  const foreign = marks.filter((mark) => !expected.includes(mark)).length;
  const missing = expected.filter((mark) => !marks.includes(mark)).length;
  if (foreign === 0 && missing === 0) return 'its rules are repeated or in another order';
  return `${missing} of its rules missing, ${foreign} not ours`;
}

function hookText({ base }: Pick<NftChain, 'base'>, policy: 'accept' | 'drop' = 'accept'): string {
  return base === undefined ? '' : `${base.type} ${base.hook} ${base.priority} ${policy}`;
}
