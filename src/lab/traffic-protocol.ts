/**
 * What the lab asks of the process that stands in for the workloads behind a node, one JSON object
 * a line each way: requests on its standard input, replies and arrivals on its standard output.
 */
export const probePort = 7717;
export const transferPort = 7718;
/** A probe's payload begins with this, the flow's number and the packet's (32 bits each). */
export const probeMagic = 0x534c5641;
export const probeHeaderBytes = 12;

export type TrafficRequest =
  | { readonly id: number; readonly verb: 'listen'; readonly addresses: readonly string[] }
  | {
      readonly id: number;
      readonly verb: 'probe';
      readonly from: string;
      readonly to: string;
      /** Names the probes at the receiver. */
      readonly flow: number;
      /** Bytes of UDP payload, one packet for each. */
      readonly payloads: readonly number[];
      /** How long an answer from the network (ICMP) is waited for. */
      readonly lingerMs: number;
    }
  | {
      readonly id: number;
      readonly verb: 'transfer';
      readonly from: string;
      readonly to: string;
      readonly bytes: number;
      readonly timeoutMs: number;
    };

export interface ProbeReply {
  readonly id: number;
  readonly sent: number;
  /** What the network answered, e.g. EMSGSIZE for "fragmentation needed", EHOSTUNREACH. */
  readonly refusal: string | undefined;
}

export interface TransferReply {
  readonly id: number;
  /** Bytes that the receiver confirmed, with the right content. */
  readonly confirmed: number;
  readonly durationMs: number;
  readonly problem: string | undefined;
}

export interface Arrival {
  readonly arrived: number;
  readonly sequence: number;
  readonly bytes: number;
}

export type TrafficReply = { readonly id: number; readonly error?: string };

/** What a transfer sends: a pattern, so that the receiver can tell damage. */
export function transferByte(index: number): number {
  return (index * 31 + (index >> 8)) & 0xff;
}
