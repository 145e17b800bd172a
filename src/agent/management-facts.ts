/**
 * The addresses by which this node is managed, as the machine itself knows them: default gateways,
 * name servers, and the other end of the session that asks.
 */
import { readFileSync } from 'node:fs';
import type { Address } from '../../encap/address.js';
import { isLinkLocal, tryParseAddress } from '../../encap/address.js';
import type { ManagementAddress } from '../../routes/management.js';
import { isOwnRoute, mainTable } from '../../routes/ownership.js';
import type { KernelState } from '../../tunnel/kernel.js';

/** systemd-resolved's own address says nothing about the servers behind it; its own file does. */
const resolverFiles = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const;

export function managementAddresses(
  kernel: KernelState,
  options: { readonly sshClient?: string | undefined; readonly resolverFiles?: readonly string[] },
): readonly ManagementAddress[] {
  const found: ManagementAddress[] = [];
  const client = options.sshClient === undefined ? undefined : tryParseAddress(options.sshClient);
  if (client !== undefined)
    found.push({ address: client, role: 'ssh-client', source: 'SSH_CONNECTION' });
  for (const route of kernel.routes) {
    if (route.table !== mainTable || route.prefix.length > 0 || isOwnRoute(route)) continue;
    if (route.target.kind !== 'unicast' || route.target.gateway === undefined) continue;
    found.push({
      address: route.target.gateway,
      role: 'default-gateway',
      source: `default route on ${route.target.device}`,
    });
  }
  for (const file of options.resolverFiles ?? resolverFiles)
    for (const address of nameServers(file))
      found.push({ address, role: 'name-server', source: file });
  const seen = new Set<string>();
  return found.filter((entry) => {
    const key = `${entry.role} ${entry.address.text}`;
    if (isLocalOnly(entry.address) || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** `nameserver ADDRESS` lines, resolv.conf(5). */
function nameServers(file: string): readonly Address[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const word = /^\s*nameserver\s+([^\s%]+)/.exec(line)?.[1];
    const address = word === undefined ? undefined : tryParseAddress(word);
    return address === undefined ? [] : [address];
  });
}

/** Loopback (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3) and link-local: never routed. */
function isLocalOnly(address: Address): boolean {
  return (
    address.text === '::1' ||
    (address.family === 4 && address.bytes[0] === 127) ||
    isLinkLocal(address)
  );
}
