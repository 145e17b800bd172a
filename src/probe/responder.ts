/**
 * Answers questions of other agents that have passed all checks of endpoint.ts: they are genuine,
 * fresh, of a node of the cluster, from its own address, and within its rate.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Family } from '../../encap/address.js';
import {
  decodeCountsQuestion,
  decodeSendQuestion,
  decodeViewQuestion,
  decodeWatchQuestion,
  encodeCountsAnswer,
  encodeSendAnswer,
  encodeViewAnswer,
  encodeWatchAnswer,
  type SendStatus,
  viewAnswerHeaderBytes,
} from '../../encap/probe/body.js';
import { type Datagram, datagramMinBytes } from '../../encap/probe/datagram.js';
import {
  type Mark,
  markedMinBytes,
  markedOverheadBytes,
  markedPayload,
} from '../../encap/probe/mark.js';
import type { ViewTeller } from './view-pages.js';
import type { Watches } from './watches.js';

/** IPv4 and UDP headers: what a question is longer on its way than its datagram, at least. */
const questionOverheadBytes = 28;

export interface ResponderOptions {
  readonly watches: Watches;
  readonly views: ViewTeller;
  /** Sends a payload from this node's tunnel address to the peer's; undefined or the error's code. */
  readonly sendMarked: (packet: {
    readonly peer: string;
    readonly family: Family;
    readonly payload: Uint8Array;
  }) => Promise<string | undefined>;
}

export class Responder {
  readonly #options: ResponderOptions;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** The body of the answer; undefined: none is given. */
  async answer(
    question: Datagram,
    options: { readonly peer: string; readonly questionBytes: number },
  ): Promise<Uint8Array | undefined> {
    const { peer, questionBytes } = options;
    const room = questionBytes - datagramMinBytes;
    const { watches, views } = this.#options;
    switch (question.type) {
      case 'echo':
        return new Uint8Array();
      case 'view': {
        const asked = decodeViewQuestion(question.body);
        if (asked === undefined) return undefined;
        const pageBytes = room - viewAnswerHeaderBytes;
        return encodeViewAnswer(await views.page(asked, { peer, pageBytes }));
      }
      case 'watch': {
        const asked = decodeWatchQuestion(question.body);
        if (asked === undefined) return undefined;
        const { session, ...how } = asked;
        return encodeWatchAnswer(watches.open(session, { peer, ...how }));
      }
      case 'counts': {
        const asked = decodeCountsQuestion(question.body);
        if (asked === undefined) return undefined;
        const { train } = asked;
        // What has passed the devices by now may not have been read yet.
        await turn();
        await turn();
        return encodeCountsAnswer(watches.counts(asked.session, { peer, train }), room);
      }
      case 'send': {
        const asked = decodeSendQuestion(question.body);
        if (asked === undefined) return undefined;
        return encodeSendAnswer(await this.#send(asked, options));
      }
      case 'clock':
        return undefined;
    }
  }

  /** One packet for one question, and none that is larger than it. */
  async #send(
    asked: { readonly family: Family; readonly packetBytes: number; readonly mark: Mark },
    options: { readonly peer: string; readonly questionBytes: number },
  ): Promise<SendStatus> {
    const { family, mark } = asked;
    const packetBytes = Math.max(asked.packetBytes, markedMinBytes(family));
    if (packetBytes > options.questionBytes + questionOverheadBytes) return 'refused';
    const payload = markedPayload(mark, packetBytes - markedOverheadBytes(family));
    const code = await this.#options.sendMarked({ peer: options.peer, family, payload });
    if (code === undefined) return 'sent';
    return code === 'EMSGSIZE' ? 'too-big' : code === 'EADDRNOTAVAIL' ? 'refused' : 'failed';
  }
}
