/**
 * The guard on nftables: one table of our own, changed by one `nft` transaction at a time.
 *
 * What the kernel holds is read once, then remembered, so that a peer that comes or goes costs a
 * few elements and not a listing of ten thousand. The memory is dropped when a transaction fails or
 * `verify` sees a difference; the next `apply` then reads again and repairs.
 */
import { watchGuardTable } from './nft-watch.js';
import { requireTool, runTool } from './command.js';
import { guardFacts } from './facts.js';
import type { Guard, GuardSpec } from './guard.js';
import { guardTable } from './names.js';
import { type NftListing, editedRule, parseCounters, parseListing } from './nft-listing.js';
import { markOf, nftProgram } from './nft-program.js';
import { programAsNamed, programToApply } from './nft-renewal.js';
import { differences, listingOf, transaction } from './nft-transaction.js';

export interface PacketFilterOptions {
  /** Name or path of the network namespace to guard; undefined: the process's own. */
  readonly netns?: string;
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
};

export class NftablesGuard implements Guard {
  readonly backend = 'nftables';
  readonly #netns: string | undefined;
  /** What the kernel holds as far as we know; undefined: not known. */
  #known: { readonly listing: NftListing | undefined } | undefined;
  /** Bodies of our rules as first listed, by comment: an edit that keeps the comment shows. */
  #bodies = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PacketFilterOptions = {}) {
    this.#netns = options.netns;
  }

  /** Throws when this kernel or this `nft` cannot hold the guard's rules; changes nothing. */
  async probe(): Promise<void> {
    const program = nftProgram(guardFacts(emptySpec));
    await requireTool('check whether nftables can hold the guard', {
      argv: ['nft', '-c', '-f', '-'],
      netns: this.#netns,
      input: transaction(program, undefined) ?? '',
    });
  }

  apply(spec: GuardSpec): Promise<void> {
    return this.#inTurn(async () => {
      this.#known ??= { listing: await this.#list() };
      const program = programToApply(guardFacts(spec), this.#known.listing);
      const input = transaction(program, this.#known.listing);
      if (input === undefined) return;
      this.#known = undefined;
      await requireTool('load the guard', { argv: ['nft', '-f', '-'], netns: this.#netns, input });
      // Learn how the kernel tells rules that were never listed before; see #withEditsMarked.
      const isNew = (rule: string): boolean => !this.#bodies.has(markOf(rule));
      if ([...program.chains.values()].some(({ rules }) => rules.some(isNew))) await this.#list();
      this.#known = { listing: listingOf(program) };
    });
  }

  watch(listener: () => void): { close(): void } {
    return watchGuardTable(this.#netns, listener);
  }

  verify(spec: GuardSpec): Promise<{ ok: boolean; difference: string | undefined }> {
    return this.#inTurn(async () => {
      const listing = await this.#list();
      const found = differences(programAsNamed(guardFacts(spec), listing), listing);
      this.#known = found.length === 0 ? { listing } : undefined;
      return {
        ok: found.length === 0,
        difference: found.length === 0 ? undefined : found.join('; '),
      };
    });
  }

  counters(): Promise<Readonly<Record<string, number>>> {
    return this.#inTurn(async () => {
      const result = await runTool({
        argv: ['nft', '-j', 'list', 'counters', 'table', 'inet', guardTable],
        netns: this.#netns,
      });
      // Without a table nothing was dropped.
      return result.status === 0 ? parseCounters(result.stdout) : {};
    });
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

  async #list(): Promise<NftListing | undefined> {
    const tables = await requireTool('read the guard', {
      argv: ['nft', '-j', 'list', 'tables', 'inet'],
      netns: this.#netns,
    });
    if (parseListing(tables) === undefined) return undefined;
    const table = await requireTool('read the guard', {
      argv: ['nft', '-j', 'list', 'table', 'inet', guardTable],
      netns: this.#netns,
    });
    return this.#withEditsMarked(parseListing(table));
  }

  /** A rule is known by its comment; its body must also be what it was when we wrote it. */
  #withEditsMarked(listing: NftListing | undefined): NftListing | undefined {
    for (const chain of listing?.chains.values() ?? []) {
      for (const [i, body] of chain.bodies.entries()) {
        const mark = chain.marks[i]!;
        const before = this.#bodies.get(mark);
        if (before === undefined) this.#bodies.set(mark, body);
        else if (before !== body) chain.marks[i] = editedRule;
      }
    }
    return listing;
  }

  /** Calls run one after the other, whatever came of the one before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}
