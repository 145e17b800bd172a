/**
 * What an installer takes from deploy/: each file is one that its reader accepts, and says the same
 * as the product: ports, protocols, device names, and permissions of exactly the calls that are made.
 */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { type CollectionTag, type ScalarTag, parse, parseDocument } from 'yaml';
import { defaultProbePort } from '../../encap/probe/settings.js';
import { deviceInSlot, deviceNames } from '../../routes/ownership.js';
import {
  ec2Actions,
  ec2Permission,
  ec2ReadActions,
  ec2Tags,
  ec2WriteActions,
} from '../../src/cloud/aws/actions.js';
import { azureActions } from '../../src/cloud/azure/permissions.js';
import { computePermissions, computeScopes } from '../../src/cloud/gce/permissions.js';
import { defaultVxlanPort } from '../../src/config/limits.js';
import { skipReason } from '../support/capabilities.js';
import { root } from '../support/root.js';
import { filesBelow, readText } from './sources.js';
import { at, local, recordAt, resource, terraformModule, variableDefault } from './terraform.js';

const clouds = ['aws', 'gce', 'azure'] as const;
const everybody = ['0.0.0.0/0', '::/0'];

/** CloudFormation's short forms, as `{ '!Ref': 'Name' }`. */
const cloudFormationTags: (ScalarTag | CollectionTag)[] = [
  ...['Ref', 'Sub', 'GetAtt'].map((name): ScalarTag => ({
    tag: `!${name}`,
    resolve: (text) => ({ [`!${name}`]: text }),
  })),
  ...['Equals', 'Not'].map((name): CollectionTag => ({
    tag: `!${name}`,
    collection: 'seq',
    resolve: (seq) => ({ [`!${name}`]: seq.toJSON() as unknown }),
  })),
];

function cloudFormation(): unknown {
  const text = readText('deploy/aws/cloudformation.yaml');
  const document = parseDocument(text, { customTags: cloudFormationTags });
  return document.errors.length === 0 ? document.toJS() : document.errors;
}

function onPath(command: string): boolean {
  return spawnSync('which', [command], { stdio: 'ignore' }).status === 0;
}

t.test('every YAML and JSON file parses', (t) => {
  for (const path of filesBelow('deploy')) {
    if (path.endsWith('.json')) t.doesNotThrow(() => void JSON.parse(readText(path)), path);
    if (!path.endsWith('.yaml') || path.endsWith('cloudformation.yaml')) continue;
    t.same(parseDocument(readText(path)).errors, [], path);
  }
  t.end();
});

// cloud-init

/** Keys of cloud-init's schema (schema-cloud-config-v1.json) that a node's first boot may need. */
const cloudConfigKeys = ['package_update', 'packages', 'write_files', 'runcmd'];
const writeFilesKeys = ['path', 'content', 'owner', 'permissions', 'encoding', 'append', 'defer'];
const userDataPath = 'deploy/cloud-init/user-data.yaml';

const sample: Readonly<Record<string, string>> = {
  cluster_file_base64: Buffer.from(readText('deploy/examples/minimal.yaml')).toString('base64'),
  selvage_version: '1.2.3',
  npm_package: '@example/selvage',
  npm_registry: 'http://registry.example/npm/',
  node_name: 'node-1',
};

/** As Terraform's templatefile does it; like that, it stumbles over a `${` that is no name. */
function rendered(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{([^}]*)\}/g, (all, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`nothing for ${all}`);
    return value;
  });
}

