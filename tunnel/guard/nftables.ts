/**
 * The guard on nftables: one table of our own, changed by one `nft` transaction at a time.
 *
 * What the kernel holds is read once, then remembered, so that a peer that comes or goes costs a
 * few elements and not a listing of ten thousand. `verify` reads again if anybody has written since,
 * and what it found is what the next `apply` repairs; when a transaction fails the memory is dropped, and it is read once more.
 */
import { type Prefix, parsePrefix } from '../../encap/prefix.js';
import { rulesetGeneration, tableCounters } from './nft-query.js';
import { watchGuardTable } from './nft-watch.js';
import { type ToolRun, firstLines, requireTool, runTool } from './command.js';
import { type GuardFacts, guardFacts, prefixFrom, withNativeTo } from './facts.js';
import type { Guard, GuardApplyOptions, GuardSpec, GuardStep } from './guard.js';
import { guardTable, noMasquerade } from './names.js';
import { exchangeElements, exchangedElementsMax, setExchanges } from './nft-elements.js';
import { type NftListing, editedRule, parseListing } from './nft-listing.js';
import { type NftProgram, markOf, nftProgram, otherName, nativeToSet } from './nft-program.js';
import { programAsNamed, programToApply } from './nft-renewal.js';
import { sealOf } from './nft-seal.js';
import { differences, listingOf, newSets, transaction } from './nft-transaction.js';

export interface PacketFilterOptions {
  /** Name or path of the network namespace to guard; undefined: the process's own. */
  readonly netns?: string;
  /** Told in one line what this kernel cannot do and the guard does without. */
  readonly log?: (line: string) => void;
}

/** Empty spec: for trying out whether the kernel takes the rules at all. */
const emptySpec: GuardSpec = {
  vxlan: [{ vni: 1, port: 4789 }],
  localAddresses: [],
  peers: [],
  nics: ['lo'],
  tunnelDevices: ['lo'],
  pools: [],
  ownPrefixes: [],
  nodeAddresses: [],
  blockMetadata: true,
  nativeDestinations: [],
};

/** The empty spec with a rule that translates. */
const masqueradingSpec: GuardSpec = {
  ...emptySpec,
  masquerade: { sources: [parsePrefix('192.0.2.0/24'), parsePrefix('2001:db8::/32')], exclude: [] },
};

