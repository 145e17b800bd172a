/**
 * The address of a fleet's store, as people write it:
 *
 *     etcd://10.0.0.1:2379,10.0.0.2:2379,[2001:db8::3]:2379/CLUSTER
 *
 * Which engine, where it answers, and which cluster of those that it holds. Credentials never stand
 * in an address: it ends up in logs, in `ps` and in shells' histories.
 */
import { isIP } from 'node:net';
import { isName } from '../config/names.js';

export interface Endpoint {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** `10.0.0.1:2379`, `[2001:db8::3]:2379` */
  readonly text: string;
}

export interface StoreAddress {
  /** Key of `engines` in registry.ts. */
  readonly engine: string;
  /** At least one, in the order in which they were written. */
  readonly endpoints: readonly Endpoint[];
  readonly cluster: string;
  /** The whole of it, ports included. */
  readonly text: string;
}

/** It is no address of a store; the message says what would be one. */
export class StoreAddressError extends Error {
  override readonly name = 'StoreAddressError';
}

export interface AddressOptions {
  /** The port of each engine that there is, for end points without one. */
  readonly defaultPorts: Readonly<Record<string, number>>;
}

const form = 'write it as etcd://HOST:PORT[,HOST:PORT…]/CLUSTER';

export function parseStoreAddress(text: string, options: AddressOptions): StoreAddress {
  const fail = (problem: string, remedy = form): never => {
    throw new StoreAddressError(`${problem}: "${withoutSecret(text)}"; ${remedy}`);
  };
  const parts = /^([a-z][a-z0-9+.-]*):\/\/([^/]*)(?:\/(.*))?$/i.exec(text.trim());
  if (parts === null) return fail('this is no address of a store');
  const [, scheme = '', authority = '', cluster = ''] = parts;
  const engine = scheme.toLowerCase();
  const defaultPort = options.defaultPorts[engine];
  if (defaultPort === undefined)
    return fail(
      `there is no store of the kind "${scheme}"`,
      `known: ${Object.keys(options.defaultPorts).join(', ')}; ${form}`,
    );
  if (authority.includes('@'))
    return fail(
      'an address holds no credentials',
      'take them out and use --store-user and --store-password-file',
    );
  if (authority === '') return fail('the address names no host');
  if (cluster === '') return fail('the address does not say which cluster', `${form}, e.g. /prod`);
  if (!isName(cluster))
    return fail(
      `"${cluster}" is no name of a cluster`,
      'use lower-case letters, digits, "-", "_" and "."; begin and end with a letter or digit',
    );
  const endpoints = authority.split(',').map((part) => {
    const endpoint = parseEndpoint(part, defaultPort);
    return typeof endpoint === 'string' ? fail(endpoint) : endpoint;
  });
  const twice = endpoints.find(
    (one, index) => endpoints.findIndex((other) => other.text === one.text) !== index,
  );
  if (twice !== undefined) return fail(`${twice.text} is named twice`, 'name each end point once');
  return Object.freeze({
    engine,
    endpoints: Object.freeze(endpoints),
    cluster,
    text: `${engine}://${endpoints.map((one) => one.text).join(',')}/${cluster}`,
  });
}

/** Is it this machine's own, so that nobody can listen or stand in between? */
export function isLoopback(endpoint: Endpoint): boolean {
  const { host } = endpoint;
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function parseEndpoint(part: string, defaultPort: number): Endpoint | string {
  const pieces = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(part);
  if (pieces === null)
    return isIP(part) === 6
      ? `an IPv6 address needs brackets, [${part}]`
      : `"${part}" is no host with a port`;
  const [, bracketed, plain = '', digits] = pieces;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (digits === '' || port < 1 || port > 65_535) return `"${part}" has no port from 1 to 65535`;
  if (bracketed !== undefined) {
    if (isIP(bracketed.replace(/%.*$/, '')) !== 6) return `[${bracketed}] is no IPv6 address`;
    return Object.freeze({ host: bracketed, port, text: `[${bracketed}]:${port}` });
  }
  const host = plain.toLowerCase();
  if (host === '') return 'an end point has no host';
  if (!isHost(host)) return `"${plain}" is neither an IP address nor a host name`;
  return Object.freeze({ host, port, text: `${host}:${port}` });
}

/** Digits and dots alone must be an address: `10.0.0.256` is a slip, not a name. */
function isHost(host: string): boolean {
  if (/^[\d.]+$/.test(host)) return isIP(host) === 4;
  return (
    host.length <= 253 &&
    /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.?$/.test(host)
  );
}

function withoutSecret(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//…@');
}
