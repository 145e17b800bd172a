/**
 * Counts overlay packets by mode and peer's zone, native ones too, in an nftables table of its own:
 *
 *     sent      postrouting, after everybody's rules: the destination names the zone
 *     received  input and forward, behind the guard: the source does
 *
 * The zone is found by one look-up of an address (a verdict map of ranges), the mode by the device. A
 * tunnel packet comes by twice, inside with the tunnel device and outside with the NIC; outside, its
 * addresses are of nodes and in no zone's ranges. The table never drops anything.
 *
 * Elements come and go by difference, so counts stay while nodes do. A table that somebody changed is
 * made anew, from zero, as an agent that starts makes it.
 */
import { addressFromBigInt } from '../../encap/address.js';
import type { Range } from '../../encap/disjoint-ranges.js';
import type { Mode } from '../../encap/mode.js';
import { modes } from '../../encap/mode.js';
import type { ToolRun } from '../guard/command.js';
import { requireTool } from '../guard/command.js';
import { tableNames } from '../guard/nft-query.js';

const name = 'selvage_traffic';
const table = `inet ${name}`;
/** After the guard's, which are -10 and at most 190. */
const priorities = { received: 10, sent: 250 } as const;

export interface ZoneCount {
  readonly mode: Mode;
  readonly direction: 'transmit' | 'receive';
  readonly peerZone: string;
  readonly packets: number;
  readonly bytes: number;
}

export interface ZoneRanges {
  readonly 4: readonly Range<string>[];
  readonly 6: readonly Range<string>[];
}

export interface ZoneCountersOptions {
  /** Devices of ours by tunnel mode; all others are native. */
  readonly devices: Readonly<Record<Exclude<Mode, 'native'>, readonly string[]>>;
  readonly netns?: string;
}

const directions = { transmit: 'tx', receive: 'rx' } as const;
const families = [4, 6] as const;

export class ZoneCounters {
  readonly #options: ZoneCountersOptions;
  /** By name of the zone; undefined: the table is not there, or not known to be as we left it. */
  #zones: Map<string, number> | undefined;
  #elements = new Map<string, string>();

  constructor(options: ZoneCountersOptions) {
    this.#options = options;
  }

