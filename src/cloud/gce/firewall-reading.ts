/** The firewall in front of each node, from the network's own rules and the policies around them. */
import type { Firewall } from '../admission.js';
import type { AppliedFirewall, FirewallReading } from '../control.js';
import { appliesTo, computeFirewall, groupsOf, translateRule } from './firewall.js';
import type { GceNode } from './nodes.js';
import type { PolicyRules } from './policies.js';
import { type ComputeFirewall, lastPart } from './wire.js';

export interface NetworkRules {
  readonly network: string;
  /** Undefined: they may not be read. */
  readonly own: readonly ComputeFirewall[] | undefined;
  /** Undefined: they may not be read. */
  readonly policies: PolicyRules | undefined;
}

/** Instances with the same rules share one firewall. */
export function firewallReading(
  nodes: ReadonlyMap<string, GceNode>,
  { network, own, policies }: NetworkRules,
): FirewallReading {
  const groups = new Map([...nodes].map(([name, { instance }]) => [name, groupsOf(instance)]));
  const name = lastPart(network);
  const problems =
    policies === undefined
      ? [
          `firewall policies around network ${name} may not be read and are not counted (compute.networks.getEffectiveFirewalls; deploy/gce has the role)`,
        ]
      : [];
  const unknown = (problem: string): FirewallReading => ({
    firewalls: [],
    groups,
    problems: [...problems, problem],
  });
  if (own === undefined)
    return unknown(
      `the firewall rules of network ${name} cannot be read: the service account lacks compute.firewalls.list`,
    );
  const beyond = policies?.beyond ?? [];
  if (beyond.length > 0)
    return unknown(
      `firewall policies of network ${name} say more than addresses and ports (${beyond.slice(0, 5).join(', ')}), so that what they admit is not known here: gcloud compute networks get-effective-firewalls ${name}`,
    );
  const translated = [...own, ...(policies?.rules ?? [])].map((rule) => ({
    rule,
    ...translateRule(rule),
  }));
  const shared = new Map<string, Firewall>();
  const firewalls = [...nodes].map(([node, { instance }]): AppliedFirewall => {
    const rules = translated.filter(({ rule }) => appliesTo(rule, instance));
    const key = rules.map(({ rule }) => rule.name).join();
    const firewall = shared.get(key) ?? computeFirewall(rules.flatMap((entry) => entry.rules));
    shared.set(key, firewall);
    const text = `firewall rules of network ${name} for instance ${instance.name}`;
    return { node, id: name, text, firewall };
  });
  return {
    firewalls,
    groups,
    problems: [...problems, ...translated.flatMap((entry) => entry.problems)],
  };
}
