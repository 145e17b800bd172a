/**
 * One node's end of the talk between agents. What arrives on the probe port goes this way:
 *
 *     a marked packet of a session that is watched: counted, never answered
 *     from an address of no node, or more than can be looked at: dropped
 *     no tag of ours, not for us, or signed by a node that does not own the address: dropped
 *     an answer: to whoever waits for it
 *     a question beyond its sender's rate: dropped
 *     a question from another time: answered with our time, so that the clocks can be told apart
 *     a question seen before: dropped
 *     a question: answered
 *
 * Nothing is ever said to those who do not have the key, and no answer is longer than its question.
 */
import type { Address, Family } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { type Datagram, type MessageType, decodeDatagram } from '../../encap/probe/datagram.js';
import { defaultProbePort } from '../../encap/probe/settings.js';
import { tunnelAddress } from '../../routes/vtep.js';
import { NodeDirectory, probeAddresses } from './directory.js';
import { probeLimits } from './limits.js';
import type { ViewProvider } from './pair-probe.js';
import { Rates } from './rates.js';
import { NonceMemory } from './replay.js';
import { Responder } from './responder.js';
import { Seal, newNonce } from './seal.js';
import { type ReceivedDatagram, UdpSockets } from './udp-sockets.js';
import { ViewTeller } from './view-pages.js';
import { Watches } from './watches.js';

export interface EndpointOptions {
  readonly self: string;
  readonly key: Uint8Array;
  /** Devices that the underlay is reached by. */
  readonly nics: () => readonly string[];
  readonly viewOf: ViewProvider;
  /** Wall clock, in milliseconds since 1970. */
  readonly nowMs?: () => number;
}

/** Why datagrams were not answered, for status and metrics. */
export const dropReasons = [
  'source',
  'flood',
  'garbage',
  'tag',
  'identity',
  'rate',
  'replay',
  'body',
  'longer',
] as const;
export type DropReason = (typeof dropReasons)[number];

export interface Question {
  readonly peer: string;
  readonly type: MessageType;
  readonly body: Uint8Array;
  /** Own address to ask from, and the peer's to ask at. */
  readonly from: Address;
  readonly to: Address;
  /** Length of the datagram, and so the most that the answer may have. */
  readonly bytes: number;
  readonly timeoutMs: number;
}

export type Reply =
  | { readonly kind: 'answer'; readonly body: Uint8Array; readonly rttMs: number }
  | { readonly kind: 'silence' }
  /** Somebody else has the address that was asked. */
  | { readonly kind: 'other'; readonly node: string }
  /** The kernel did not take it. */
  | { readonly kind: 'error'; readonly code: string };

interface Waiting {
  readonly peer: string;
  readonly type: MessageType;
  readonly done: (answer: { readonly datagram: Datagram; readonly atMs: number }) => void;
  readonly other: (node: string) => void;
}

