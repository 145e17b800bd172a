/** EC2: security groups, and the ACL of a subnet. */
import type { Opening, OpeningWords } from './opening-words.js';
import { ofFamily } from './opening-words.js';

export function awsOpening(opening: Opening): OpeningWords {
  return opening.id.startsWith('acl-') ? aclEntry(opening) : groupRule(opening);
}

function groupRule(opening: Opening): OpeningWords {
  const { id, direction, ranges } = opening;
  const [v4, v6] = [ofFamily(ranges, 4), ofFamily(ranges, 6)];
  const { protocol, from, to } = terms(opening);
  const permission = [
    `IpProtocol=${protocol}`,
    ...(from === undefined ? [] : [`FromPort=${from}`, `ToPort=${to}`]),
    ...(v4.length === 0 ? [] : [`IpRanges=[${v4.map((text) => `{CidrIp=${text}}`).join(',')}]`]),
    ...(v6.length === 0
      ? []
      : [`Ipv6Ranges=[${v6.map((text) => `{CidrIpv6=${text}}`).join(',')}]`]),
  ];
  const resource = (key: string, range: string, i: number): readonly string[] => [
    `resource "aws_vpc_security_group_${direction}_rule" "selvage_${opening.name}_${i}" {`,
    `  security_group_id = "${id}"`,
    `  ip_protocol       = "${protocol}"`,
    ...(from === undefined ? [] : [`  from_port         = ${from}`, `  to_port           = ${to}`]),
    `  ${key}         = "${range}"`,
    '}',
  ];
  return {
    commands: [
      `aws ec2 authorize-security-group-${direction} --group-id ${id} --ip-permissions '${permission.join(',')}'`,
    ],
    terraform: [
      ...v4.flatMap((range, i) => resource('cidr_ipv4', range, i)),
      ...v6.flatMap((range, i) => resource('cidr_ipv6', range, v4.length + i)),
    ],
  };
}

/** Of ICMP the "ports" are type and code. */
function terms({ protocol, port, icmp }: Opening) {
  const name =
    protocol === 'all'
      ? '-1'
      : protocol === 17
        ? 'udp'
        : protocol === 1
          ? 'icmp'
          : String(protocol);
  return { protocol: name, from: icmp?.type ?? port, to: icmp?.code ?? port };
}

/** Entries are tried by their numbers; 90 comes before the usual first one, 100. */
const aclRule = 90;

function aclEntry(opening: Opening): OpeningWords {
  const { id, direction, ranges, port, icmp } = opening;
  const protocol = opening.protocol === 'all' ? '-1' : String(opening.protocol);
  const egress = direction === 'egress';
  const entries = ranges.map((range, i) => ({ range, number: aclRule - ranges.length + 1 + i }));
  return {
    commands: entries.map(
      ({ range, number }) =>
        `aws ec2 create-network-acl-entry --network-acl-id ${id} --${direction} --rule-number ${number} --protocol ${protocol}` +
        (port === undefined ? '' : ` --port-range From=${port},To=${port}`) +
        (icmp === undefined ? '' : ` --icmp-type-code Type=${icmp.type},Code=${icmp.code}`) +
        ` --${range.family === 6 ? 'ipv6-cidr-block' : 'cidr-block'} ${range.text} --rule-action allow`,
    ),
    terraform: entries.flatMap(({ range, number }, i) => [
      `resource "aws_network_acl_rule" "selvage_${opening.name}_${i}" {`,
      `  network_acl_id = "${id}"`,
      `  rule_number    = ${number}`,
      `  egress         = ${egress}`,
      `  protocol       = "${protocol}"`,
      '  rule_action    = "allow"',
      `  ${range.family === 6 ? 'ipv6_cidr_block' : 'cidr_block'} = "${range.text}"`,
      ...(port === undefined ? [] : [`  from_port      = ${port}`, `  to_port        = ${port}`]),
      ...(icmp === undefined
        ? []
        : [`  icmp_type      = ${icmp.type}`, `  icmp_code      = ${icmp.code}`]),
      '}',
    ]),
  };
}
