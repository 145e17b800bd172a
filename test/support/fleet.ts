/** A fleet in memory for tests: a server with a configuration, and machines that join it. */
import { parseAddress } from '../../encap/address.js';
import { tryParseInterfaceAddress } from '../../encap/prefix.js';
import type { JoinRequest, Joined } from '../../src/fleet/join.js';
import { joinNode } from '../../src/fleet/join.js';
import type { MachineAddress } from '../../src/fleet/placement.js';
import type { FleetKeys } from '../../src/store/fleet/keys.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import type { ConfigValue } from '../../src/store/fleet/records.js';
import type { KeyValue } from '../../src/store/kv.js';
import { MemoryServer } from '../../src/store/memory-kv.js';

/** Cluster `c` with this configuration as its first version. */
export async function fleetOf(
  text: string,
): Promise<{ readonly server: MemoryServer; readonly keys: FleetKeys }> {
  const server = new MemoryServer();
  await writeConfig(server.client(), { version: 1, text });
  return { server, keys: fleetKeys('c') };
}

export async function writeConfig(
  kv: KeyValue,
  config: { readonly version: number; readonly text: string },
): Promise<void> {
  const { version, text } = config;
  const value: ConfigValue = { version: 1, text, at: '2026-01-01T00:00:00Z', by: 'test' };
  await kv.put(fleetKeys('c').config(version), JSON.stringify(value));
}

export interface Joining {
  readonly name: string;
  /** Of the machine's only NIC, with masks. */
  readonly address: string | readonly string[];
  readonly blocks?: number;
  readonly zone?: string;
  readonly replace?: boolean;
  readonly agentIsHere?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly random?: () => number;
}

export function joinAs(on: MemoryServer | KeyValue, joining: Joining): Promise<Joined> {
  const kv = on instanceof MemoryServer ? on.client() : on;
  return joinNode(kv, joinRequest(joining));
}

export function joinRequest(joining: Joining): JoinRequest {
  const { name, address, blocks = 1, zone, replace = false, labels, random = () => 0 } = joining;
  return {
    keys: fleetKeys('c'),
    name,
    machine: {
      addresses: [address].flat().map(machineAddress),
      toldZone: undefined,
      publicAddresses: [],
      mtuOf: () => undefined,
      planes: undefined,
    },
    zone,
    addresses: [],
    labels,
    blocks,
    agentIsHere: joining.agentIsHere ?? false,
    replace,
    now: () => new Date('2026-01-01T00:00:00Z'),
    random,
  };
}

function machineAddress(text: string): MachineAddress {
  const parsed = tryParseInterfaceAddress(text);
  if (typeof parsed === 'string') return { address: parseAddress(text), length: 32, device: 'e0' };
  return { ...parsed, device: 'eth0' };
}