export class NftablesGuard implements Guard {
  readonly backend = 'nftables';
  readonly #netns: string | undefined;
  /** What the kernel holds as far as we know; undefined: not known. */
  #known: Known | undefined;
  /** Found to be in the kernel when the ruleset had this generation. */
  #verified: { readonly spec: GuardSpec; readonly generation: number } | undefined;
  /** What the last look wanted and did not find: the repair that follows needs the same. */
  #draft: Draft | undefined;
  /** Generations of the ruleset that we have made. */
  readonly #own = new Set<number>();
  #listener: (() => void) | undefined;
  /** Bodies of our rules as we wrote them, by comment: an edit that keeps the comment shows. */
  readonly #bodies = new Map<string, string>();
  readonly #log: (line: string) => void;
  /** Has this kernel rules that translate? Undefined: not tried yet. */
  #masquerades: boolean | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PacketFilterOptions = {}) {
    this.#netns = options.netns;
    this.#log = options.log ?? (() => undefined);
  }

  /** Throws when this kernel or this `nft` cannot hold the guard's rules; changes nothing. */
  async probe(): Promise<void> {
    await requireTool('check whether nftables can hold the guard', this.#check(emptySpec));
  }

  apply(spec: GuardSpec, { keepNative = false }: GuardApplyOptions = {}): Promise<void> {
    let isInForce = false;
    return new Promise((resolve, reject) => {
      const inForce = (): void => {
        isInForce = true;
        resolve();
      };
      const turn = this.#inTurn(async () => {
        const remembered = this.#known !== undefined;
        try {
          await this.#bring(spec, { keepNative, inForce });
        } catch (error) {
          // What was remembered is not what is there: somebody was faster than his announcement.
          if (!remembered) throw error;
          await this.#bring(spec, { keepNative, inForce });
        }
      });
      turn.then(resolve, (error: unknown) => {
        // The rules guard, but there is no seal: the next look has to see to it.
        if (isInForce) this.#listener?.();
        else reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  watch(listener: () => void): { close(): void } {
    const isKnown = (generation: number): boolean => this.#own.has(generation);
    this.#listener = listener;
    const onLost = (): void => void this.#afterLoss(listener);
    return watchGuardTable({ netns: this.#netns, listener, isKnown, onLost });
  }

  verify(spec: GuardSpec): Promise<{ ok: boolean; difference: string | undefined }> {
    return this.#inTurn(() => this.#look(spec));
  }

  step({ from, to, delta }: GuardStep): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#verified?.spec !== from && !(await this.#look(from)).ok) return false;
      const listing = this.#known?.listing;
      if (this.#verified === undefined || listing === undefined) return false;
      const { generation } = this.#verified;
      const exchanges = setExchanges(delta).map(({ set, ...exchange }) => ({
        ...exchange,
        set: listing.sets.has(set) ? set : otherName(set),
      }));
      const count = exchanges.reduce((sum, { gone, come }) => sum + gone.length + come.length, 0);
      if (count > exchangedElementsMax) return false;
      if (count > 0) {
        const next = nextGeneration(generation);
        this.#expect(next);
        const done = await exchangeElements(exchanges, { netns: this.#netns, generation });
        if (!done) this.#own.delete(next);
        if (!done) return false;
        for (const { set, gone, come } of exchanges) {
          const elements = listing.sets.get(set)?.elements as Set<string>;
          for (const { text } of gone) elements.delete(text);
          for (const { text } of come) elements.add(text);
        }
        this.#verified = { spec: to, generation: next };
        this.#known = { listing, generation: next };
      } else this.#verified = { spec: to, generation };
      return true;
    });
  }

  counters(): Promise<Readonly<Record<string, number>>> {
    // Without a table nothing was dropped.
    return this.#inTurn(async () => (await tableCounters(guardTable, this.#netns)) ?? {});
  }

  remove(): Promise<void> {
    return this.#inTurn(async () => {
      this.#known = undefined;
      await requireTool('remove the guard', {
        argv: ['nft', '-f', '-'],
        netns: this.#netns,
        // `add` first: deleting what is not there would be an error.
        input: `add table inet ${guardTable}\ndelete table inet ${guardTable}\n`,
      });
      this.#known = { listing: undefined };
    });
  }

  async #look(spec: GuardSpec): Promise<{ ok: boolean; difference: string | undefined }> {
    const generation = await rulesetGeneration(this.#netns);
    const { spec: seen, generation: then } = this.#verified ?? {};
    if (generation !== undefined && seen === spec && then === generation)
      return { ok: true, difference: undefined };
    [this.#verified, this.#draft] = [undefined, undefined];
    // Where nobody has written since, what is known is what would be read.
    const isKnown = generation !== undefined && generation === this.#known?.generation;
    const listing = isKnown ? this.#known?.listing : await this.#list();
    const facts = await this.#facts(spec);
    const program = programAsNamed(facts, listing);
    const found = [...differences(program, listing)];
    const seal = this.#sealOf(program)?.seal;
    if (found.length === 0 && (listing?.seals.length !== 1 || listing.seals[0] !== seal))
      found.push('its rules are not sealed');
    this.#known = { listing, generation };
    // Numbered before the listing: what was written during it has another number.
    if (found.length === 0 && generation !== undefined) this.#verified = { spec, generation };
    else this.#draft = { spec, facts, listing, program, generation };
    return {
      ok: found.length === 0,
      difference: found.length === 0 ? undefined : found.join('; '),
    };
  }

  /** The kernel holds the spec afterwards; what was known of it is void when that fails. */
  async #bring(
    spec: GuardSpec,
    { keepNative, inForce }: { readonly keepNative: boolean; readonly inForce: () => void },
  ): Promise<void> {
    const { spec: there, generation: then } = this.#verified ?? {};
    if (there === spec && then === (await rulesetGeneration(this.#netns))) return;
    const listing = (this.#known ??= { listing: await this.#list() }).listing;
    const draft =
      this.#draft?.spec === spec && this.#draft.listing === listing ? this.#draft : undefined;
    this.#draft = undefined;
    const own = draft?.facts ?? (await this.#facts(spec));
    const facts = keepNative ? withNativeTo(own, nativeToIn(listing)) : own;
    const program = programToApply(facts, listing, {
      program: facts === draft?.facts ? draft.program : undefined,
    });
    // What one of our rules reads like may have changed under us: then none is known any more.
    if (hasEdits(listing)) this.#bodies.clear();
    const seal = this.#sealOf(program);
    const sets = newSets(program, listing);
    const input = transaction(program, { listing: sets?.listing ?? listing, ...seal });
    if (input === undefined) return;
    let generation = draft?.generation ?? this.#known.generation;
    this.#known = undefined;
    this.#verified = undefined;
    if (sets !== undefined) generation = await this.#load(sets.input, generation);
    generation = await this.#load(input, generation);
    // Nobody waits for the seal, but whatever is asked of the guard next does.
    inForce();
    if (seal === undefined) generation = await this.#learnAndSeal(program, generation);
    const loaded = listingOf(program, Object.values(this.#sealOf(program) ?? {}));
    this.#known = { listing: loaded, generation };
    // Nobody has written between the listing and the last of these: what it said and what was
    // changed since is what there is.
    if (generation !== undefined && facts === own) this.#verified = { spec, generation };
  }

  /** What was lost may all have been announcements of our own, of which a start makes thousands. */
  async #afterLoss(listener: () => void): Promise<void> {
    const isOurs = await this.#inTurn(async () => {
      const generation = await rulesetGeneration(this.#netns);
      return generation !== undefined && generation === this.#verified?.generation;
    }).catch(() => false);
    if (!isOurs) listener();
  }

  async #list(): Promise<NftListing | undefined> {
    const argv = ['nft', '-j', 'list', 'table', 'inet', guardTable];
    const { status, stdout, stderr } = await runTool({ argv, netns: this.#netns });
    if (status === 0) return this.#withEditsMarked(parseListing(stdout));
    if (stderr.includes('No such file')) return undefined;
    throw new Error(`read the guard: nft: ${firstLines(stderr)}`);
  }

  /** A rule is known by its comment; its body must also be what it was when we wrote it. */
  #withEditsMarked(listing: NftListing | undefined): NftListing | undefined {
    if (listing === undefined) return undefined;
    const sealed = listing.seals.includes(sealOf(bodiesOf(listing)));
    for (const chain of listing.chains.values()) {
      for (const [i, body] of chain.bodies.entries()) {
        const mark = chain.marks[i]!;
        const before = this.#bodies.get(mark);
        // Of an earlier agent's rules its seal speaks; what nothing speaks for is written again.
        if (before === undefined && sealed) this.#bodies.set(mark, body);
        else if (before !== body) chain.marks[i] = editedRule;
      }
    }
    return listing;
  }

  /** Rules that were never listed before are told by the kernel once, and then sealed. */
  async #learnAndSeal(program: NftProgram, from: number | undefined): Promise<number | undefined> {
    const table = await requireTool('read the guard', {
      // Without elements, of which there may be many.
      argv: ['nft', '-t', '-j', 'list', 'table', 'inet', guardTable],
      netns: this.#netns,
    });
    const listing = parseListing(table);
    if (listing !== undefined)
      for (const [mark, body] of bodiesOf(listing)) this.#bodies.set(mark, body);
    const input = transaction(program, { listing: listingOf(program), ...this.#sealOf(program) });
    return input === undefined ? from : this.#load(input, from);
  }

  /** Undefined when a rule's body is not known. */
  #sealOf(program: NftProgram): { readonly seal: string } | undefined {
    const marks = [...program.chains.values()].flatMap(({ rules }) => rules.map(markOf));
    const bodies = marks.map((mark) => [mark, this.#bodies.get(mark)] as const);
    return bodies.every((pair): pair is readonly [string, string] => pair[1] !== undefined)
      ? { seal: sealOf(bodies) }
      : undefined;
  }

  /** The spec's facts, less what this kernel has no means for. */
  async #facts(spec: GuardSpec): Promise<GuardFacts> {
    const facts = guardFacts(spec);
    if (facts.masquerade === undefined) return facts;
    if (this.#masquerades === undefined) {
      const { status, stderr } = await runTool(this.#check(masqueradingSpec));
      this.#masquerades = status === 0;
      if (!this.#masquerades) this.#log(`${noMasquerade}: nft: ${firstLines(stderr)}`);
    }
    return this.#masquerades ? facts : { ...facts, masquerade: undefined };
  }

  #check(spec: GuardSpec): ToolRun {
    return {
      argv: ['nft', '-c', '-f', '-'],
      netns: this.#netns,
      input: transaction(nftProgram(guardFacts(spec)), { listing: undefined }) ?? '',
    };
  }

  /**
   * One transaction, which is no news where nobody else's came in between. The generation that it
   * has made; undefined where `from` was not the one before it.
   */
  async #load(input: string, from?: number): Promise<number | undefined> {
    const before = await rulesetGeneration(this.#netns);
    const next = before === undefined ? undefined : nextGeneration(before);
    if (next !== undefined) this.#expect(next);
    let after: number | undefined;
    try {
      await requireTool('load the guard', { argv: ['nft', '-f', '-'], netns: this.#netns, input });
      after = await rulesetGeneration(this.#netns);
    } finally {
      if (next !== undefined && after !== next) {
        this.#own.delete(next);
        this.#listener?.();
      }
    }
    return from !== undefined && before === from && after === next ? after : undefined;
  }

  /** Before the kernel announces it. */
  #expect(generation: number): void {
    this.#own.add(generation);
    for (const old of this.#own) if (this.#own.size > 64) this.#own.delete(old);
  }

  /** Calls run one after the other, whatever came of the one before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

/** What the kernel holds, and the generation of the ruleset that holds exactly that, if it is known. */
interface Known {
  readonly listing: NftListing | undefined;
  readonly generation?: number | undefined;
}

/** A look that found something else. */
interface Draft {
  readonly spec: GuardSpec;
  readonly facts: GuardFacts;
  readonly listing: NftListing | undefined;
  readonly program: NftProgram;
  /** Of the ruleset, before it was listed. */
  readonly generation: number | undefined;
}

/** The kernel never uses 0. */
function nextGeneration(generation: number): number {
  return (generation + 1) >>> 0 || 1;
}

function hasEdits(listing: NftListing | undefined): boolean {
  return [...(listing?.chains.values() ?? [])].some(({ marks }) => marks.includes(editedRule));
}

function* bodiesOf(listing: NftListing): Iterable<readonly [string, string]> {
  for (const { marks, bodies } of listing.chains.values())
    for (const [i, body] of bodies.entries()) yield [marks[i]!, body];
}

/** What may leave natively by what the kernel holds. */
function nativeToIn(listing: NftListing | undefined): readonly Prefix[] {
  const names = ([4, 6] as const).flatMap((family) => {
    const name = `${nativeToSet}${family}`;
    return [name, otherName(name)];
  });
  return names.flatMap((name) =>
    [...(listing?.sets.get(name)?.elements ?? [])].flatMap(prefixFrom),
  );
}