  /** To be called one after the other. */
  async apply(ranges: ZoneRanges): Promise<void> {
    const anew = this.#zones === undefined;
    const zones = new Map(this.#zones);
    const before = anew ? new Map<string, string>() : this.#elements;
    const lines = anew ? emptyTable() : [];
    const elements = new Map<string, string>();
    for (const family of families)
      for (const range of ranges[family]) {
        let index = zones.get(range.value);
        if (index === undefined) {
          index = zones.size;
          zones.set(range.value, index);
          lines.push(...this.#zoneLines(index));
        }
        for (const way of Object.values(directions))
          elements.set(`${way}${family} ${rangeText(range, family)}`, `${way}_${index}`);
      }
    const gone = [...before].filter(([key, chain]) => elements.get(key) !== chain);
    const come = [...elements].filter(([key, chain]) => before.get(key) !== chain);
    this.#zones = undefined;
    // A kernel that has just been told to make the table anew does not find its chains by the names
    // in elements before the transaction is over.
    await this.#write(lines);
    await this.#write([...elementLines('delete', gone), ...elementLines('add', come)]);
    this.#zones = zones;
    this.#elements = elements;
  }

  /** Throws when the table is not there; the next `apply` makes it anew. */
  async read(): Promise<readonly ZoneCount[]> {
    if (this.#zones === undefined) return [];
    const zones = new Map([...this.#zones].map(([zone, index]) => [String(index), zone]));
    try {
      const text = await requireTool(
        'cannot read traffic by zone',
        this.#nft(['-j', 'list', 'counters', 'table', 'inet', name]),
      );
      const { nftables } = JSON.parse(text) as { readonly nftables: readonly Listed[] };
      return nftables.flatMap(({ counter }) => (counter && countOf(counter, zones)) ?? []);
    } catch (error) {
      this.#zones = undefined;
      throw error;
    }
  }

  async remove(): Promise<void> {
    this.#zones = undefined;
    const { netns } = this.#options;
    // Asked of the kernel itself: a program only where there is something to remove.
    if ((await tableNames(netns))?.includes(table) !== true) return;
    await requireTool(
      'cannot remove the counters by zone',
      this.#nft(['-f', '-'], `add table ${table}\ndelete table ${table}`),
    );
  }

  async #write(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await requireTool('cannot count traffic by zone', this.#nft(['-f', '-'], lines.join('\n')));
  }

  #zoneLines(index: number): readonly string[] {
    const { devices } = this.#options;
    return Object.values(directions).flatMap((way) => [
      ...modes.map((mode) => `add counter ${table} ${way}_${mode}_${index}`),
      `add chain ${table} ${way}_${index}`,
      ...(['vxlan', 'ipip'] as const).map(
        (mode) =>
          `add rule ${table} ${way}_${index} ${way === 'tx' ? 'oifname' : 'iifname'} { ${devices[mode].map((device) => `"${device}"`).join(', ')} } counter name "${way}_${mode}_${index}" return`,
      ),
      `add rule ${table} ${way}_${index} counter name "${way}_native_${index}"`,
    ]);
  }

  #nft(args: readonly string[], input?: string): ToolRun {
    const { netns } = this.#options;
    return { argv: ['nft', ...args], netns, ...(input === undefined ? {} : { input }) };
  }
}

interface Listed {
  readonly counter?: { readonly name: string; readonly packets: number; readonly bytes: number };
}

function countOf(
  counter: NonNullable<Listed['counter']>,
  zones: ReadonlyMap<string, string>,
): ZoneCount | undefined {
  const [way, modeName, index = ''] = counter.name.split('_');
  const mode = modes.find((known) => known === modeName);
  const peerZone = zones.get(index);
  if (mode === undefined || peerZone === undefined) return undefined;
  const direction = way === directions.transmit ? 'transmit' : 'receive';
  return { mode, direction, peerZone, packets: counter.packets, bytes: counter.bytes };
}

function emptyTable(): string[] {
  const map = (way: string, family: 4 | 6): string =>
    `add map ${table} ${way}${family} { type ipv${family}_addr : verdict; flags interval; }`;
  const base = (chain: string, hook: string, priority: number): string =>
    `add chain ${table} ${chain} { type filter hook ${hook} priority ${priority}; policy accept; }`;
  const look = (chain: string, way: 'tx' | 'rx'): readonly string[] => {
    const end = way === 'tx' ? 'daddr' : 'saddr';
    return [
      `add rule ${table} ${chain} ip ${end} vmap @${way}4`,
      `add rule ${table} ${chain} ip6 ${end} vmap @${way}6`,
    ];
  };
  return [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    ...families.flatMap((family) => [map('tx', family), map('rx', family)]),
    base('sent', 'postrouting', priorities.sent),
    ...look('sent', 'tx'),
    base('received', 'input', priorities.received),
    ...look('received', 'rx'),
    base('through', 'forward', priorities.received),
    ...look('through', 'rx'),
  ];
}

function elementLines(
  verb: 'add' | 'delete',
  elements: readonly (readonly [key: string, chain: string])[],
): readonly string[] {
  const maps = new Map<string, string[]>();
  for (const [key, chain] of elements) {
    const [map = '', range = ''] = key.split(' ');
    const list = maps.get(map) ?? [];
    maps.set(map, list);
    list.push(`${range} : jump ${chain}`);
  }
  return [...maps].map(([map, list]) => `${verb} element ${table} ${map} { ${list.join(', ')} }`);
}

function rangeText({ first, last }: Range<string>, family: 4 | 6): string {
  const text = (value: bigint): string => addressFromBigInt(value, family).text;
  return first === last ? text(first) : `${text(first)}-${text(last)}`;
}
