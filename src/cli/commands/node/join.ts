/** `node join`: this machine becomes a node of a fleet. */
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { defaultStoreFile } from '../../../agent/paths.js';
import { outputOption, runtimeDirOption, socketOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';
import { defaultsFileOption, nameOption, waitOption } from './options.js';

export function joinCommand() {
  const command = new Command('join')
    .summary('make this machine a node of the fleet')
    .description(
      "Finds this machine's address and zone, gives it blocks of the overlay's pools, writes its " +
        'record into the store, makes an account that may write nothing else, and leaves the ' +
        "credentials where the agent's unit finds them. Doing it again, also after the machine was " +
        'installed anew, keeps the blocks and renews the password.',
    )
    .addOption(nameOption('name of the node'))
    .addOption(
      new Option('--zone <zone>', 'its zone; default: the one whose subnets hold its address'),
    )
    .addOption(
      new Option(
        '--address <address>',
        'underlay address, with its /LENGTH where this machine does not have it; once for each family',
      )
        .argParser(repeated)
        .default([] as readonly string[], 'those of this machine'),
    )
    .addOption(
      new Option('--label <key=value>', 'for rules; may be repeated; default: those it had')
        .argParser(repeated)
        .default([] as readonly string[], 'none'),
    )
    .addOption(
      new Option('--blocks <count>', 'blocks of each family that it has at least')
        .argParser(blockCount)
        .default(1),
    )
    .addOption(
      new Option('--replace', 'take the name from an agent that is alive elsewhere').default(false),
    )
    .addOption(new Option('--no-cloud', "do not ask the provider's metadata service"))
    .addOption(
      new Option(
        '--write <file>',
        'where to leave the credentials, for this machine or another',
      ).default(defaultStoreFile),
    )
    .addOption(
      new Option('--node-cert <file>', "the node's own certificate, where the store wants one"),
    )
    .addOption(new Option('--node-key <file>', 'key of that certificate'))
    .addOption(defaultsFileOption())
    .addOption(waitOption())
    .addOption(socketOption())
    .addOption(runtimeDirOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage node join --store etcd://10.0.0.1:2379,10.0.0.2:2379/prod --store-ca ca.pem \\
    --store-user root --store-password-file root.pw
  selvage node join --zone az-1 --label rack=r7 --blocks 2
  selvage node join --name web-7 --address 10.1.0.7/24 --write web-7/store.yaml
                          for another machine; copy the folder to its /etc/selvage

The credentials given here are the operator's; the node gets its own.
Exit code 1 means: joined, and something should be looked at.`,
    );
  return withStoreOptions(command).action(async (options, self) => {
    const { nodeJoin } = await import('../../fleet/join.js');
    const labels = self.getOptionValueSource('label') === 'default' ? undefined : options.label;
    await nodeJoin({ ...options, labels });
  });
}

function repeated(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

const maxBlocks = 64;

function blockCount(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= maxBlocks) return count;
  throw new InvalidArgumentError(`a number from 1 to ${maxBlocks} is right.`);
}
