/**
 * Reads `nft -j list table`: what the kernel holds, in the words of our own program, so that the
 * two can be compared. An object that we would never make keeps a text that matches nothing.
 */
import { tryParseAddress } from '../../encap/address.js';
import { guardTable } from './names.js';
import { isSeal } from './nft-seal.js';

export interface ListedChain {
  /** `input -10 accept`, or empty for a chain without a hook. */
  readonly hook: string;
  /** The comments of its rules in order; a rule without one reads `(foreign rule)`. */
  readonly marks: string[];
  /** Bodies of the rules as nft describes them, without handles. */
  readonly bodies: readonly string[];
}

export interface NftListing {
  readonly tableFlags: string;
  readonly sets: ReadonlyMap<
    string,
    { readonly shape: string; readonly elements: ReadonlySet<string> }
  >;
  readonly chains: ReadonlyMap<string, ListedChain>;
  readonly counters: ReadonlyMap<string, { readonly packets: number; readonly bytes: number }>;
  /** Names of the chains that say what the rules' bodies were, see nft-seal.ts. */
  readonly seals: readonly string[];
  /** Objects of kinds that our program never has, e.g. a flowtable or a map. */
  readonly others: readonly string[];
}

/** Stands for the comment of a rule that is no longer what we wrote under it. */
export const editedRule = '(edited rule)';

type Json = Readonly<Record<string, unknown>>;

/** Parses the listing of the guard's table; undefined when it holds no such table. */
export function parseListing(json: string): NftListing | undefined {
  const items = (JSON.parse(quoteBigIntegers(json)) as { nftables: Json[] }).nftables;
  let tableFlags: string | undefined;
  const sets = new Map<string, { shape: string; elements: Set<string> }>();
  const chains = new Map<string, { hook: string; marks: string[]; bodies: string[] }>();
  const counters = new Map<string, { packets: number; bytes: number }>();
  const seals: string[] = [];
  const others: string[] = [];
  for (const item of items) {
    const [kind, value] = Object.entries(item)[0] as [string, Json];
    const name = String(value['name']);
    if (kind === 'metainfo') continue;
    if (kind === 'table') {
      if (name === guardTable) tableFlags = asList(value['flags']).join(',');
    } else if (kind === 'set') {
      const elements = new Set(asList(value['elem']).map(elementText));
      sets.set(name, { shape: setShape(value), elements });
    } else if (kind === 'chain' && isSeal(name) && value['hook'] === undefined) {
      seals.push(name);
    } else if (kind === 'chain') {
      chains.set(name, { hook: chainHook(value), marks: [], bodies: [] });
    } else if (kind === 'rule') {
      const chain = chains.get(String(value['chain']));
      chain?.marks.push(text(value['comment']) ?? '(foreign rule)');
      chain?.bodies.push(JSON.stringify(value['expr']));
    } else if (kind === 'counter') {
      counters.set(name, { packets: Number(value['packets']), bytes: Number(value['bytes']) });
    } else {
      others.push(`${kind} ${name}`);
    }
  }
  if (tableFlags === undefined) return undefined;
  return { tableFlags, sets, chains, counters, seals, others };
}

function chainHook(chain: Json): string {
  if (chain['hook'] === undefined) return '';
  const device = chain['dev'] === undefined ? '' : ` ${JSON.stringify(chain['dev'])}`;
  const policy = text(chain['policy']) ?? 'accept';
  return `${text(chain['type'])} ${text(chain['hook'])} ${Number(chain['prio'])} ${policy}${device}`;
}

function setShape(set: Json): string {
  const types = asList(set['type']).map(String).join(',');
  return `${types} ${asList(set['flags']).map(String).sort().join(',')}`;
}

function elementText(element: unknown): string {
  if (typeof element === 'string') return scalarText(element);
  if (typeof element === 'number') return scalarText(String(element));
  const { concat, range, prefix } = element as {
    concat?: unknown[];
    range?: [unknown, unknown];
    prefix?: { addr: string; len: number };
  };
  if (concat !== undefined) return concat.map(elementText).join(' . ');
  if (range !== undefined) return range.map(elementText).join('-');
  if (prefix !== undefined) return `${scalarText(prefix.addr)}/${prefix.len}`;
  return JSON.stringify(element);
}

/** Addresses as they are; integers come as decimal or hexadecimal text. */
function scalarText(text: string): string {
  // inet_ntop writes ::ffff:192.0.2.1 where RFC 5952 as we use it does not.
  if (text.includes(':') && text.includes('.')) return tryParseAddress(text)?.text ?? text;
  // nft prints integers of up to 64 bits as signed ones.
  if (/^-\d+$/.test(text)) return `0x${BigInt.asUintN(64, BigInt(text)).toString(16)}`;
  return /^(0x[0-9a-f]+|\d+)$/i.test(text) ? `0x${BigInt(text).toString(16)}` : text;
}

/** Sixteen digits and more do not survive JSON.parse as a number. */
function quoteBigIntegers(text: string): string {
  return text.replace(/([[,:]\s*)(-?\d{16,})(?=\s*[\],}])/g, '$1"$2"');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function asList(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? (value as unknown[]) : [value];
}
