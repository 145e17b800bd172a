/**
 * The guard on iptables: chains of our own in the filter tables of both families, entered by the
 * first rule of INPUT, FORWARD and OUTPUT, and in nat where something is to be masqueraded.
 * `iptables-restore --noflush` exchanges a family's table as a whole, so here too a packet meets the
 * old rules or the new ones.
 *
 * It is for correctness where nftables is missing (the kernel of user-mode-linux among others): a
 * rule for each pair, looked at one after the other.
 */
import { createHash } from 'node:crypto';
import type { Family } from '../../encap/address.js';
import { ToolMissingError, firstLines, requireTool, runTool } from './command.js';
import { type GuardFacts, guardFacts, withNativeTo } from './facts.js';
import type { Guard, GuardApplyOptions, GuardSpec } from './guard.js';
import { type IptablesListing, parseIptablesSave } from './iptables-listing.js';
import {
  type IptablesProgram,
  type IptablesTable,
  builtinChains,
  dropChain,
  entryChain,
  iptablesNatProgram,
  iptablesProgram,
  masqueradeRule,
  nativeToIn,
} from './iptables-program.js';
import { dropReasonNames, iptablesPrefix, noMasquerade } from './names.js';
import type { PacketFilterOptions } from './nftables.js';

const probeChain = `${iptablesPrefix}PROBE`;
const tables = ['filter', 'nat'] as const;
/** A rule that uses what the tables' rules need of the kernel. */
const probes = {
  filter: {
    table: 'filter',
    rule: '-p udp -m udp --dport 4789 -m u32 --u32 "0x0=0x0" -j RETURN',
  },
  nat: { table: 'nat', rule: masqueradeRule },
} as const;
/** For another program that holds the lock of the tables. */
const lockWaitSeconds = 10;
/** Somebody else's edit is noticed within so long. */
const defaultPollMs = 2_000;

