/** What the provider's API says: firewalls, switches, permissions, limits. */
import type { SwitchName } from '../../../encap/observed.js';
import {
  type Check,
  type CheckName,
  type Outcome,
  type Outcomes,
  fail,
  fix,
  ok,
  skip,
  warn,
} from '../check.js';
import type { CloudFacts, KernelFacts, NodeFacts } from '../facts.js';
import { helperOutcomes, mistakenOutcomes, trafficOutcomes } from '../cloud/firewalls.js';
import type { FirewallQuestion } from '../cloud/firewalls.js';
import { trafficClasses } from '../cloud/wanted.js';

function onCloud(
  name: Omit<CheckName, 'group'>,
  run: (cloud: CloudFacts, facts: NodeFacts) => Outcomes | Promise<Outcomes>,
): Check {
  return {
    ...name,
    group: 'cloud',
    run: (facts) => ('absent' in facts.cloud ? skip(facts.cloud.absent) : run(facts.cloud, facts)),
  };
}

function onFirewalls(
  name: Omit<CheckName, 'group'>,
  run: (question: FirewallQuestion) => readonly Outcome[],
): Check {
  return onCloud(name, (cloud, { cluster, node, kernel }) => {
    const { firewalls, provider } = cloud;
    if ('problem' in firewalls) return skip(`they could not be read: ${firewalls.problem}`);
    const ways = 'problem' in kernel ? [] : kernel.ways;
    return run({ cluster, node, ways, provider, reading: firewalls });
  });
}

const access = onCloud(
  {
    id: 'cloud-access',
    title: 'API',
    about: "the provider's API answers and may be read",
  },
  ({ provider, reading, firewalls }) => {
    const problems = [
      ...('problem' in reading ? [reading.problem] : []),
      ...('problem' in firewalls ? [firewalls.problem] : firewalls.problems),
    ];
    if (problems.length === 0) return ok(`${provider} answers`);
    return problems.map((found) =>
      warn({
        found,
        needed: 'an API that may be read; until then what it knows counts as not confirmed',
        fix: fix(
          'give the node the role that deploy/ has for this provider',
          'selvage cloud detect',
        ),
      }),
    );
  },
);

const titles = {
  ipip: 'protocol 4',
  'ipv6-in-ipv4': 'protocol 41',
  vxlan: 'VXLAN',
  native: 'bare packets',
} as const;

const firewallChecks = trafficClasses.map((traffic) =>
  onFirewalls(
    {
      id: `cloud-firewall-${traffic}`,
      title: titles[traffic],
      about: `security groups and firewall rules admit ${traffic === 'native' ? 'overlay prefixes as sources' : titles[traffic]}, both ways`,
    },
    (question) => trafficOutcomes(question, traffic),
  ),
);

const mistaken = onFirewalls(
  {
    id: 'cloud-protocol-94',
    title: 'protocol 94',
    about: 'no rule has protocol 94 ("IPIP" in lists of protocols) where 4 is meant',
  },
  mistakenOutcomes,
);

const pathMtu = onFirewalls(
  {
    id: 'cloud-firewall-path-mtu',
    title: 'ICMP 3/4',
    about: 'firewall rules admit ICMP type 3 code 4, for path MTU discovery',
  },
  (question) => helperOutcomes(question, 'path-mtu'),
);

const probes = onFirewalls(
  {
    id: 'cloud-firewall-probes',
    title: 'probes',
    about: "firewall rules admit the agents' probes",
  },
  (question) => helperOutcomes(question, 'probes'),
);

const switches: Readonly<Record<SwitchName, { readonly text: string; readonly native: string }>> = {
  sourceDestinationCheck: { text: 'source/destination check', native: 'disabled' },
  ipForwarding: { text: 'IP forwarding', native: 'enabled' },
  fabricRoutes: { text: 'routes to the overlay prefixes', native: 'present' },
};

