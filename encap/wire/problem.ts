/**
 * What can be wrong with received bytes, and where. A decoder never throws on them: a packet is
 * input from strangers, and the data plane counts what it drops by `layer` and `kind`.
 */

export type WireLayer = 'ethernet' | 'ipv4' | 'ipv6' | 'udp' | 'tcp' | 'icmp' | 'vxlan' | 'ipip';

export type WireProblemKind =
  | 'truncated'
  | 'version'
  | 'header-length'
  | 'total-length'
  | 'checksum'
  | 'ttl'
  | 'flags'
  | 'protocol'
  | 'fragment'
  | 'ecn';

export interface WireProblem {
  readonly layer: WireLayer;
  readonly kind: WireProblemKind;
  /** Where in the given buffer, in bytes. */
  readonly offset: number;
  readonly message: string;
}

/** A decoded header; its payload is `bytes.subarray(payloadOffset, payloadEnd)`. */
export interface Decoded<Header> {
  readonly ok: true;
  readonly header: Header;
  readonly payloadOffset: number;
  readonly payloadEnd: number;
}

export interface Failed {
  readonly ok: false;
  readonly problem: WireProblem;
}

export type DecodeResult<Header> = Decoded<Header> | Failed;

/** Which part of the buffer a header is decoded from. */
export interface DecodeRange {
  /** First byte of the header; 0 when not given. */
  readonly offset?: number;
  /** End of the bytes that may be read; the buffer's end when not given. */
  readonly end?: number;
  /**
   * `cut`: the capture or the fragment may hold less than the header's length field says; the
   * header itself must still be whole. Otherwise missing bytes are a `truncated` problem.
   */
  readonly payload?: 'whole' | 'cut';
}

export function failed(
  layer: WireLayer,
  kind: WireProblemKind,
  offset: number,
  message: string,
): Failed {
  return { ok: false, problem: { layer, kind, offset, message } };
}

/** The usual complaint: the header needs `needed` bytes from `offset` on. */
export function truncated(
  layer: WireLayer,
  offset: number,
  sizes: { needed: number; found: number },
): Failed {
  return failed(
    layer,
    'truncated',
    offset,
    `${layer} needs ${sizes.needed} bytes, ${sizes.found} are there`,
  );
}
