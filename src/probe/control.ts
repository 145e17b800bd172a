/**
 * The talk with one peer during one run: first an echo on every pair of addresses that both have,
 * then all questions on the best of those that answered: the underlay's, else through the tunnel.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, Family } from '../../encap/address.js';
import {
  datagramMinBytes,
  datagramUsualMaxBytes,
  type MessageType,
} from '../../encap/probe/datagram.js';
import type { ProbeEndpoint, Reply } from './endpoint.js';
import { packetGapMs, patienceMs } from './pace.js';

export interface ControlPath {
  readonly kind: 'underlay' | 'tunnel';
  readonly family: Family;
  readonly from: Address;
  readonly to: Address;
}

export interface ControlEchoes {
  readonly path: ControlPath;
  readonly sent: number;
  readonly rttsMs: readonly number[];
  readonly errors: readonly string[];
  /** Another node that answered under this address. */
  readonly other: string | undefined;
}

export interface AskOptions {
  /** Of the datagram; the answer has no more. */
  readonly bytes?: number;
  readonly attempts?: number;
  /** What the peer may need to make an answer, beside the time on the way. */
  readonly workMs?: number;
}

/** Questions of one run that are asked again when no answer comes. */
const attempts = 3;

export class Control {
  readonly #endpoint: ProbeEndpoint;
  readonly #peer: string;
  readonly echoes: readonly ControlEchoes[];
  readonly path: ControlPath | undefined;
  readonly rttMs: number | undefined;
  /** A node that has the peer's underlay address, and is not the peer. */
  readonly answeredInstead: string | undefined;

  private constructor(endpoint: ProbeEndpoint, peer: string, echoes: readonly ControlEchoes[]) {
    this.#endpoint = endpoint;
    this.#peer = peer;
    this.echoes = echoes;
    const alive = echoes
      .filter(({ rttsMs }) => rttsMs.length > 0)
      .sort((a, b) => rank(a) - rank(b) || b.rttsMs.length - a.rttsMs.length)[0];
    this.answeredInstead = echoes.find(({ other }) => other !== undefined)?.other;
    this.path = alive?.path;
    this.rttMs = alive === undefined ? undefined : Math.max(...alive.rttsMs);
  }

  /** Underlay paths get all the echoes, as they are evidence; tunnel paths one or two, as a spare way. */
  static async open(
    endpoint: ProbeEndpoint,
    options: {
      readonly peer: string;
      readonly paths: readonly ControlPath[];
      readonly count: number;
    },
  ): Promise<Control> {
    const { peer, paths, count } = options;
    const echoes = await Promise.all(
      paths.map((path) =>
        echo(endpoint, {
          peer,
          path,
          count: path.kind === 'underlay' ? count : Math.min(2, count),
        }),
      ),
    );
    return new Control(endpoint, peer, echoes);
  }

  /** The body of the answer; undefined: none came, or the kernel refused. */
  async ask(
    type: MessageType,
    body: Uint8Array,
    options: AskOptions = {},
  ): Promise<Uint8Array | undefined> {
    if (this.path === undefined) return undefined;
    const { from, to } = this.path;
    for (let attempt = 0; attempt < (options.attempts ?? attempts); attempt++) {
      const reply = await this.#endpoint.ask({
        peer: this.#peer,
        type,
        body,
        from,
        to,
        bytes: options.bytes ?? datagramUsualMaxBytes,
        timeoutMs: Math.max(options.workMs ?? 0, patienceMs(this.rttMs)),
      });
      if (reply.kind === 'answer') return reply.body;
      if (reply.kind === 'error' || reply.kind === 'other') return undefined;
    }
    return undefined;
  }
}

async function echo(
  endpoint: ProbeEndpoint,
  how: { readonly peer: string; readonly path: ControlPath; readonly count: number },
): Promise<ControlEchoes> {
  const { peer, path, count } = how;
  const replies: Promise<Reply>[] = [];
  for (let i = 0; i < count; i++) {
    if (i > 0) await sleep(packetGapMs);
    const { from, to } = path;
    const timeoutMs = patienceMs(undefined);
    replies.push(
      endpoint.ask({
        peer,
        type: 'echo',
        body: new Uint8Array(),
        from,
        to,
        bytes: datagramMinBytes,
        timeoutMs,
      }),
    );
  }
  const all = await Promise.all(replies);
  return {
    path,
    sent: count,
    rttsMs: all.flatMap((reply) => (reply.kind === 'answer' ? [reply.rttMs] : [])),
    other: all.flatMap((reply) => (reply.kind === 'other' ? [reply.node] : []))[0],
    errors: [...new Set(all.flatMap((reply) => (reply.kind === 'error' ? [reply.code] : [])))],
  };
}

function rank({ path }: ControlEchoes): number {
  return (path.kind === 'underlay' ? 0 : 2) + (path.family === 4 ? 0 : 1);
}
