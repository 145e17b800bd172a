/** OpenStack: rules of a security group, one for each range. */
import type { Opening, OpeningWords } from './opening-words.js';

export function openstackOpening(opening: Opening): OpeningWords {
  const { id, name, direction, protocol, port, icmp, ranges } = opening;
  const word =
    protocol === 'all'
      ? 'any'
      : protocol === 17
        ? 'udp'
        : protocol === 1
          ? 'icmp'
          : String(protocol);
  return {
    commands: ranges.map(
      ({ text, family }) =>
        `openstack security group rule create --${direction} --ethertype IPv${family} --protocol ${word}` +
        (port === undefined ? '' : ` --dst-port ${port}`) +
        (icmp === undefined ? '' : ` --icmp-type ${icmp.type} --icmp-code ${icmp.code}`) +
        ` --remote-ip ${text} ${id}`,
    ),
    terraform: ranges.flatMap(({ text, family }, i) => [
      `resource "openstack_networking_secgroup_rule_v2" "selvage_${name.replaceAll('-', '_')}_${i}" {`,
      `  security_group_id = "${id}"`,
      `  direction         = "${direction}"`,
      `  ethertype         = "IPv${family}"`,
      ...(protocol === 'all' ? [] : [`  protocol          = "${word}"`]),
      ...(port === undefined
        ? []
        : [`  port_range_min    = ${port}`, `  port_range_max    = ${port}`]),
      ...(icmp === undefined
        ? []
        : [`  port_range_min    = ${icmp.type}`, `  port_range_max    = ${icmp.code}`]),
      `  remote_ip_prefix  = "${text}"`,
      '}',
    ]),
  };
}
