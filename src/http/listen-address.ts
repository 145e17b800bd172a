/** `ADDRESS:PORT` of a listener: always an address of its own, so that nothing is open by accident. */
import type { Address } from '../../encap/address.js';
import { parseAddress } from '../../encap/address.js';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Can only this machine reach it? */
  readonly loopback: boolean;
}

/** Throws with what is wrong and what would be right. */
export function parseListenAddress(text: string): ListenAddress {
  const [, v6, v4, portText = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(portText);
  const host = v6 ?? v4;
  const address = host === undefined ? undefined : readAddress(host);
  const bracketed = v6 !== undefined;
  if (address === undefined || (address.family === 6) !== bracketed)
    throw new Error(
      `cannot listen on "${text}": it must be an address and a port, as 127.0.0.1:14789 or [::1]:14789`,
    );
  if (port < 1 || port > 65_535)
    throw new Error(`cannot listen on "${text}": ports are 1 to 65535, and this is ${portText}`);
  return { host: address.text, port, loopback: isLoopback(address) };
}

export function formatListenAddress({ host, port }: Pick<ListenAddress, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function readAddress(text: string): Address | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}

function isLoopback({ family, text }: Address): boolean {
  return family === 4 ? text.startsWith('127.') : text === '::1';
}
