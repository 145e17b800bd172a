/** What the packet filters of this machine do with the tunnels: others' rules, and our own guard. */
import type { ForeignRule } from '../../../tunnel/guard/index.js';
import { judgeRulesets } from '../../../tunnel/guard/index.js';
import { type Check, type Outcome, fail, fix, ok, onKernel, skip, warn } from '../check.js';
import type { KernelFacts } from '../facts.js';

export const foreignFilter: Check = onKernel(
  {
    id: 'foreign-filter',
    group: 'filters',
    title: "others' rules",
    about:
      "no rule or policy of others (nftables, iptables, firewalld, ufw) drops the tunnels' packets or the overlay's",
  },
  (kernel) => {
    const { rulesets, plan } = kernel;
    if ('problem' in rulesets) return skip(`they could not be read: ${rulesets.problem}`);
    const outcomes = judgeRulesets(plan.guard, rulesets).map((rule): Outcome => {
      const wanted = {
        found: `${rule.certain ? '' : 'perhaps '}${rule.table}, chain ${rule.chain}: "${rule.rule}" ${verbs[rule.kind]} ${rule.hits}`,
        needed: `room for ${rule.hits}`,
        fix: fix('accept it there', rule.remedy),
      };
      // Translated packets arrive, from an address that they should not have.
      const loses = rule.kind !== 'masquerades-overlay' && rule.certain && isUsed(rule, kernel);
      return loses ? fail(wanted) : warn(wanted);
    });
    return outcomes.length > 0 ? outcomes : ok('none is in the way');
  },
);

const verbs = {
  'drops-tunnel': 'drops',
  'drops-forwarded': 'drops',
  'masquerades-overlay': 'rewrites',
} as const satisfies Record<ForeignRule['kind'], string>;

/** A rule against a protocol that nobody sends loses nothing. */
function isUsed(rule: ForeignRule, { ways }: KernelFacts): boolean {
  if (rule.kind !== 'drops-tunnel') return true;
  return ways.some(({ out, back }) =>
    [out, back].some((decision) => {
      if (decision?.verdict.kind !== 'forward') return false;
      const { mode, inner } = decision.verdict.carriage;
      const word =
        mode === 'vxlan'
          ? 'VXLAN'
          : mode === 'ipip'
            ? `(protocol ${inner === 4 ? 4 : 41})`
            : undefined;
      return word !== undefined && rule.hits.includes(word);
    }),
  );
}

export const guardState: Check = onKernel(
  {
    id: 'guard-state',
    group: 'filters',
    title: 'own guard',
    about: "the guard's rules are those that the configuration asks for",
  },
  ({ report, guard }, { keeper }) => {
    if (keeper.kind === 'absent') return skip('the agent makes it when it starts');
    if ('problem' in guard) return skip('see guard-backend');
    if (report.guard === undefined) return ok('as the configuration asks for');
    const wanted = {
      found: report.guard,
      needed: 'the rules that the configuration asks for',
      fix: fix('let the agent write them again', 'systemctl restart selvage-agent'),
    };
    if (keeper.kind === 'running')
      return warn({ ...wanted, found: `${wanted.found}; the agent is about to repair it` });
    // Without the table nothing is dropped, and nothing is guarded either.
    return /missing|no table|is not there|gone/.test(report.guard) ? warn(wanted) : fail(wanted);
  },
);
