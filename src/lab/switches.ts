/**
 * Changes what the underlay of a standing lab does at one node's NIC, as an operator does with a
 * click in a cloud's console: the file and the agents are told nothing.
 */
import type { Switches } from '../../encap/cluster.js';
import { type Lab, labOf } from './lab.js';
import { writeManifest } from './manifest.js';
import { withSwitches } from './members.js';
import { LabError } from './names.js';
import { planLab } from './plan.js';
import { rulesetTable, zoneRuleset } from './ruleset.js';
import { command, ipBatch } from './shell.js';
import { topologyOf } from './topology.js';

const settings = {
  sourceDestinationCheck: ['enabled', 'disabled'],
  ipForwarding: ['enabled', 'disabled'],
  fabricRoutes: ['present', 'absent'],
  'firewall.ipip': ['allowed', 'blocked'],
  'firewall.ipv6InIpv4': ['allowed', 'blocked'],
  'firewall.vxlan': ['allowed', 'blocked'],
  'firewall.native': ['allowed', 'blocked'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export interface SwitchSetting {
  readonly name: keyof typeof settings;
  readonly value: string;
}

/** `sourceDestinationCheck=disabled` */
export function readSwitch(text: string): SwitchSetting {
  const [name = '', value] = text.split('=', 2);
  if (!isSetting(name))
    throw new LabError(
      `there is no switch "${name}"; write one of ${Object.keys(settings).join(', ')}, "=" and its value`,
    );
  const values: readonly string[] = settings[name];
  if (value === undefined || !values.includes(value))
    throw new LabError(
      `"${name}" cannot be "${value ?? ''}"; write ${values.map((one) => `${name}=${one}`).join(' or ')}`,
    );
  return { name, value };
}

/** The lab as it is afterwards. */
export async function setSwitches(
  lab: Lab,
  change: { readonly node: string; readonly switches: readonly SwitchSetting[] },
): Promise<Lab> {
  const { plan, paths, manifest } = lab;
  const node = plan.nodes.find((entry) => entry.name === change.node);
  if (node === undefined)
    throw new LabError(
      `there is no node "${change.node}" in the lab; it has ${plan.nodes.map(({ name }) => name).join(', ')}`,
    );
  const before = manifest.switches ?? {};
  const switches = {
    ...before,
    [node.name]: withSwitches(before[node.name] ?? {}, switchesFrom(change.switches)),
  };
  const { blackHoles } = manifest;
  const next = planLab(plan.cluster, { lab: plan.lab, blackHoles, switches });
  const old = new Map(topologyOf(plan).namespaces.map((entry) => [entry.name, entry.lines]));
  for (const { name, lines } of topologyOf(next).namespaces)
    await ipBatch(routeChanges(old.get(name) ?? [], lines), { namespace: name });
  const zone = next.zones.find((entry) => entry.name === node.zone)!;
  // One transaction: no packet meets a moment without the filter.
  await command(['nft', '-f', '-'], {
    namespace: zone.namespace,
    input: `delete table bridge ${rulesetTable}\n${zoneRuleset(next, zone.name)}`,
  });
  const written = { ...manifest, switches };
  writeManifest(paths, written);
  return labOf(next, paths, written);
}

function isSetting(name: string): name is SwitchSetting['name'] {
  return Object.hasOwn(settings, name);
}

function switchesFrom(list: readonly SwitchSetting[]): Switches {
  const made: Record<string, unknown> = {};
  for (const { name, value } of list) {
    const [first, second] = name.split('.') as [string, string?];
    if (second === undefined) made[first] = value;
    else made[first] = { ...(made[first] as object | undefined), [second]: value };
  }
  return made;
}

/** Only routes depend on a switch; all else of the topology stays as it was built. */
function routeChanges(before: readonly string[], after: readonly string[]): readonly string[] {
  const [old, next] = [new Set(before), new Set(after)];
  return [
    ...after.filter((line) => !old.has(line)),
    ...before
      .filter((line) => !next.has(line))
      .map((line) => line.replace(/^route (add|replace) /, 'route del ')),
  ];
}
