/**
 * Asks a segment which MACs an address has, and counts all that answer: the kernel's own neighbour
 * table keeps the last one alone, and with two hosts on one address that is the quicker of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeWhoHas, whoHasAnswer, type WhoHas } from '../../encap/wire/who-has.js';
import { inNetns } from '../native/netns.js';
import { addressAnswerFilter } from './filter.js';
import { sendFrame } from './frames.js';
import { openTap } from './tap.js';

export interface WhoHasQuestion extends WhoHas {
  readonly device: string;
  readonly packets?: number;
  /** After the last question. */
  readonly waitMs?: number;
  /** A name or a path; undefined: the current one. */
  readonly netns?: string;
}

const packetsUsual = 2;
const gapMs = 50;
const waitUsualMs = 300;

/** In order; throws without the right to ask. */
export async function whoHas(question: WhoHasQuestion): Promise<readonly string[]> {
  const { device, target, netns, packets = packetsUsual, waitMs = waitUsualMs } = question;
  const macs = new Set<string>();
  const tap = openTap({
    device,
    filter: addressAnswerFilter(),
    limitMs: packets * gapMs + waitMs + 1_000,
    ...(netns === undefined ? {} : { netns }),
    onFrame: ({ way, bytes }) => {
      const mac = way === 'out' ? undefined : whoHasAnswer(bytes, target);
      if (mac !== undefined) macs.add(mac);
    },
  });
  try {
    const frame = encodeWhoHas(question);
    for (let sent = 0; sent < packets; sent++) {
      if (sent > 0) await sleep(gapMs);
      const code = inNetns(netns, () => sendFrame(device, frame));
      if (code !== undefined)
        throw new Error(`cannot ask on ${device} for ${target.text}: ${code}`);
    }
    await sleep(waitMs);
  } finally {
    tap.close();
  }
  return [...macs].sort();
}
