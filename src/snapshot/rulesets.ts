/**
 * Packet-filter rules for a bundle, without the notes that people and programs leave in them. A rule
 * that an explanation has quoted keeps its own: it was shown.
 */
import type { Rulesets } from '../../tunnel/guard/foreign-rules.js';

export function withoutNotes(rulesets: Rulesets, quoted: ReadonlySet<string>): Rulesets {
  const iptables = Object.fromEntries(
    Object.entries(rulesets.iptables ?? {}).map(([tool, text]) => [
      tool,
      text
        .split('\n')
        .filter((line) => !line.startsWith('#'))
        .map((line) => (isQuoted(line, quoted) ? line : line.replace(iptablesComment, '')))
        .join('\n'),
    ]),
  );
  const nft = rulesets.nft === undefined ? {} : { nft: nftWithoutNotes(rulesets.nft) };
  return { ...nft, iptables };
}

const iptablesComment = / -m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+)/g;

function isQuoted(line: string, quoted: ReadonlySet<string>): boolean {
  return quoted.has(line.replace(/^\[\S+ /, ''));
}

/** What cannot be read is left out whole. */
function nftWithoutNotes(text: string): string {
  try {
    return JSON.stringify(
      JSON.parse(text, (key, value: unknown) => (key === 'comment' ? undefined : value)),
    );
  } catch {
    return '{"nftables":[]}';
  }
}
