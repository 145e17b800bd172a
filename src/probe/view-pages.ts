/**
 * A node's view of a pair crosses the network as deflated JSON in pages, none longer than the
 * question that asks for it. One state is kept for the rest of its pages.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import type { Family } from '../../encap/address.js';
import {
  type ViewAnswer,
  type ViewQuestion,
  type ViewStatus,
  maxViewBytes,
  viewIdBytes,
} from '../../encap/probe/body.js';
import type { NodeView } from '../../routes/diagnose/evidence.js';
import { stages } from '../../routes/diagnose/evidence.js';
import { probeLimits } from './limits.js';
import type { ViewProvider } from './pair-probe.js';

const inflatedMaxBytes = 4 * 1024 * 1024;
/** For all pages together. */
const viewMs = 3_000;
export const presentView = new Uint8Array(viewIdBytes);

interface Kept {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  readonly untilMs: number;
}

/** The side that tells. */
export class ViewTeller {
  readonly #view: ViewProvider;
  readonly #nowMs: () => number;
  readonly #kept = new Map<string, Kept>();
  readonly #making = new Map<string, Promise<Kept | undefined>>();

  constructor(view: ViewProvider, nowMs: () => number) {
    this.#view = view;
    this.#nowMs = nowMs;
  }

  async page(
    question: ViewQuestion,
    options: { readonly peer: string; readonly pageBytes: number },
  ): Promise<ViewAnswer> {
    const { peer, pageBytes } = options;
    const { family, view, offset } = question;
    const key = `${family} ${peer}`;
    const nothing = (status: 'gone' | 'none'): ViewAnswer => ({
      status,
      view,
      offset: 0,
      total: 0,
      page: new Uint8Array(),
    });
    let kept: Kept | undefined;
    if (view.every((byte) => byte === 0)) {
      kept = await this.#present(key, { peer, family });
      if (kept === undefined) return nothing('none');
      this.#keep(key, kept);
    } else {
      kept = this.#kept.get(key);
      const same = kept !== undefined && Buffer.compare(kept.id, view) === 0;
      if (kept === undefined || !same || kept.untilMs < this.#nowMs()) return nothing('gone');
    }
    const { bytes, id } = kept;
    const from = Math.min(offset, bytes.length);
    const page = bytes.subarray(from, from + Math.max(0, pageBytes));
    return { status: 'page', view: id, offset: from, total: bytes.length, page };
  }

  /** A question that is asked again while the view is made waits for the same one. */
  #present(
    key: string,
    pair: { readonly peer: string; readonly family: Family },
  ): Promise<Kept | undefined> {
    let making = this.#making.get(key);
    if (making === undefined) {
      making = this.#make(pair).finally(() => this.#making.delete(key));
      this.#making.set(key, making);
    }
    return making;
  }

  async #make(pair: { readonly peer: string; readonly family: Family }): Promise<Kept | undefined> {
    let view: NodeView;
    try {
      view = await this.#view(pair);
    } catch {
      // The asker is told that there is none; why is this node's own business to log.
      return undefined;
    }
    const bytes = deflateRawSync(JSON.stringify(view));
    if (bytes.length > maxViewBytes) return undefined;
    const id = createHash('sha256').update(bytes).digest().subarray(0, viewIdBytes);
    return { id, bytes, untilMs: this.#nowMs() + probeLimits.viewKeptMs };
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > probeLimits.viewsKept) this.#kept.delete(oldest!);
  }
}

/** Asks for a page; undefined: no answer. */
export type PageFetch = (question: Omit<ViewQuestion, 'family'>) => Promise<ViewAnswer | undefined>;

/** Fetches all pages of one state; the text says why there is no view. */
export async function fetchView(peer: string, fetch: PageFetch): Promise<NodeView | string> {
  const deadlineMs = performance.now() + viewMs;
  for (let attempt = 0; attempt < 2; attempt++) {
    const first = await fetch({ view: presentView, offset: 0 });
    if (first === undefined) return `${peer} does not answer the question for its view of the pair`;
    if (first.status === 'none') return `${peer} answers, but has no view of the pair to tell yet`;
    const pages = [first.page];
    let have = first.page.length;
    let state: ViewStatus = first.status;
    while (state === 'page' && have < first.total) {
      const isLate = performance.now() > deadlineMs;
      const next = isLate ? undefined : await fetch({ view: first.view, offset: have });
      if (next === undefined || (next.status === 'page' && next.offset !== have))
        return `${peer} told ${have} of ${first.total} bytes of its view of the pair and fell silent`;
      state = next.status;
      if (state === 'page' && next.page.length === 0) state = 'gone';
      if (state !== 'page') break;
      pages.push(next.page);
      have += next.page.length;
    }
    if (state === 'page') return parseView(peer, Buffer.concat(pages));
  }
  return `${peer} changes its view of the pair faster than it can be told`;
}

function parseView(peer: string, deflated: Uint8Array): NodeView | string {
  let value: unknown;
  try {
    value = JSON.parse(
      inflateRawSync(deflated, { maxOutputLength: inflatedMaxBytes }).toString('utf8'),
    );
  } catch (error) {
    return `${peer} told a view of the pair that cannot be read: ${(error as Error).message}`;
  }
  return isNodeView(value, peer)
    ? value
    : `${peer} told a view of the pair in a form that this version does not know`;
}

/** What a diagnosis relies on; a newer peer may tell more. */
function isNodeView(value: unknown, peer: string): value is NodeView {
  if (!isRecord(value) || value['node'] !== peer) return false;
  const { agent, terms, guardDrops, stages: reports } = value;
  return (
    ['running', 'frozen', 'none'].includes(agent as string) &&
    isRecord(terms) &&
    typeof terms['configDigest'] === 'string' &&
    typeof terms['verdict'] === 'string' &&
    isRecord(terms['vxlan']) &&
    Array.isArray(terms['underlay']) &&
    Array.isArray(terms['overlay']) &&
    isRecord(guardDrops) &&
    Array.isArray(reports) &&
    reports.every(isStageReport)
  );
}

function isStageReport(value: unknown): boolean {
  return (
    isRecord(value) &&
    (stages as readonly unknown[]).includes(value['stage']) &&
    typeof value['state'] === 'string' &&
    typeof value['key'] === 'string' &&
    ['there', 'back', 'both'].includes(value['direction'] as string) &&
    Array.isArray(value['attributes'])
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