const switchCheck = onCloud(
  {
    id: 'cloud-switches',
    title: 'switches',
    about:
      'source/destination check, IP forwarding and routes are as the file says, and as native needs them',
  },
  ({ reading }, { node, cluster, kernel }) => {
    if ('problem' in reading) return skip('see cloud-access');
    const observed = reading.observed.get(node.name);
    if (observed === undefined) return skip(`the API does not know ${node.name}`);
    const written = { ...cluster.zones.get(node.zone)?.switches, ...node.switches };
    const bare = 'problem' in kernel ? false : usesNative(kernel);
    const outcomes = (Object.keys(switches) as SwitchName[]).flatMap((name): readonly Outcome[] => {
      const actual = observed.switches[name];
      const { text, native } = switches[name];
      if (actual === undefined || actual === native) return [];
      const wanted = {
        found: `${text}: ${actual}, says ${observed.source}${observed.waits[name] === undefined ? '' : `; ${observed.waits[name]}`}`,
        needed: `${native}, for packets that travel bare`,
        fix: changeFix(reading, name),
      };
      // The file wins where it says something, and is wrong here.
      if (written[name] === native)
        return [
          (bare ? fail : warn)({
            ...wanted,
            found: `${wanted.found}; the cluster file says ${native}`,
          }),
        ];
      return bare
        ? []
        : [warn({ ...wanted, found: `${wanted.found}; packets are encapsulated meanwhile` })];
    });
    return outcomes.length > 0 ? outcomes : ok(`as they should be, says ${observed.source}`);
  },
);

function usesNative({ ways }: KernelFacts): boolean {
  return ways.some(({ out, back }) =>
    [out, back].some(
      (decision) => decision?.verdict.kind === 'forward' && decision.verdict.mode === 'native',
    ),
  );
}

function changeFix(
  reading: Exclude<CloudFacts['reading'], { readonly problem: string }>,
  name: SwitchName,
) {
  const texts = reading.changes.filter(({ makes }) => makes === name).map(({ text }) => text);
  return fix(
    texts.length > 0
      ? `${texts.join('; ')}: the agent does it with cloud: { manage: true }`
      : 'change it where the machine was made',
    ...commands[name],
  );
}

const commands: Readonly<Record<SwitchName, readonly string[]>> = {
  sourceDestinationCheck: [
    'aws ec2 modify-network-interface-attribute --network-interface-id eni-… --no-source-dest-check',
    'openstack port set --allowed-address ip-address=OVERLAY-PREFIX PORT',
    '# Terraform: aws_instance / aws_network_interface: source_dest_check = false',
  ],
  ipForwarding: [
    '# GCE, only when the machine is made: gcloud compute instances create … --can-ip-forward',
    'az network nic update --resource-group … --name … --ip-forwarding true',
    '# Terraform: google_compute_instance: can_ip_forward = true; azurerm_network_interface: ip_forwarding_enabled = true',
  ],
  fabricRoutes: [
    'aws ec2 create-route --route-table-id rtb-… --destination-cidr-block OVERLAY-PREFIX --network-interface-id eni-…',
    'gcloud compute routes create … --network … --destination-range OVERLAY-PREFIX --next-hop-instance …',
    'az network route-table route create --resource-group … --route-table-name … --name … --address-prefix OVERLAY-PREFIX --next-hop-type VirtualAppliance --next-hop-ip-address …',
  ],
};

const permissions = onCloud(
  {
    id: 'cloud-permissions',
    title: 'permissions',
    about: 'the calls that the agent would make are allowed, by a dry run where the API has one',
  },
  async ({ reading }) => {
    if ('problem' in reading) return skip('see cloud-access');
    if (reading.changes.length === 0) return skip('no call is due');
    const outcomes: Outcome[] = [];
    for (const { call, permission, text, tryOut } of reading.changes) {
      if (tryOut === undefined) continue;
      if ((await tryOut()) === 'allowed') continue;
      outcomes.push(
        warn({
          found: `${call} is denied: ${text}`,
          needed: permission,
          fix: fix(
            `give the node's role the permission ${permission}; packets stay encapsulated without it`,
          ),
        }),
      );
    }
    if (outcomes.length > 0) return outcomes;
    const tried = reading.changes.filter(({ tryOut }) => tryOut !== undefined).length;
    return tried === 0
      ? skip('this API has no dry run')
      : ok(`${tried} of ${reading.changes.length} calls tried, all allowed`);
  },
);

const limits = onCloud(
  {
    id: 'cloud-limits',
    title: 'limits',
    about: 'route tables have room, and nothing else is in the way that no call of ours mends',
  },
  ({ reading }) => {
    if ('problem' in reading) return skip('see cloud-access');
    if (reading.problems.length > 0)
      return reading.problems.map((found) =>
        warn({
          found,
          needed: 'room, and the permission to read',
          fix: fix('packets stay encapsulated until it is mended'),
        }),
      );
    return ok(reading.notes[0] ?? 'nothing is in the way');
  },
);

export const cloudChecks: readonly Check[] = [
  access,
  ...firewallChecks,
  mistaken,
  pathMtu,
  probes,
  switchCheck,
  permissions,
  limits,
];