t.test('the user data is what cloud-init reads, and runs the installer', (t) => {
  const text = readText(userDataPath);
  t.match(text, /^#cloud-config\n/);
  t.notMatch(text, /%\{/, 'nothing that Terraform would take for a directive');
  const data = parse(rendered(text, sample)) as {
    readonly packages: readonly string[];
    readonly write_files: readonly Record<string, string>[];
    readonly runcmd: readonly (readonly string[])[];
  };
  t.same(
    Object.keys(data).filter((key) => !cloudConfigKeys.includes(key)),
    [],
  );
  for (const file of data.write_files) {
    t.same(
      Object.keys(file).filter((key) => !writeFilesKeys.includes(key)),
      [],
    );
    t.match(file['path'], /^\/run\//, 'nothing is left behind on the disk');
    t.match(file['permissions'], /^0[0-7]{3}$/);
  }
  t.equal(
    Buffer.from(data.write_files[0]!['content']!, 'base64').toString(),
    readText('deploy/examples/minimal.yaml'),
  );
  t.equal(data.runcmd.length, 1);
  const [shell, flags, script] = data.runcmd[0]!;
  t.same([shell, flags], ['bash', '-ec']);
  t.match(script, /npm pack --silent --ignore-scripts '@example\/selvage@1\.2\.3'\n/);
  t.match(script, /install\.sh --package \S+ --config cluster\.yaml \\\n +--node 'node-1' /);
  const checked = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
  t.equal(checked.stderr, '');
  t.end();
});

t.test('the script in the user data passes shellcheck', { skip: skipReason('shellcheck') }, (t) => {
  const data = parse(rendered(readText(userDataPath), sample)) as { runcmd: string[][] };
  const input = `#!/bin/bash\nset -e\n${data.runcmd[0]![2]}`;
  const checked = spawnSync('shellcheck', ['-'], { input, encoding: 'utf8' });
  t.equal(checked.stdout, '');
  t.end();
});

t.test('Terraform fills in every name of the user data, and no other', async (t) => {
  const names = [...readText(userDataPath).matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]!);
  for (const [cloud, type, argument] of [
    ['aws', 'aws_instance', 'user_data_base64'],
    ['azure', 'azurerm_linux_virtual_machine', 'custom_data'],
  ] as const) {
    const call = String(resource(await terraformModule(`deploy/${cloud}`), type, 'node')[argument]);
    t.match(call, /templatefile\("\$\{path\.module\}\/\.\.\/cloud-init\/user-data\.yaml"/);
    const given = [...call.matchAll(/^ +(\w+) +=/gm)].map((match) => match[1]!);
    t.same(given.sort(), [...new Set(names)].sort(), cloud);
  }
});

t.test('CloudFormation starts a machine with the same user data', (t) => {
  const parameters: Readonly<Record<string, string>> = {
    ClusterFileBase64: sample['cluster_file_base64']!,
    SelvageVersion: sample['selvage_version']!,
    NpmPackage: sample['npm_package']!,
    NpmRegistry: sample['npm_registry']!,
    NodeName: sample['node_name']!,
  };
  const properties = recordAt(cloudFormation(), 'Resources', 'Machine', 'Properties');
  const text = String(at(properties, 'UserData', 'Fn::Base64', '!Sub'));
  t.match(text, /^#cloud-config\n/);
  t.same(parse(rendered(text, parameters)), parse(rendered(readText(userDataPath), sample)));
  t.end();
});

// Terraform

t.test('every module parses, and uses all variables that it has and no other', async (t) => {
  for (const cloud of clouds) {
    const module = await terraformModule(`deploy/${cloud}`);
    const text = filesBelow(`deploy/${cloud}`)
      .filter((path) => path.endsWith('.tf'))
      .map(readText)
      .join('\n');
    const used = new Set([...text.matchAll(/\bvar\.(\w+)/g)].map((match) => match[1]!));
    t.same([...used].sort(), Object.keys(recordAt(module, 'variable')).sort(), cloud);
    const locals = new Set([...text.matchAll(/\blocal\.(\w+)/g)].map((match) => match[1]!));
    for (const name of locals) t.ok(local(module, name), `local.${name}`);
    for (const [name, variable] of Object.entries(recordAt(module, 'variable')))
      t.ok(at(variable, 0, 'description'), `${cloud}: ${name} is described`);
    // Addresses of other resources lead somewhere.
    for (const match of text.matchAll(/\b((?:aws|google|azurerm)_\w+)\.(\w+)\b(?![ "]*\{)/g))
      t.ok(text.includes(`"${match[1]}" "${match[2]}" {`), match[0]);
  }
});

t.test('the modules are formatted as Terraform does it', (t) => {
  if (onPath('terraform')) {
    const args = ['fmt', '-check', '-diff', '-recursive', 'deploy'];
    const { stdout, status } = spawnSync('terraform', args, { cwd: root, encoding: 'utf8' });
    t.equal(stdout, '');
    t.equal(status, 0);
  } else {
    t.comment('no terraform here: the syntax alone is checked, by its own parser');
    for (const path of filesBelow('deploy').filter((path) => path.endsWith('.tf')))
      t.notMatch(readText(path), /\t| $/m, path);
  }
  t.end();
});

t.test('ports are those that the product takes when the cluster file names none', async (t) => {
  for (const cloud of clouds) {
    const module = await terraformModule(`deploy/${cloud}`);
    t.equal(variableDefault(module, 'vxlan_port'), defaultVxlanPort, cloud);
    t.equal(variableDefault(module, 'probe_port'), defaultProbePort, cloud);
  }
  const stack = cloudFormation();
  t.equal(at(stack, 'Parameters', 'VxlanPort', 'Default'), defaultVxlanPort);
  t.equal(at(stack, 'Parameters', 'ProbePort', 'Default'), defaultProbePort);
  const notes = readText('deploy/onprem/top-of-rack.md');
  t.match(notes, `UDP port ${defaultVxlanPort} `);
  t.match(notes, `UDP port ${defaultProbePort} `);
  t.end();
});

// AWS

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const listOf = <T>(value: T | readonly T[]): readonly T[] =>
  Array.isArray(value) ? (value as readonly T[]) : [value as T];

function policy(name: string): readonly Statement[] {
  const document = JSON.parse(readText(`deploy/aws/${name}.json`)) as {
    readonly Version: string;
    readonly Statement: readonly Statement[];
  };
  const { Version: version, Statement: statements, ...rest } = document;
  if (version !== '2012-10-17' || Object.keys(rest).length > 0)
    throw new Error(`${name} is not what IAM reads`);
  return statements;
}

const actionsOf = (statements: readonly Statement[]): string[] =>
  statements.flatMap(({ Action }) => listOf(Action)).sort();

t.test('the IAM policies grant exactly the calls that the agent makes', (t) => {
  const read = policy('policy-read');
  const manage = policy('policy-manage');
  t.same(actionsOf(read), ec2ReadActions.map(ec2Permission).sort());
  t.same(actionsOf(manage), ec2WriteActions.map(ec2Permission).sort());
  t.same(actionsOf([...read, ...manage]), ec2Actions.map(ec2Permission).sort());
  for (const { Sid, Effect } of [...read, ...manage]) {
    t.match(Sid, /^[0-9A-Za-z]+$/);
    t.equal(Effect, 'Allow');
  }
  t.end();
});

t.test('what may be changed is held to one VPC, to kinds of objects, and to our tags', (t) => {
  for (const { Sid, Action, Resource, Condition = {} } of policy('policy-manage')) {
    for (const one of listOf(Resource))
      t.match(one, /^arn:\*:ec2:\*:\*:(network-interface|route-table)\/\*$/, Sid);
    const vpc = Condition['ArnLike'] ?? Condition['ArnLikeIfExists'];
    t.equal(vpc?.['ec2:Vpc'], 'arn:*:ec2:*:*:vpc/*', Sid);
    if (!listOf(Action).some((action) => action.endsWith('Tags'))) continue;
    const pattern = String(Condition['ForAllValues:StringLike']?.['aws:TagKeys']);
    for (const key of Object.values(ec2Tags))
      t.ok(pattern.endsWith('*') && key.startsWith(pattern.slice(0, -1)), `${key} is permitted`);
    t.equal(pattern, 'selvage:*');
    // "For all values" holds of none at all, and DeleteTags without keys deletes all tags.
    t.same(Condition['Null'], { 'aws:TagKeys': 'false' });
  }
  t.end();
});

t.test('Terraform and CloudFormation grant what the policy files say', async (t) => {
  const module = await terraformModule('deploy/aws');
  const read = resource(module, 'aws_iam_role_policy', 'read')['policy'];
  t.equal(read, '${file("${path.module}/policy-read.json")}');
  const { policy: manage, count } = resource(module, 'aws_iam_role_policy', 'manage');
  t.match(manage, /replace\(file\("\$\{path\.module\}\/policy-manage\.json"\), ":vpc\/\*", /);
  t.equal(count, '${var.manage ? 1 : 0}');

  const stack = cloudFormation();
  for (const [name, file] of [
    ['ReadPolicy', 'policy-read'],
    ['ManagePolicy', 'policy-manage'],
  ] as const) {
    const own = at(stack, 'Resources', name, 'Properties', 'PolicyDocument', 'Statement');
    const text = JSON.stringify(own).replaceAll('{"!Sub":"arn:*:ec2:*:*:vpc/${VpcId}"}', '"VPC"');
    const expected = JSON.stringify(policy(file)).replaceAll('"arn:*:ec2:*:*:vpc/*"', '"VPC"');
    t.same(JSON.parse(text), JSON.parse(expected), name);
  }
});

t.test(
  'the security group admits tunnels from nodes and peers, and from nobody else',
  async (t) => {
    const module = await terraformModule('deploy/aws');
    const tunnels = recordAt(local(module, 'tunnels'));
    const of = (name: string): unknown[] => {
      const { protocol, from_port: from, to_port: to } = recordAt(tunnels, name);
      return [protocol, from, to];
    };
    // Protocol 4 by its number: names of it differ, and 94 is another protocol.
    t.same(of('ipip'), ['4', 0, 65535]);
    t.same(of('vxlan'), ['udp', '${var.vxlan_port}', '${var.vxlan_port}']);
    t.same(of('probe'), ['udp', '${var.probe_port}', '${var.probe_port}']);
    t.same(of('ping'), ['icmp', 8, -1]);

    const rules: Readonly<Record<string, unknown>>[] = Object.entries(
      recordAt(module, 'resource', 'aws_security_group_rule'),
    ).map(([name, blocks]) => ({ name, ...recordAt(blocks, 0) }));
    const open = rules.filter((rule) =>
      everybody.some((prefix) => JSON.stringify(rule).includes(`"${prefix}"`)),
    );
    t.same(
      open.map((rule) =>
        ['name', 'type', 'protocol', 'from_port', 'to_port'].map((key) => rule[key]),
      ),
      [
        ['egress', 'egress', '-1', 0, 0],
        ['path_mtu', 'ingress', 'icmp', 3, 4],
        ['path_mtu_ipv6', 'ingress', 'icmpv6', 2, 0],
      ],
    );
    const nodes = resource(module, 'aws_security_group_rule', 'from_nodes');
    t.equal(nodes['for_each'], '${local.tunnels}');
    t.equal(nodes['source_security_group_id'], '${aws_security_group.nodes.id}');
    const peers = resource(module, 'aws_security_group_rule', 'from_peers');
    t.equal(peers['cidr_blocks'], '${var.peers}');
    for (const rule of [nodes, peers]) t.equal(rule['protocol'], '${each.value.protocol}');
    for (const name of ['peers', 'peers_ipv6', 'native_prefixes'])
      t.same(variableDefault(module, name), [], `${name} admits nobody by default`);
  },
);

t.test('CloudFormation has the same rules', (t) => {
  const resources = Object.entries(recordAt(cloudFormation(), 'Resources'));
  const rules = resources
    .filter(([, value]) => at(value, 'Type') === 'AWS::EC2::SecurityGroupIngress')
    .map(([name, value]): unknown[] => {
      const rule = recordAt(value, 'Properties');
      const { IpProtocol: protocol, FromPort: from, ToPort: to, CidrIp: prefix } = rule;
      const source = rule['SourceSecurityGroupId'] ?? prefix;
      return [name, protocol, from, to, source, (value as Record<string, unknown>)['Condition']];
    });
  const [vxlan, probe] = [{ '!Ref': 'VxlanPort' }, { '!Ref': 'ProbePort' }];
  const nodes = { '!GetAtt': 'Nodes.GroupId' };
  const peer = { '!Ref': 'PeerPrefix' };
  t.same(rules, [
    ['IpipFromNodes', '4', undefined, undefined, nodes, undefined],
    ['VxlanFromNodes', 'udp', vxlan, vxlan, nodes, undefined],
    ['ProbeFromNodes', 'udp', probe, probe, nodes, undefined],
    ['PingFromNodes', 'icmp', 8, -1, nodes, undefined],
    ['IpipFromPeer', '4', undefined, undefined, peer, 'HasPeer'],
    ['VxlanFromPeer', 'udp', vxlan, vxlan, peer, 'HasPeer'],
    ['ProbeFromPeer', 'udp', probe, probe, peer, 'HasPeer'],
    ['PingFromPeer', 'icmp', 8, -1, peer, 'HasPeer'],
    ['NativeFromWorkloads', '-1', undefined, undefined, { '!Ref': 'NativePrefix' }, 'HasNative'],
  ]);
  const pattern = new RegExp(
    String(at(cloudFormation(), 'Parameters', 'PeerPrefix', 'AllowedPattern')),
  );
  for (const prefix of ['', '10.0.0.0/8', '192.168.10.0/24']) t.match(prefix, pattern);
  t.notMatch('0.0.0.0/0', pattern);
  t.end();
});

t.test('machines ask for tokens, and their check is off unless said otherwise', async (t) => {
  const module = await terraformModule('deploy/aws');
  const machine = resource(module, 'aws_instance', 'node');
  t.same(machine['metadata_options'], [
    {
      http_endpoint: 'enabled',
      http_tokens: 'required',
      http_put_response_hop_limit: '${var.metadata_hop_limit}',
    },
  ]);
  // The agent runs on the node itself; one hop more would serve the workloads as well.
  t.equal(variableDefault(module, 'metadata_hop_limit'), 1);
  t.equal(machine['source_dest_check'], '${var.source_dest_check}');
  t.equal(variableDefault(module, 'source_dest_check'), false);

  const stack = cloudFormation();
  t.same(
    at(stack, 'Resources', 'Template', 'Properties', 'LaunchTemplateData', 'MetadataOptions'),
    {
      HttpEndpoint: 'enabled',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: { '!Ref': 'MetadataHopLimit' },
    },
  );
  t.equal(at(stack, 'Parameters', 'MetadataHopLimit', 'Default'), 1);
  t.equal(at(stack, 'Parameters', 'SourceDestCheck', 'Default'), 'false');
});

t.test('what CloudFormation refers to is there', (t) => {
  const stack = cloudFormation();
  const known = new Set([
    ...Object.keys(recordAt(stack, 'Parameters')),
    ...Object.keys(recordAt(stack, 'Resources')),
  ]);
  const text = readText('deploy/aws/cloudformation.yaml');
  const named = [...text.matchAll(/!Ref (\w+)|!GetAtt (\w+)|\$\{(\w+)\}/g)];
  for (const match of named) t.ok(known.has(match[1] ?? match[2] ?? match[3]!), match[0]);
  const conditions = Object.keys(recordAt(stack, 'Conditions'));
  for (const match of text.matchAll(/^ {4}Condition: (\w+)$/gm))
    t.ok(conditions.includes(match[1]!), match[0]);
  t.end();
});

// Google Cloud

t.test('GCE: firewall, forwarding, and a role of exactly the calls', async (t) => {
  const module = await terraformModule('deploy/gce');
  const tunnels = resource(module, 'google_compute_firewall', 'tunnels');
  t.same(tunnels['allow'], [
    { protocol: 'ipip' },
    { protocol: 'udp', ports: ['${tostring(var.vxlan_port)}', '${tostring(var.probe_port)}'] },
    { protocol: 'icmp' },
  ]);
  t.equal(tunnels['source_ranges'], '${var.peers}');
  t.same(variableDefault(module, 'peers'), []);
  t.same(tunnels['source_tags'], tunnels['target_tags']);
  const firewalls = recordAt(module, 'resource', 'google_compute_firewall');
  const open = Object.entries(firewalls).filter(([, rule]) =>
    everybody.some((prefix) => JSON.stringify(rule).includes(`"${prefix}"`)),
  );
  t.same(
    open.map(([name, rule]) => [name, at(rule, 0, 'allow')]),
    [['path_mtu', [{ protocol: 'icmp' }]]],
  );

  const machine = resource(module, 'google_compute_instance', 'node');
  t.equal(machine['can_ip_forward'], '${var.can_ip_forward}');
  t.equal(variableDefault(module, 'can_ip_forward'), true);

  t.same(local(module, 'read_permissions'), computePermissions.read);
  t.same(local(module, 'manage_permissions'), computePermissions.manage);
  t.equal(
    resource(module, 'google_project_iam_custom_role', 'node')['permissions'],
    '${var.manage ? concat(local.read_permissions, local.manage_permissions) : local.read_permissions}',
  );
  t.same(at(machine, 'service_account', 0, 'scopes'), [
    `\${var.manage ? "${computeScopes.manage}" : "${computeScopes.read}"}`,
  ]);
});

t.test('GCE: the startup script reads the attributes that Terraform sets', async (t) => {
  const module = await terraformModule('deploy/gce');
  const metadata = recordAt(resource(module, 'google_compute_instance', 'node'), 'metadata');
  const script = readText('deploy/gce/startup-script.sh');
  const read = [...script.matchAll(/value attributes\/([a-z-]+)/g)].map((match) => match[1]!);
  t.same(
    Object.keys(metadata)
      .filter((key) => key !== 'startup-script')
      .sort(),
    [...new Set(read)].sort(),
  );
  t.equal(metadata['startup-script'], '${file("${path.module}/startup-script.sh")}');
});

// Azure

t.test('Azure: no rule for what Azure drops, forwarding, and a role of the calls', async (t) => {
  const module = await terraformModule('deploy/azure');
  const group = resource(module, 'azurerm_network_security_group', 'nodes');
  const rules = at(group, 'security_rule') as readonly Readonly<Record<string, unknown>>[];
  t.same(
    rules.map((rule) => [
      rule['protocol'],
      rule['destination_port_range'],
      rule['source_address_prefixes'] ?? rule['source_address_prefix'],
    ]),
    [
      ['Udp', '${tostring(var.vxlan_port)}', '${var.node_prefixes}'],
      ['Udp', '${tostring(var.probe_port)}', '${var.node_prefixes}'],
      ['Icmp', '*', '*'],
    ],
  );
  t.equal(new Set(rules.map((rule) => rule['priority'])).size, rules.length);
  for (const rule of rules) t.same([rule['direction'], rule['access']], ['Inbound', 'Allow']);

  const nic = resource(module, 'azurerm_network_interface', 'node');
  t.equal(nic['ip_forwarding_enabled'], '${var.ip_forwarding}');
  t.equal(variableDefault(module, 'ip_forwarding'), true);

  t.same(local(module, 'read_actions'), azureActions.read);
  t.same(local(module, 'manage_actions'), azureActions.manage);
  t.same(resource(module, 'azurerm_role_definition', 'node')['permissions'], [
    {
      actions:
        '${var.manage ? concat(local.read_actions, local.manage_actions) : local.read_actions}',
    },
  ]);
});

// Racks, and the network managers of a node

t.test('the BGP examples announce the prefixes of the node in the cluster file', (t) => {
  const cluster = parse(readText('deploy/examples/onprem-bgp.yaml')) as {
    readonly nodes: readonly { addresses: readonly string[]; overlay: readonly string[] }[];
  };
  const { addresses, overlay } = cluster.nodes[0]!;
  const bird = readText('deploy/onprem/bird.conf');
  for (const prefix of overlay) t.match(bird, `route ${prefix} blackhole;`);
  t.match(bird, `local ${addresses[0]} as `);
  t.match(bird, `next hop address ${addresses[1]};`);
  t.match(bird.match(/import none;/g), { length: 2 }, 'takes nothing from the router');
  const frr = readText('deploy/onprem/frr.conf');
  for (const prefix of overlay) {
    t.match(frr, `\n  network ${prefix}\n`);
    t.match(frr, `permit ${prefix}\n`);
  }
  if (onPath('bird')) {
    const args = ['-p', '-c', 'deploy/onprem/bird.conf'];
    const { stderr, status } = spawnSync('bird', args, { cwd: root, encoding: 'utf8' });
    t.equal(status, 0, stderr);
  }
  t.end();
});

/** A pattern of file names, as fnmatch(3) reads it. */
function glob(pattern: string): RegExp {
  const text = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${text.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}

t.test('network managers are told of exactly the devices that Selvage makes', (t) => {
  const names = Object.values(deviceNames);
  const devices = new Set([...names, ...names.map((name) => deviceInSlot(name, 'b'))]);
  const keyfile = readText('deploy/networkmanager/90-selvage.conf');
  const networkd = readText('deploy/networkd/05-selvage.network');
  const patternsIn: Readonly<Record<string, readonly string[]>> = {
    networkmanager: /^unmanaged-devices\+=(.*)$/m
      .exec(keyfile)![1]!
      .split(';')
      .map((one) => one.replace(/^interface-name:/, '')),
    networkd: /^Name=(.*)$/m.exec(networkd)![1]!.split(' '),
    installer: /\/sys\/class\/net\/\{(.*)\}/.exec(readText('deploy/install.sh'))![1]!.split(','),
  };
  for (const [file, patterns] of Object.entries(patternsIn)) {
    const expressions = patterns.map(glob);
    for (const device of devices)
      t.ok(
        expressions.some((expression) => expression.test(device)),
        `${file} knows ${device}`,
      );
    for (const other of ['eth0', 'ens5', 'lo', 'docker0', 'flannel.1', 'vxlan.calico', 'sl0'])
      t.notOk(
        expressions.some((expression) => expression.test(other)),
        `${file} leaves ${other}`,
      );
  }
  t.match(networkd, /^\[Link\]\nUnmanaged=yes$/m);
  t.match(
    readText('deploy/networkd/90-selvage.conf'),
    /^\[Network\]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no$/m,
  );
  t.end();
});

t.test('the files for systemd-networkd are well formed, and ours decides first', (t) => {
  const names = filesBelow('deploy/networkd').map((path) => path.slice('deploy/networkd/'.length));
  // The first .network file that matches a device decides; netplan's begin with 10.
  t.same(names, ['05-selvage.network', '90-selvage.conf']);
  for (const name of [...names.map((name) => `networkd/${name}`), 'onprem/eth0.network'])
    for (const line of readText(`deploy/${name}`).split('\n'))
      t.match(line, /^(#.*|\[\w+\]|\w+=.+|)$/, name);
  t.end();
});
