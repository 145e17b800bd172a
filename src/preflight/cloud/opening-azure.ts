/** Azure: rules of a network security group, `resource-group/name`. Protocol 4 has no rule at all. */
import type { Opening, OpeningWords } from './opening-words.js';

/** Smaller numbers decide first; the defaults begin at 65000. */
const priority = 200;

export function azureOpening(opening: Opening): OpeningWords {
  const { id, name, direction, protocol, port, ranges } = opening;
  const slash = id.lastIndexOf('/');
  const [group, nsg] =
    slash < 0 ? ['RESOURCE-GROUP', id] : [id.slice(0, slash), id.slice(slash + 1)];
  const word = protocol === 17 ? 'Udp' : protocol === 1 ? 'Icmp' : '*';
  const inbound = direction === 'ingress';
  const side = inbound ? 'source' : 'destination';
  const texts = ranges.map(({ text }) => text);
  const title = `AllowSelvage${name.replace(/(^|-)(.)/g, (_, __, letter: string) => letter.toUpperCase())}`;
  return {
    commands: [
      `az network nsg rule create --resource-group ${group} --nsg-name ${nsg} --name ${title} --priority ${priority} --direction ${inbound ? 'Inbound' : 'Outbound'} --access Allow --protocol '${word}' --${side}-address-prefixes ${texts.join(' ')} --destination-port-ranges '${port ?? '*'}'`,
    ],
    terraform: [
      `resource "azurerm_network_security_rule" "selvage_${name.replaceAll('-', '_')}" {`,
      `  name                        = "${title}"`,
      `  resource_group_name         = "${group}"`,
      `  network_security_group_name = "${nsg}"`,
      `  priority                    = ${priority}`,
      `  direction                   = "${inbound ? 'Inbound' : 'Outbound'}"`,
      '  access                      = "Allow"',
      `  protocol                    = "${word}"`,
      '  source_port_range           = "*"',
      `  destination_port_range      = "${port ?? '*'}"`,
      `  ${side}_address_prefixes    = [${texts.map((text) => `"${text}"`).join(', ')}]`,
      `  ${inbound ? 'destination' : 'source'}_address_prefix  = "*"`,
      '}',
    ],
  };
}
