/**
 * Firewall policies around a network's own rules: those of the organization and its folders come
 * before them, those of the network after (GCE's default order).
 *
 *     networks.getEffectiveFirewalls → { firewallPolicys: [{ shortName, type, rules: [{ priority,
 *       action, direction, match: { srcIpRanges, destIpRanges, layer4Configs }, … }] }] }
 *
 * A policy's rules by address become rules like the network's own. What they can say besides (secure
 * tags, countries, names, "go to the next policy" for a part) has no counterpart, and makes what the
 * firewall as a whole admits unknown.
 */
import { field, listField, numberField, textField, textsField } from '../json-values.js';
import type { ComputeFirewall } from './wire.js';

export interface PolicyRules {
  readonly rules: readonly ComputeFirewall[];
  /** Rules that cannot be evaluated, by policy and priority. */
  readonly beyond: readonly string[];
}

/** Every policy ends with four of GCE's own from here on: go to whatever comes next. */
const firstDefault = 2_147_483_644;
/** Larger than any priority of a rule. */
const span = 2 ** 32;

export function readPolicies(answer: unknown, network: string): PolicyRules {
  const rules: ComputeFirewall[] = [];
  const beyond: string[] = [];
  const policies = listField(answer, 'firewallPolicys');
  for (const [index, policy] of policies.entries()) {
    const name = textField(policy, 'shortName') ?? textField(policy, 'name') ?? `policy ${index}`;
    const after = (textField(policy, 'type') ?? '').startsWith('NETWORK');
    const offset = after ? (index + 1) * span : (index - policies.length) * span;
    for (const rule of listField(policy, 'rules')) {
      const priority = numberField(rule, 'priority') ?? 0;
      if (priority >= firstDefault || field(rule, 'disabled') === true) continue;
      const label = `${name}/${priority}`;
      const read = readRule(rule, { name: label, network, priority: offset + priority });
      if (read === undefined) beyond.push(label);
      else rules.push(read);
    }
  }
  return { rules, beyond };
}

const understood: ReadonlySet<string> = new Set(['srcIpRanges', 'destIpRanges', 'layer4Configs']);

function readRule(
  rule: unknown,
  base: Pick<ComputeFirewall, 'name' | 'network' | 'priority'>,
): ComputeFirewall | undefined {
  const action = textField(rule, 'action');
  const match = field(rule, 'match');
  const plain =
    (action === 'allow' || action === 'deny') &&
    typeof match === 'object' &&
    match !== null &&
    Object.keys(match).every((key) => understood.has(key)) &&
    listField(rule, 'targetSecureTags').length === 0;
  if (!plain) return undefined;
  const traffic = listField(match, 'layer4Configs').map((config) => ({
    protocol: textField(config, 'ipProtocol') ?? '',
    ports: textsField(config, 'ports'),
  }));
  return {
    ...base,
    direction: textField(rule, 'direction') === 'EGRESS' ? 'egress' : 'ingress',
    disabled: false,
    allowed: action === 'allow' ? traffic : [],
    denied: action === 'deny' ? traffic : [],
    sourceRanges: textsField(match, 'srcIpRanges'),
    destinationRanges: textsField(match, 'destIpRanges'),
    sourceTags: [],
    sourceServiceAccounts: [],
    targetTags: [],
    targetServiceAccounts: textsField(rule, 'targetServiceAccounts'),
  };
}
