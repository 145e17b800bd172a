/**
 * The seal: what our rules' bodies were when we wrote them, kept with them.
 *
 * A rule is told by its comment, and nft lists bodies in words of its own version, so only a listing
 * can say later whether a body is still the one that belongs to the comment. Its hash is the name of
 * a chain that nothing jumps to: it is there for the next agent, which so sees what was edited while
 * none ran. Whoever edits a rule does not mean to deceive us; who would could edit the agent.
 */
import { createHash } from 'node:crypto';

const sealPrefix = 'seal_';

export function isSeal(chain: string): boolean {
  return chain.startsWith(sealPrefix);
}

/** The name of the chain that seals these rules: their bodies, by comment. */
export function sealOf(bodies: Iterable<readonly [mark: string, body: string]>): string {
  const hash = createHash('sha256');
  // Equal rules of several chains share their comment.
  const pairs = new Set([...bodies].map((pair) => JSON.stringify(pair)));
  for (const pair of [...pairs].sort()) hash.update(pair);
  return `${sealPrefix}${hash.digest('hex').slice(0, 32)}`;
}
