/**
 * All keys of a prefix, in pages of one moment.
 *
 * The first page is linearizable, as are all reads here: etcd asks its leader how far the cluster
 * has got before it answers, so that no listing is older than one that was seen before, whichever
 * member it comes from. (A serializable one, of what the member has by itself, would also be there
 * without a majority; but then there is no watch either, and the agent has its last good cluster
 * on disk.) The pages after it name the first one's revision, so the member need ask nobody.
 */
import type { Entry, Listing } from '../kv.js';
import { methods } from './methods.js';
import type { Session } from './session.js';
import { TooLarge, Compacted } from './session.js';
import { pageKeys } from './timing.js';

export async function listPrefix(session: Session, prefix: string): Promise<Listing> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listAtOnce(session, prefix);
    } catch (error) {
      // The history was cut between two pages.
      if (!(error instanceof Compacted)) throw error;
      if (attempt === maxAttempts)
        throw session.error(
          'unavailable',
          `list ${prefix}`,
          'its history is cut faster than it can be read; compact less often',
        );
    }
  }
}

const maxAttempts = 5;

async function listAtOnce(session: Session, prefix: string): Promise<Listing> {
  const action = `list ${prefix}`;
  const rangeEnd = endOfPrefix(prefix);
  const entries: Entry[] = [];
  let key: Buffer = Buffer.from(prefix);
  let revision = 0;
  let limit = pageKeys;
  for (;;) {
    const request = { key, rangeEnd, limit, revision, serializable: revision > 0 };
    try {
      const page = await session.call(
        (member, options) => member.unary(methods.range, request, options),
        { action },
      );
      if (revision === 0) revision = page.revision;
      for (const entry of page.entries) entries.push(entry);
      if (!page.more || page.lastKey === undefined) return { entries, revision };
      key = Buffer.concat([page.lastKey, zero]);
    } catch (error) {
      if (!(error instanceof TooLarge) || limit === 1) throw tooLarge(error, session, action);
      limit = Math.ceil(limit / 8);
    }
  }
}

const zero = Buffer.of(0);

function tooLarge(error: unknown, session: Session, action: string): unknown {
  if (!(error instanceof TooLarge)) return error;
  return session.error('unusable', action, 'a value is too large to be read; delete it');
}

/** The first key that does not begin with it. */
export function endOfPrefix(prefix: string): Buffer {
  const bytes = Buffer.from(prefix);
  for (let at = bytes.length - 1; at >= 0; at--) {
    if (bytes[at] === 0xff) continue;
    const end = Buffer.from(bytes.subarray(0, at + 1));
    end[at]!++;
    return end;
  }
  // To the end of all keys.
  return zero;
}