export class ProbeEndpoint {
  readonly #options: EndpointOptions;
  readonly #nowMs: () => number;
  readonly #seal: Seal;
  readonly #sockets: UdpSockets;
  readonly #directory = new NodeDirectory();
  readonly #rates = new Rates();
  readonly #nonces = new NonceMemory({
    keptMs: 2 * probeLimits.clockWindowMs,
    max: probeLimits.nonces,
  });
  readonly #responder: Responder;
  readonly #waiting = new Map<string, Waiting>();
  /** How far a peer's clock is ahead of ours, where it told us so. */
  readonly #clocks = new Map<string, number>();
  readonly #drops = new Map<DropReason, number>();
  readonly watches: Watches;
  #cluster: Cluster | undefined;
  #port = defaultProbePort;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#seal = new Seal(options.key);
    this.#sockets = new UdpSockets((datagram) => this.#received(datagram));
    this.watches = new Watches({ nics: options.nics, nowMs: () => performance.now() });
    this.#responder = new Responder({
      watches: this.watches,
      views: new ViewTeller(options.viewOf, () => performance.now()),
      sendMarked: (packet) => this.sendMarked(packet),
    });
  }

  get port(): number {
    return this.#port;
  }

  get problems(): readonly string[] {
    return this.#sockets.problems;
  }

  /** Datagrams that were dropped, by reason. */
  get drops(): Readonly<Partial<Record<DropReason, number>>> {
    return Object.fromEntries(this.#drops);
  }

  /** To be called when the cluster or the node's own addresses may have changed. */
  async update(cluster: Cluster): Promise<void> {
    this.#cluster = cluster;
    this.#port = cluster.probes?.port ?? defaultProbePort;
    const self = cluster.nodes.get(this.#options.self);
    await this.#sockets.update(self === undefined ? [] : probeAddresses(self), this.#port);
  }

  /** How far the peer's clock is ahead of ours in milliseconds, where that is more than is allowed. */
  clockOffsetMs(peer: string): number | undefined {
    return this.#clocks.get(peer);
  }

  listensOn(address: Address): boolean {
    return this.#sockets.has(address);
  }

  async ask(question: Question): Promise<Reply> {
    const reply = await this.#askOnce(question);
    if (reply !== 'other-clock') return reply;
    const again = await this.#askOnce(question);
    return again === 'other-clock' ? { kind: 'silence' } : again;
  }

  /** Sends a payload between the tunnel addresses, as the kernel routes it. */
  async sendMarked(packet: {
    readonly peer: string;
    readonly family: Family;
    readonly payload: Uint8Array;
  }): Promise<string | undefined> {
    const { peer, family, payload } = packet;
    const nodes = this.#cluster?.nodes;
    const [self, node] = [nodes?.get(this.#options.self), nodes?.get(peer)];
    const from = self && tunnelAddress(self, family);
    const to = node && tunnelAddress(node, family);
    if (from === undefined || to === undefined) return 'EADDRNOTAVAIL';
    return this.#sockets.send(payload, { from, to: to.text, port: this.#port });
  }

  close(): void {
    this.#sockets.close();
    this.watches.closeAll();
  }

  async #askOnce(question: Question): Promise<Reply | 'other-clock'> {
    const { peer, type, from, to, timeoutMs } = question;
    const nonce = newNonce();
    const key = Buffer.from(nonce).toString('latin1');
    const bytes = this.#seal.seal(
      {
        type,
        kind: 'question',
        nonce,
        timeMs: this.#nowMs() + (this.#clocks.get(peer) ?? 0),
        sender: this.#seal.nodeId(this.#options.self),
        receiver: this.#seal.nodeId(peer),
        body: question.body,
      },
      question.bytes,
    );
    const sentMs = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<Reply | 'other-clock'>((resolve) => {
      timer = setTimeout(() => resolve({ kind: 'silence' }), timeoutMs);
      this.#waiting.set(key, {
        peer,
        type,
        other: (node) => resolve({ kind: 'other', node }),
        done: ({ datagram, atMs }) => {
          if (datagram.type !== 'clock')
            return resolve({ kind: 'answer', body: datagram.body, rttMs: atMs - sentMs });
          this.#clocks.set(peer, datagram.timeMs - this.#nowMs());
          resolve('other-clock');
        },
      });
    });
    const code = await this.#sockets.send(bytes, { from, to: to.text, port: this.#port });
    try {
      return code === undefined ? await answered : { kind: 'error', code };
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(key);
    }
  }

  #received(received: ReceivedDatagram): void {
    const atMs = performance.now();
    const { bytes, source } = received;
    const cluster = this.#cluster;
    const datagram = decodeDatagram(bytes);
    if (datagram === undefined) {
      if (!this.watches.delivered(bytes)) this.#drop('garbage');
      return;
    }
    if (cluster === undefined) return;
    const owners = this.#directory.ownersOf(source, cluster);
    if (owners.length === 0) return this.#drop('source');
    if (!this.#rates.mayVerify(atMs)) return this.#drop('flood');
    if (!this.#seal.isGenuine(datagram)) return this.#drop('tag');
    const peer = owners.find((name) => this.#seal.isNode(datagram.sender, name));
    if (peer === undefined) return this.#fromElsewhere(datagram, { owners, cluster });
    if (peer === this.#options.self) return this.#drop('identity');
    if (!this.#seal.isNode(datagram.receiver, this.#options.self))
      return this.#notForUs(received, { datagram, peer, atMs });
    if (datagram.kind === 'answer') {
      const waiting = this.#waiting.get(Buffer.from(datagram.nonce).toString('latin1'));
      if (waiting?.peer === peer && (datagram.type === waiting.type || datagram.type === 'clock'))
        waiting.done({ datagram, atMs });
      return;
    }
    if (!this.#rates.mayAnswer(peer, atMs)) return this.#drop('rate');
    if (Math.abs(datagram.timeMs - this.#nowMs()) > probeLimits.clockWindowMs)
      return this.#reply(received, { datagram, peer, type: 'clock', body: new Uint8Array() });
    if (!this.#nonces.isNew(datagram.nonce, atMs)) return this.#drop('replay');
    void this.#responder.answer(datagram, { peer, questionBytes: bytes.length }).then((body) => {
      if (body === undefined) this.#drop('body');
      else this.#reply(received, { datagram, peer, type: datagram.type, body });
    });
  }

  /**
   * An echo for another node that reached this one by that node's address: one of the two should not have
   * it, and who asks is told who answers.
   */
  #notForUs(
    received: ReceivedDatagram,
    of: { readonly datagram: Datagram; readonly peer: string; readonly atMs: number },
  ): void {
    const { datagram, peer, atMs } = of;
    const { type, kind, timeMs, nonce } = datagram;
    const isAnswered =
      type === 'echo' &&
      kind === 'question' &&
      Math.abs(timeMs - this.#nowMs()) <= probeLimits.clockWindowMs &&
      this.#rates.mayAnswer(peer, atMs) &&
      this.#nonces.isNew(nonce, atMs);
    if (isAnswered) this.#reply(received, { datagram, peer, type, body: new Uint8Array() });
    else this.#drop('identity');
  }

  /** Genuine, but not from the node whose address it came from. */
  #fromElsewhere(
    datagram: Datagram,
    of: { readonly owners: readonly string[]; readonly cluster: Cluster },
  ): void {
    const waiting = this.#waiting.get(Buffer.from(datagram.nonce).toString('latin1'));
    const isOurs =
      datagram.kind === 'answer' &&
      waiting !== undefined &&
      of.owners.includes(waiting.peer) &&
      this.#seal.isNode(datagram.receiver, this.#options.self);
    if (!isOurs) return this.#drop('identity');
    for (const { name } of of.cluster.nodes.values())
      if (this.#seal.isNode(datagram.sender, name)) return waiting.other(name);
    this.#drop('identity');
  }

  #reply(
    received: ReceivedDatagram,
    answer: {
      readonly datagram: Datagram;
      readonly peer: string;
      readonly type: MessageType;
      readonly body: Uint8Array;
    },
  ): void {
    const { datagram, peer, type, body } = answer;
    const bytes = this.#seal.seal({
      type,
      kind: 'answer',
      nonce: datagram.nonce,
      timeMs: this.#nowMs(),
      sender: this.#seal.nodeId(this.#options.self),
      receiver: this.#seal.nodeId(peer),
      body,
    });
    if (bytes.length > received.bytes.length) return this.#drop('longer');
    const { local: from, source: to, sourcePort: port } = received;
    // Who does not get the answer asks again.
    void this.#sockets.send(bytes, { from, to, port });
  }

  #drop(reason: DropReason): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  }
}
