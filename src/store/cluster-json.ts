/**
 * A cluster as JSON text and back. Everything in a cluster is plain data but for three kinds of
 * value, which are written as objects with a single, marked key: addresses and prefixes as
 * `{"$ip": "10.0.0.1"}`, maps as `{"$map": [[key, value], …]}`, the nodes as `{"$nodes": […]}`.
 */
import { parseAddress } from '../../encap/address.js';
import type { Cluster, ClusterNode, NodeTable } from '../../encap/cluster.js';
import { nodeTable } from '../../encap/node-table.js';
import { parsePrefix } from '../../encap/prefix.js';

export function clusterToJson(cluster: Cluster): string {
  return JSON.stringify(encode({ ...cluster, nodes: { $nodes: [...cluster.nodes.values()] } }));
}

/** The same text in pieces, each of them soon made: a large cluster takes a while. */
export function* clusterJsonPieces(cluster: Cluster): Generator<string, void, void> {
  const text = JSON.stringify(encode({ ...cluster, nodes: { $nodes: [] } }));
  // With these quotes it stands in no value, and no other key has such a value.
  const end = text.indexOf(emptyNodes) + emptyNodes.length - 2;
  yield text.slice(0, end);
  let piece: string[] = [];
  let first = true;
  for (const node of cluster.nodes.values()) {
    piece.push(`${first ? '' : ','}${JSON.stringify(encode(node))}`);
    first = false;
    if (piece.length < nodesInPiece) continue;
    yield piece.join('');
    piece = [];
  }
  yield piece.join('') + text.slice(end);
}

const emptyNodes = '"nodes":{"$nodes":[]}';
/** About a millisecond. */
const nodesInPiece = 100;

/** Any plain data of the model (addresses, prefixes, maps within objects and lists) for `JSON`. */
export function modelToPlain(value: unknown): unknown {
  return encode(value);
}

/** The way back; throws on an address that is none. */
export function modelFromPlain(value: unknown): unknown {
  return decode(value);
}

/** Throws with what is missing; a wrong shape further down shows when it is decided on. */
export function clusterFromJson(text: string): Cluster {
  const value = decode(JSON.parse(text));
  if (!isRecord(value)) throw new TypeError('it is not a cluster');
  for (const [key, holds] of Object.entries(required))
    if (!holds(value[key])) throw new TypeError(`"${key}" is missing or not of its kind`);
  return Object.freeze(value) as unknown as Cluster;
}

/** What every version of the format has. */
const required: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: (value) => typeof value === 'string',
  revision: Number.isInteger,
  pools: Array.isArray,
  vxlan: isRecord,
  zones: (value) => value instanceof Map,
  links: Array.isArray,
  rules: Array.isArray,
  nodes: isRecord,
};

function encode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(encode);
  if (value instanceof Map)
    return { $map: [...value].map(([key, entry]) => [key, encode(entry)] as const) };
  if (!isRecord(value)) return value;
  if (value['bytes'] instanceof Uint8Array) return { $ip: value['text'] };
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, encode(entry)]));
}

function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (!isRecord(value)) return value;
  if (typeof value['$ip'] === 'string') return decodeIp(value['$ip']);
  if (Array.isArray(value['$map']))
    return new Map(
      (value['$map'] as readonly [unknown, unknown][]).map(([key, entry]) => [key, decode(entry)]),
    );
  if (Array.isArray(value['$nodes'])) return decodeNodes(value['$nodes']);
  return Object.freeze(
    Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, decode(entry)])),
  );
}

function decodeIp(text: string): unknown {
  return text.includes('/') ? parsePrefix(text) : parseAddress(text);
}

function decodeNodes(values: readonly unknown[]): NodeTable {
  return nodeTable(
    values.map((value) => {
      const node = decode(value);
      if (!isRecord(node) || typeof node['name'] !== 'string')
        throw new TypeError('a nameless node');
      for (const key of ['underlay', 'publicAddresses', 'overlay'])
        if (!Array.isArray(node[key]))
          throw new TypeError(`"${key}" of node ${node['name']} is missing`);
      return node as unknown as ClusterNode;
    }),
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
