/**
 * Machine facts as JSON, for the cache and for programs: addresses and prefixes as text. Reading is
 * all or nothing: what is not of this release's form is "not there".
 */
import type { Address } from '../../encap/address.js';
import { tryParseAddress } from '../../encap/address.js';
import type { InterfaceAddress, Prefix } from '../../encap/prefix.js';
import { tryParseInterfaceAddress, tryParsePrefix } from '../../encap/prefix.js';
import type { MachineFacts, MachineNic } from './machine.js';
import { cloudProviders } from './machine.js';
import { field } from './metadata-values.js';

export type MachineNicJson = Omit<
  MachineNic,
  'addresses' | 'publicAddresses' | 'subnets' | 'aliases'
> & {
  readonly addresses: readonly string[];
  readonly publicAddresses: readonly string[];
  readonly subnets: readonly string[];
  readonly aliases: readonly string[];
};

export type MachineJson = Omit<MachineFacts, 'nics' | 'publicAddresses'> & {
  readonly nics: readonly MachineNicJson[];
  readonly publicAddresses: readonly string[];
};

export function machineToJson(facts: MachineFacts): MachineJson {
  return {
    ...facts,
    nics: facts.nics.map((nic) => ({
      ...nic,
      addresses: nic.addresses.map(interfaceText),
      publicAddresses: nic.publicAddresses.map(({ text }) => text),
      subnets: nic.subnets.map(({ text }) => text),
      aliases: nic.aliases.map(({ text }) => text),
    })),
    publicAddresses: facts.publicAddresses.map(({ text }) => text),
  };
}

export function interfaceText({ address, length }: InterfaceAddress): string {
  return `${address.text}/${length}`;
}

class NotOfThisForm extends Error {}

/** Undefined when it is anything else. */
export function machineFromJson(json: unknown): MachineFacts | undefined {
  try {
    return readMachine(json);
  } catch (error) {
    if (error instanceof NotOfThisForm) return undefined;
    throw error;
  }
}

function readMachine(json: unknown): MachineFacts {
  const provider = cloudProviders.find((name) => name === field(json, 'provider'));
  if (provider === undefined) throw new NotOfThisForm();
  return {
    provider,
    instanceId: textOf(json, 'instanceId'),
    instanceName: textOf(json, 'instanceName'),
    zone: textOf(json, 'zone'),
    region: textOf(json, 'region'),
    account: textOf(json, 'account'),
    nics: listOf(json, 'nics').map(readNic),
    publicAddresses: listOf(json, 'publicAddresses').map(readAddress),
  };
}

function readNic(json: unknown): MachineNic {
  return {
    id: textOf(json, 'id'),
    mac: textOf(json, 'mac'),
    device: textOf(json, 'device'),
    index: numberOf(json, 'index'),
    addresses: listOf(json, 'addresses').map(readInterfaceAddress),
    publicAddresses: listOf(json, 'publicAddresses').map(readAddress),
    subnets: listOf(json, 'subnets').map(readPrefix),
    subnetId: textOf(json, 'subnetId'),
    network: textOf(json, 'network'),
    aliases: listOf(json, 'aliases').map(readPrefix),
    securityGroups: listOf(json, 'securityGroups').map(asString),
    mtu: numberOf(json, 'mtu'),
  };
}

function textOf(json: unknown, key: string): string | undefined {
  const value = field(json, key);
  return value === undefined ? undefined : asString(value);
}

function numberOf(json: unknown, key: string): number | undefined {
  const value = field(json, key);
  if (value === undefined || (typeof value === 'number' && Number.isSafeInteger(value)))
    return value;
  throw new NotOfThisForm();
}

function listOf(json: unknown, key: string): readonly unknown[] {
  const value = field(json, key);
  if (Array.isArray(value)) return value;
  throw new NotOfThisForm();
}

function asString(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new NotOfThisForm();
}

function readAddress(value: unknown): Address {
  const address = tryParseAddress(asString(value));
  if (address === undefined) throw new NotOfThisForm();
  return address;
}

function readPrefix(value: unknown): Prefix {
  const prefix = tryParsePrefix(asString(value));
  if (typeof prefix === 'string') throw new NotOfThisForm();
  return prefix;
}

function readInterfaceAddress(value: unknown): InterfaceAddress {
  const parsed = tryParseInterfaceAddress(asString(value));
  if (typeof parsed === 'string') throw new NotOfThisForm();
  return parsed;
}
