/**
 * Addresses and prefixes as operators write them: read strictly, and diagnosed when that fails.
 *
 * The strict parser of `encap/` reads the good ones; only a bad one pays for `ip-address`, which
 * says what is wrong, and for the guesses at what was meant.
 */
import { Address4, Address6 } from 'ip-address';
import {
  type Address,
  type Family,
  addressFromBytes,
  familyBits,
  isLinkLocal,
  isUnusable,
  tryParseAddress,
} from '../../encap/address.js';
import {
  type InterfaceAddress,
  type Prefix,
  lastAddress,
  firstAddress,
  prefixOf,
  tryParseInterfaceAddress,
  tryParsePrefix,
} from '../../encap/prefix.js';
import type { ProblemCode } from './problem.js';
import { oddCharacter } from './characters.js';

/** What is wrong with a text; the caller knows where it stands. */
export interface AddressFault {
  readonly code: ProblemCode;
  readonly message: string;
  readonly remedy: string;
}

export interface WrittenAddress {
  readonly address: Address;
  /** Undefined when no mask was written. */
  readonly length: number | undefined;
}

/** `ADDRESS` or `ADDRESS/LENGTH` of a node. */
export function readAddress(text: string): WrittenAddress | AddressFault {
  const parsed = text.includes('/') ? tryParseInterfaceAddress(text) : bareAddress(text);
  if (parsed === undefined || typeof parsed === 'string') return diagnose(text, 'address');
  return addressFault(parsed.address) ?? parsed;
}

/** An address without a mask. */
export function readBareAddress(text: string): Address | AddressFault {
  const address = tryParseAddress(text);
  if (address !== undefined) return addressFault(address) ?? address;
  const slash = text.indexOf('/');
  const bare = slash < 0 ? undefined : tryParseAddress(text.slice(0, slash).trim());
  if (bare === undefined) return diagnose(text, 'address');
  return {
    code: 'bad-address',
    message: 'a public address has no mask',
    remedy: `write ${bare.text}`,
  };
}

/** A prefix with its host bits zero. */
export function readPrefix(text: string): Prefix | AddressFault {
  const prefix = tryParsePrefix(text);
  if (typeof prefix !== 'string') return prefixFault(prefix) ?? prefix;
  if (prefix !== 'host-bits') return diagnose(text, 'prefix');
  const { address, length } = tryParseInterfaceAddress(text) as InterfaceAddress;
  return {
    code: 'host-bits',
    message: `the prefix has bits set behind its length of ${length}`,
    remedy: `write ${prefixOf(address, length).text}, the network that holds ${address.text}`,
  };
}

export function isFault(value: object): value is AddressFault {
  return 'remedy' in value;
}

function bareAddress(text: string): WrittenAddress | undefined {
  const address = tryParseAddress(text);
  return address === undefined ? undefined : { address, length: undefined };
}

function addressFault(address: Address): AddressFault | undefined {
  const v4 = mappedIpv4(address);
  if (v4 !== undefined)
    return {
      code: 'mapped-address',
      message: 'this is an IPv4 address in IPv6 clothes (RFC 4291 section 2.5.5.2)',
      remedy: `write ${v4.text}`,
    };
  if (isUnusable(address) || isLinkLocal(address))
    return {
      code: 'unusable-address',
      message: `${kindOfAddress(address)} cannot be a node's`,
      remedy: 'write the address that the other nodes reach it by',
    };
  return undefined;
}

/** Ranges in which no workload and no routed underlay can live (RFC 6890). */
const reserved: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', '"this network"'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local, where clouds have their metadata services'],
  ['224.0.0.0/3', 'multicast and reserved'],
  ['::/127', 'unspecified and loopback'],
  ['::ffff:0:0/96', 'IPv4-mapped'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
];
const reservedPrefixes = reserved.map(([text, name]) => ({
  prefix: tryParsePrefix(text) as Prefix,
  name,
}));

