/**
 * What makes a datagram genuine: HMAC-SHA-256 (RFC 2104) with a key that is derived from the cluster
 * key for this purpose alone, and ids of nodes that are the same on every node.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  type Datagram,
  type DatagramFields,
  encodeDatagram,
  nodeIdBytes,
  nonceBytes,
  tagBytes,
} from '../../encap/probe/datagram.js';

const purpose = 'selvage/probe/1';
const idsMax = 200_000;

export class Seal {
  readonly #key: Buffer;
  readonly #ids = new Map<string, Uint8Array>();

  constructor(clusterKey: Uint8Array) {
    this.#key = createHmac('sha256', clusterKey).update(purpose).digest();
  }

  nodeId(node: string): Uint8Array {
    let id = this.#ids.get(node);
    if (id === undefined) {
      id = createHash('sha256').update(`${purpose}/${node}`).digest().subarray(0, nodeIdBytes);
      if (this.#ids.size >= idsMax) this.#ids.clear();
      this.#ids.set(node, id);
    }
    return id;
  }

  isNode(id: Uint8Array, node: string): boolean {
    return timingSafeEqual(id, this.nodeId(node));
  }

  /** The whole datagram with its tag, at least so many bytes long. */
  seal(fields: DatagramFields, totalBytes = 0): Uint8Array {
    const bytes = encodeDatagram(fields, totalBytes);
    const covered = bytes.subarray(0, bytes.length - tagBytes);
    bytes.set(this.#tag(covered), covered.length);
    return bytes;
  }

  isGenuine(datagram: Pick<Datagram, 'covered' | 'tag'>): boolean {
    return timingSafeEqual(datagram.tag, this.#tag(datagram.covered));
  }

  #tag(covered: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#key).update(covered).digest().subarray(0, tagBytes);
  }
}

export function newNonce(): Uint8Array {
  return randomBytes(nonceBytes);
}
