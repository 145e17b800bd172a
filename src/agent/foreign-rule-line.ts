/** Somebody else's packet-filter rule that breaks the tunnels, in one line with what mends it. */
import type { ForeignRule } from '../../tunnel/guard/foreign-rules.js';

export function foreignRuleLine(rule: ForeignRule): string {
  return `${rule.certain ? '' : 'perhaps: '}${rule.table}, chain ${rule.chain}: "${rule.rule}" hits ${rule.hits}; make room with: ${rule.remedy}`;
}
