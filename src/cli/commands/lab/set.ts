/** `lab set`: what an operator does in a cloud's console, to the underlay of a lab. */
import { Command } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import { labOption, standingLab } from './support.js';

export function setCommand() {
  return new Command('set')
    .summary("change a cloud's switch at the NIC of a node")
    .description(
      'Changes what the underlay of a lab that stands does at one NIC. The cluster file and the ' +
        'agents are told nothing: as when somebody clicks in a console.',
    )
    .argument('<node>', 'node of the lab')
    .argument('<switch=value...>', 'e.g. sourceDestinationCheck=disabled, firewall.ipip=blocked')
    .addOption(labOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Switches: sourceDestinationCheck=enabled|disabled, ipForwarding=enabled|disabled,
fabricRoutes=present|absent, firewall.ipip, firewall.ipv6InIpv4, firewall.vxlan and
firewall.native, each =allowed|blocked.

Examples:
  sudo selvage lab set aws-1 sourceDestinationCheck=disabled
  sudo selvage lab set gce-1 ipForwarding=enabled fabricRoutes=present`,
    )
    .action(async (node, texts, options) => {
      const [{ readSwitch, setSwitches }, { printAnswer }] = await Promise.all([
        import('../../../lab/commands.js'),
        import('../../output.js'),
      ]);
      const switches = texts.map(readSwitch);
      await setSwitches(await standingLab(options.lab), { node, switches });
      await printAnswer(
        { schema: 'selvage.lab-set/1', node, switches },
        {
          output: options.output,
          render: () =>
            switches.map(({ name, value }) => `${name} of ${node} is ${value} now`).join('\n'),
        },
      );
    });
}