export class IptablesGuard implements Guard {
  readonly backend = 'iptables';
  readonly #netns: string | undefined;
  readonly #pollMs: number;
  /** Variant of the tools that this kernel takes, and the families it takes them for. */
  #tools: { readonly variant: '' | '-legacy'; readonly families: readonly Family[] } | undefined;
  readonly #log: (line: string) => void;
  /** Why a family's addresses cannot be translated; empty: they can. */
  readonly #masqueradeRefusals = new Map<Family, string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PacketFilterOptions & { readonly pollMs?: number } = {}) {
    this.#netns = options.netns;
    this.#pollMs = options.pollMs ?? defaultPollMs;
    this.#log = options.log ?? (() => undefined);
  }

  /** Throws when this kernel cannot hold the rules; leaves no trace. */
  async probe(): Promise<void> {
    const refusals: string[] = [];
    for (const variant of ['-legacy', ''] as const) {
      const refusal = await this.#try({ variant, family: 4, probe: probes.filter });
      if (refusal === undefined) {
        const v6 = (await this.#try({ variant, family: 6, probe: probes.filter })) === undefined;
        this.#tools = { variant, families: v6 ? [4, 6] : [4] };
        return;
      }
      refusals.push(refusal);
    }
    throw new Error(`check whether iptables can hold the guard: ${refusals.join('; ')}`);
  }

  apply(spec: GuardSpec, { keepNative = false }: GuardApplyOptions = {}): Promise<void> {
    return this.#inTurn(async () => {
      for (const family of await this.#families(spec)) {
        const listings = await this.#list(family);
        const facts = await this.#facts(spec, family);
        const kept = keepNative ? nativeToIn(listings.filter.chains) : [];
        const programs = programsFor(withNativeTo(facts, kept), family);
        for (const table of tables) {
          const change = { table, program: programs[table], listing: listings[table] };
          if (differences(change).length > 0) await this.#restore(family, change);
        }
      }
    });
  }

  /** x_tables announces nothing, so the tables are read again and again. */
  watch(listener: () => void): { close(): void } {
    let seen: string | undefined;
    let closed = false;
    let timer: NodeJS.Timeout;
    const look = async (): Promise<void> => {
      // A look that fails is no news; the next pass meets the same and tells.
      const now = await this.#fingerprint().catch(() => seen);
      if (closed) return;
      if (seen !== undefined && now !== seen) listener();
      seen = now;
      timer = setTimeout(() => void look(), this.#pollMs);
    };
    void look();
    return {
      close() {
        closed = true;
        clearTimeout(timer);
      },
    };
  }

  verify(spec: GuardSpec): Promise<{ ok: boolean; difference: string | undefined }> {
    return this.#inTurn(async () => {
      const found: string[] = [];
      for (const family of await this.#families(spec)) {
        const programs = programsFor(await this.#facts(spec, family), family);
        const listings = await this.#list(family);
        for (const table of tables) {
          const lines = differences({ table, program: programs[table], listing: listings[table] });
          found.push(...lines.map((line) => `IPv${family}, table ${table}: ${line}`));
        }
      }
      return {
        ok: found.length === 0,
        difference: found.length === 0 ? undefined : found.join('; '),
      };
    });
  }

  counters(): Promise<Readonly<Record<string, number>>> {
    return this.#inTurn(async () => {
      const total: Record<string, number> = {};
      for (const family of await this.#supported()) {
        const { counters } = (await this.#list(family)).filter;
        for (const reason of dropReasonNames) {
          const packets = /^\[(\d+):/.exec(counters.get(dropChain(reason)) ?? '')?.[1];
          if (packets !== undefined) total[reason] = (total[reason] ?? 0) + Number(packets);
        }
      }
      return total;
    });
  }

  remove(): Promise<void> {
    return this.#inTurn(async () => {
      for (const family of await this.#supported()) {
        const listings = await this.#list(family);
        for (const table of tables) {
          const change = { table, program: new Map(), listing: listings[table] };
          if (differences(change).length > 0) await this.#restore(family, change);
        }
      }
    });
  }

  /** The families to guard; a spec with IPv6 in it must not go half guarded. */
  async #families(spec: GuardSpec): Promise<readonly Family[]> {
    const families = await this.#supported();
    const usesV6 = [...spec.pools, ...spec.localAddresses, ...spec.nodeAddresses].some(
      ({ family }) => family === 6,
    );
    if (usesV6 && !families.includes(6))
      throw new Error(
        'load the guard: the cluster uses IPv6 and ip6tables does not work here; ' +
          'load the kernel modules ip6table_filter and xt_u32',
      );
    return families;
  }

  async #supported(): Promise<readonly Family[]> {
    if (this.#tools === undefined) await this.probe();
    return this.#tools!.families;
  }

  /** The spec's facts, less what this kernel has no means for. */
  async #facts(spec: GuardSpec, family: Family): Promise<GuardFacts> {
    const facts = guardFacts(spec);
    if (iptablesNatProgram(facts, family).size === 0) return facts;
    let refusal = this.#masqueradeRefusals.get(family);
    if (refusal === undefined) {
      const { variant } = this.#tools!;
      refusal = (await this.#try({ variant, family, probe: probes.nat })) ?? '';
      this.#masqueradeRefusals.set(family, refusal);
      if (refusal !== '') this.#log(`${noMasquerade}: ${refusal}`);
    }
    return refusal === '' ? facts : { ...facts, masquerade: undefined };
  }

  /** Of the rules of all tables, whoever's they are, without their counters. */
  async #fingerprint(): Promise<string> {
    const hash = createHash('sha256');
    for (const family of await this.#supported()) {
      const text = await requireTool('read the guard', {
        argv: [this.#tool(family, 'save')],
        netns: this.#netns,
      });
      hash.update(text.replace(/^#.*$|\[\d+:\d+\]/gm, ''));
    }
    return hash.digest('hex');
  }

  /** All tables that the kernel has: asking for `nat` by name would make it track connections. */
  async #list(family: Family): Promise<Readonly<Record<IptablesTable, IptablesListing>>> {
    const text = await requireTool('read the guard', {
      argv: [this.#tool(family, 'save'), '--counters'],
      netns: this.#netns,
    });
    return { filter: parseIptablesSave(text, 'filter'), nat: parseIptablesSave(text, 'nat') };
  }

  async #restore(family: Family, change: TableChange): Promise<void> {
    await requireTool(change.table === 'nat' ? 'load the masquerade' : 'load the guard', {
      argv: [...restoreArguments(this.#tool(family, 'restore')), '--counters'],
      netns: this.#netns,
      input: restoreText(change.table, replacement(change)),
    });
  }

  #tool(family: Family, verb: 'save' | 'restore'): string {
    return toolName({ family, verb, variant: this.#tools!.variant });
  }

  /** Loads and removes a chain that nothing jumps to; the reason when that fails. */
  async #try(attempt: {
    readonly variant: '' | '-legacy';
    readonly family: Family;
    readonly probe: (typeof probes)[IptablesTable];
  }): Promise<string | undefined> {
    const { variant, family, probe } = attempt;
    const tool = toolName({ family, verb: 'restore', variant });
    try {
      for (const line of [`-A ${probeChain} ${probe.rule}`, `-X ${probeChain}`]) {
        const { status, stderr } = await runTool({
          argv: restoreArguments(tool),
          netns: this.#netns,
          input: restoreText(probe.table, [`:${probeChain} - [0:0]`, line]),
        });
        if (status !== 0) return `${tool}: ${firstLines(stderr)}`;
      }
      return undefined;
    } catch (error) {
      if (error instanceof ToolMissingError) return error.message;
      throw error;
    }
  }

  /** Calls run one after the other, whatever came of the one before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

function toolName(tool: {
  readonly family: Family;
  readonly variant: string;
  readonly verb: string;
}): string {
  return `${tool.family === 4 ? 'iptables' : 'ip6tables'}${tool.variant}-${tool.verb}`;
}

function restoreArguments(tool: string): readonly string[] {
  return [tool, '--noflush', '--wait', String(lockWaitSeconds)];
}

function restoreText(table: IptablesTable, lines: readonly string[]): string {
  return [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
}

function programsFor(
  facts: GuardFacts,
  family: Family,
): Readonly<Record<IptablesTable, IptablesProgram>> {
  return { filter: iptablesProgram(facts, family), nat: iptablesNatProgram(facts, family) };
}

interface TableChange {
  readonly table: IptablesTable;
  readonly program: IptablesProgram;
  readonly listing: IptablesListing;
}

/** Every chain anew (declaring one empties it), each drop chain with its count so far. */
function replacement({ table, program, listing }: TableChange): readonly string[] {
  const stale = [...listing.chains.keys()].filter((name) => !program.has(name));
  const hooked = builtinChains[table].filter((name) => program.has(entryChain(name)));
  return [
    ...[...program.keys(), ...stale].map((name) => `:${name} - [0:0]`),
    ...unhook(table, listing),
    ...hooked.map((name) =>
      table === 'filter'
        ? `-I ${name} 1 -j ${entryChain(name)}`
        : `-A ${name} -j ${entryChain(name)}`,
    ),
    ...[...program].flatMap(([name, rules]) =>
      rules.map((rule) =>
        rule === '-j DROP'
          ? `${listing.counters.get(name) ?? '[0:0]'} -A ${name} ${rule}`
          : `-A ${name} ${rule}`,
      ),
    ),
    ...stale.map((name) => `-X ${name}`),
  ];
}

function unhook(table: IptablesTable, listing: IptablesListing): readonly string[] {
  return builtinChains[table].flatMap((name) =>
    (listing.builtin[name] ?? [])
      .filter((target) => target === entryChain(name))
      .map((target) => `-D ${name} -j ${target}`),
  );
}

function differences({ table, program, listing }: TableChange): readonly string[] {
  const found: string[] = [];
  for (const name of builtinChains[table]) {
    const entry = entryChain(name);
    const targets = listing.builtin[name] ?? [];
    const jumps = targets.filter((target) => target === entry).length;
    if (!program.has(entry)) {
      if (jumps > 0) found.push(`${name} jumps to ${entry}`);
    } else if (jumps > 1) found.push(`${name} jumps to ${entry} more than once`);
    else if (jumps === 0) found.push(`${name} does not jump to ${entry}`);
    else if (table === 'filter' && targets[0] !== entry)
      found.push(`the first rule of ${name} does not jump to ${entry}`);
  }
  for (const [name, rules] of program) {
    const listed = listing.chains.get(name);
    if (listed === undefined) found.push(`chain ${name} is missing`);
    else {
      const at = firstDifference(rules, listed);
      if (at !== undefined)
        found.push(
          `chain ${name}, rule ${at + 1} is "${listed[at] ?? '(none)'}", not "${rules[at] ?? '(none)'}"`,
        );
    }
  }
  for (const name of listing.chains.keys())
    if (!program.has(name)) found.push(`chain ${name} is not ours`);
  return found;
}

function firstDifference(a: readonly string[], b: readonly string[]): number | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (a[i] !== b[i]) return i;
  return undefined;
}
