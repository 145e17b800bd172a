/**
 * Everybody's packet-filter rules but our own, in the words of the tools that manage them. What nf_tables
 * holds is read again when its generation has changed; iptables' old back end has none, and is read
 * whenever it has tables.
 */
import { readFile } from 'node:fs/promises';
import { ToolMissingError, runTool } from './command.js';
import type { FilterTable } from './filter-model.js';
import { guardTable } from './names.js';
import { rulesetGeneration, tableNames } from './nft-query.js';
import type { PacketFilterOptions } from './nftables.js';

type IptablesTool = Exclude<FilterTable['tool'], 'nft'>;

/** What `nft -j list` and the `iptables-save` variants print; absent tools left out. */
export interface Rulesets {
  readonly nft?: string;
  readonly iptables?: Readonly<Partial<Record<IptablesTool, string>>>;
}

export class RulesetReader {
  readonly #netns: string | undefined;
  #modern: { readonly generation: number; readonly rulesets: Rulesets } | undefined;
  #last: Rulesets = {};

  constructor({ netns }: Pick<PacketFilterOptions, 'netns'> = {}) {
    this.#netns = netns;
  }

  /** The same object as long as nothing has changed. */
  async read(): Promise<Rulesets> {
    const [modern, legacy] = await Promise.all([this.#readModern(), this.#readLegacy()]);
    const rulesets = { ...modern, iptables: { ...modern.iptables, ...legacy } };
    if (JSON.stringify(rulesets) !== JSON.stringify(this.#last)) this.#last = rulesets;
    return this.#last;
  }

  /** What nf_tables holds. */
  async #readModern(): Promise<Rulesets> {
    const generation = await rulesetGeneration(this.#netns);
    if (generation !== undefined && this.#modern?.generation === generation)
      return this.#modern.rulesets;
    const tables = (await tableNames(this.#netns)) ?? [];
    const others = tables.filter((table) => table !== `inet ${guardTable}`);
    const nft = await this.#listTables(others);
    const iptables: Partial<Record<IptablesTool, string>> = {};
    for (const [tool, family] of [
      ['iptables', 'ip'],
      ['ip6tables', 'ip6'],
    ] as const) {
      if (!others.some((table) => table.startsWith(`${family} `))) continue;
      const saved = await this.#run([`${tool}-nft-save`]);
      if (saved !== undefined) iptables[tool] = saved;
    }
    const rulesets = nft === undefined ? { iptables } : { nft, iptables };
    // Numbered before it was read: what was written meanwhile has another number.
    this.#modern = generation === undefined ? undefined : { generation, rulesets };
    return rulesets;
  }

  /** One by one: `nft` answers several questions at a time from the last one's cache alone. */
  async #listTables(tables: readonly string[]): Promise<string | undefined> {
    const listings = await Promise.all(
      tables.map((table) => this.#run(['nft', '-j', 'list', 'table', ...table.split(' ')])),
    );
    const items = listings.flatMap((listing) =>
      listing === undefined ? [] : (JSON.parse(listing) as { nftables: unknown[] }).nftables,
    );
    return items.length === 0 ? undefined : JSON.stringify({ nftables: items });
  }

  async #readLegacy(): Promise<Rulesets['iptables']> {
    const found: Partial<Record<IptablesTool, string>> = {};
    for (const [tool, names] of [
      ['iptables', '/proc/net/ip_tables_names'],
      ['ip6tables', '/proc/net/ip6_tables_names'],
    ] as const) {
      // Without tables there is nothing to save; of another namespace this file tells nothing.
      if (this.#netns === undefined && (await readFile(names, 'utf8').catch(() => '')) === '')
        continue;
      const saved = await this.#run([`${tool}-legacy-save`]);
      if (saved !== undefined) found[`${tool}-legacy`] = saved;
    }
    return found;
  }

  /** Undefined where there is no such tool, or it cannot be used here. */
  async #run(argv: readonly string[]): Promise<string | undefined> {
    try {
      const { status, stdout } = await runTool({ argv, netns: this.#netns });
      return status === 0 ? stdout : undefined;
    } catch (error) {
      if (error instanceof ToolMissingError) return undefined;
      throw error;
    }
  }
}
