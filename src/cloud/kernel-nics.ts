/**
 * This kernel's NICs by MAC. A VLAN, a bridge or the second half of a paired device (Azure's
 * accelerated networking) has the MAC of the NIC below: the one that has addresses is meant.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { isOwnDeviceName } from '../../routes/ownership.js';
import { readMac } from './metadata-values.js';

export const netFolder = '/sys/class/net';

/** MAC in lower case → name. */
export function kernelNics(folder = netFolder): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const add = (name: string, written: string | undefined): void => {
    const mac = readMac(written);
    if (mac === undefined || mac === '00:00:00:00:00:00' || isOwnDeviceName(name)) return;
    if (!found.has(mac)) found.set(mac, name);
  };
  if (folder === netFolder)
    for (const [name, addresses] of Object.entries(networkInterfaces()))
      add(name, addresses?.[0]?.mac);
  // Those without an address, or that are down.
  for (const name of namesIn(folder)) add(name, contentOf(join(folder, name, 'address')));
  return found;
}

/** Bytes, as the kernel has it now. */
export function deviceMtu(device: string, folder = netFolder): number | undefined {
  const text = contentOf(join(folder, device, 'mtu'));
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