function prefixFault(prefix: Prefix): AddressFault | undefined {
  for (const { prefix: range, name } of reservedPrefixes) {
    if (range.family !== prefix.family) continue;
    const shorter = range.length <= prefix.length ? range : prefix;
    const longer = shorter === range ? prefix : range;
    if (prefixOf(firstAddress(longer), shorter.length).text !== shorter.text) continue;
    return {
      code: 'unusable-address',
      message: `the prefix overlaps ${range.text} (${name})`,
      remedy: 'write a prefix of unicast addresses, for example of 10.0.0.0/8 or fd00::/8',
    };
  }
  return undefined;
}

function kindOfAddress(address: Address): string {
  const first = address.bytes[0]!;
  if (isLinkLocal(address)) return 'a link-local address';
  if (address.family === 6)
    return first === 0xff ? 'a multicast address' : `the address ${address.text}`;
  if (first === 0) return 'an address of 0.0.0.0/8';
  if (first === 127) return 'a loopback address';
  return first < 240 ? 'a multicast address' : 'a reserved or broadcast address';
}

/** The IPv4 address inside ::ffff:0:0/96. */
function mappedIpv4(address: Address): Address | undefined {
  const { bytes, family } = address;
  if (family === 4 || bytes[10] !== 0xff || bytes[11] !== 0xff) return undefined;
  if (!bytes.subarray(0, 10).every((byte) => byte === 0)) return undefined;
  return addressFromBytes(bytes.slice(12));
}

/** Is it the network's own or its broadcast address? Only IPv4 with room for hosts has them. */
export function networkRole(address: Address, length: number): 'network' | 'broadcast' | undefined {
  if (address.family !== 4 || length > 30) return undefined;
  const network = prefixOf(address, length);
  if (firstAddress(network).text === address.text) return 'network';
  return lastAddress(network).text === address.text ? 'broadcast' : undefined;
}

type Wanted = 'address' | 'prefix';

const examples: Readonly<Record<Wanted, Readonly<Record<Family, string>>>> = {
  address: { 4: '192.168.10.11/24', 6: 'fd00::11/64' },
  prefix: { 4: '10.64.1.0/24', 6: 'fd64:0:0:1::/64' },
};

function diagnose(text: string, wanted: Wanted): AddressFault {
  const example = examples[wanted][text.includes(':') ? 6 : 4];
  const code = wanted === 'address' ? 'bad-address' : 'bad-prefix';
  const fault = (message: string, remedy = `write it like ${example}`): AddressFault => ({
    code,
    message,
    remedy,
  });
  const repaired = repair(text, wanted);
  const remedy = repaired === undefined ? undefined : `write ${repaired}`;
  const odd = oddCharacter(text);
  if (odd !== undefined) return fault(`the ${wanted} holds the character ${odd}`, remedy);
  if (/\s/.test(text)) return fault(`the ${wanted} has a space in it`, remedy);
  if (text.includes('%'))
    return fault('a zone index (%…) belongs to link-local addresses', 'write a routed address');
  const slash = text.indexOf('/');
  const head = slash < 0 ? text : text.slice(0, slash);
  const mask = slash < 0 ? undefined : text.slice(slash + 1);
  const address = tryParseAddress(head);
  if (address === undefined) return fault(addressComplaint(head), remedy);
  const bits = familyBits(address.family);
  if (mask === undefined)
    return fault(
      'the prefix has no length',
      `write ${address.text}/LENGTH, e.g. ${guessLength(address)}`,
    );
  if (/^[\d.]+$/.test(mask) && mask.includes('.'))
    return fault('the mask is written in dotted form', remedy ?? 'write its length in bits');
  return fault(`the length of the mask is a number from 0 to ${bits}`, remedy);
}

/** What is wrong with a text that is no address. */
function addressComplaint(text: string): string {
  if (text === '') return 'there is nothing before the mask';
  if (/^[\d.]+:\d+$/.test(text)) return 'an address has no port here';
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return 'this is a URL, not an address';
  if (text.includes('-') && /\d-\d/.test(text)) return 'this is a range, not an address or prefix';
  const dotted = /^\d[\d.]*$/.test(text);
  if (!text.includes(':') && !dotted && /[g-z]/i.test(text))
    return 'this is a name; only IP addresses are read here';
  return text.includes(':') ? ipv6Complaint(text) : ipv4Complaint(text);
}

function ipv4Complaint(text: string): string {
  const parts = text.split('.');
  const large = parts.find((part) => /^\d+$/.test(part) && Number(part) > 255);
  if (parts.length === 4 && large !== undefined) return `${large} is more than the 255 of a byte`;
  if (/^[\d.]+$/.test(text) && parts.length !== 4)
    return `an IPv4 address has four numbers, not ${parts.filter((part) => part !== '').length}`;
  return complaintOf(() => new Address4(text)) ?? 'this is not an IP address';
}

function ipv6Complaint(text: string): string {
  return complaintOf(() => new Address6(text)) ?? 'this is not an IP address';
}

/** The library's own finding, as a sentence of ours. */
function complaintOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    for (const [pattern, sentence] of complaints) if (pattern.test(message)) return sentence;
    return 'this is not an IP address';
  }
}

const complaints: readonly (readonly [RegExp, string])[] = [
  [
    /leading zero/i,
    'a number of the address has a leading zero, which some programs read as octal',
  ],
  [/too many ::/i, '"::" may stand once in an IPv6 address'],
  [/incorrect number of groups/i, 'an IPv6 address has eight groups; "::" stands for missing ones'],
  [/regex: ?:::/i, 'three colons in a row are not IPv6'],
  [/failed regex/i, 'a group of an IPv6 address has at most four hexadecimal digits'],
  [/bad character/i, 'the address holds a character that no IP address has'],
];

/** What was most likely meant, when that is a valid address or prefix. */
function repair(text: string, wanted: Wanted): string | undefined {
  let candidate = text
    .normalize('NFKC')
    .replace(/[\s\u200b\ufeff"'\u2018\u2019\u201c\u201d\u201e[\](),;]+/g, (match) =>
      /^,$/.test(match) ? '.' : '',
    );
  const dotted = /^([\d.]+)\/(\d+\.\d+\.\d+\.\d+)$/.exec(candidate);
  if (dotted !== null) candidate = `${dotted[1]}/${maskLength(dotted[2]!) ?? 'x'}`;
  candidate = candidate.replace(/(^|\.)0+(?=\d)/g, '$1').replace(/^([\d.]+):\d+$/, '$1');
  candidate = candidate.replace(/\/0+(?=\d)/, '/').replace(/:::+/g, '::');
  if (candidate === text) return undefined;
  const parsed = tryParseInterfaceAddress(candidate);
  if (parsed === 'no-length') return wanted === 'address' ? candidate : undefined;
  if (typeof parsed === 'string') return undefined;
  return wanted === 'address' ? candidate : prefixOf(parsed.address, parsed.length).text;
}

/** 255.255.255.0 → 24 */
function maskLength(text: string): number | undefined {
  const mask = tryParseAddress(text);
  if (mask === undefined) return undefined;
  const bits = [...mask.bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? (!bits.includes('0') ? 32 : bits.indexOf('0')) : undefined;
}

/** The shortest usual length that leaves no host bits. */
function guessLength(address: Address): string {
  const usual: Readonly<Record<Family, readonly number[]>> = {
    4: [8, 12, 16, 24, 32],
    6: [32, 48, 56, 64, 128],
  };
  const zeros = usual[address.family].find(
    (length) => firstAddress(prefixOf(address, length)).text === address.text,
  );
  const length = Math.max(zeros ?? familyBits(address.family), address.family === 4 ? 24 : 64);
  return `${address.text}/${length}`;
}
