/** `migrate`: the configuration of a fleet changes in phases, and no packet is lost by it. */
import { Argument, Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { parseDuration } from '../duration.js';
import { forceChangeOption, messageOption, versionNumberOption } from '../fleet-config/options.js';
import { outputOption } from '../options.js';
import { withStoreOptions } from '../store-options.js';

const defaultSettleSeconds = 2;
const maxSettleSeconds = 3_600;

const all = (text: string, before: readonly string[]): readonly string[] => [...before, text];

export function migrateCommand() {
  const command = new Command('migrate')
    .summary("change a fleet's configuration in phases, without losing a packet")
    .description(
      'Leads all nodes through a change of the configuration: first every node receives the old ' +
        'and the new, then every node sends the new, then the old goes. Each phase is a version of ' +
        'the configuration, and the next one is written when every node has said that it is done. ' +
        'Nothing else is kept: ended half-way, the same command goes on. Without a file or an ' +
        'option that says what to do it tells how a change stands.',
    )
    .addArgument(new Argument('[file]', 'the new cluster file; - for standard input'))
    .addOption(
      new Option(
        '--set <change>',
        "the configuration in force with this change, e.g. 'rule cross-zone: {mode: vxlan}' (the forms of --what-if); may be repeated",
      )
        .argParser(all)
        .default([] as readonly string[], 'none'),
    )
    .addOption(versionNumberOption('--to-version <number>', 'the text of an earlier version'))
    .addOption(new Option('--resume', 'go on with what was begun').default(false))
    .addOption(
      new Option('--rollback', 'take back what was begun, in any phase before clean').default(
        false,
      ),
    )
    .addOption(
      new Option('--pause-after <phase>', 'end after this phase; --resume goes on').choices([
        'prepare',
        'switch',
      ] as const),
    )
    .addOption(
      new Option(
        '--settle <seconds>',
        'how long every node has sent the new before the old is no longer received',
      )
        .argParser(parseSettle)
        .default(defaultSettleSeconds),
    )
    .addOption(
      new Option(
        '--timeout <time>',
        'give up waiting after this; the phase stays as it is',
      ).argParser(parseDuration),
    )
    .addOption(
      new Option('--skip <node>', 'do not wait for this node; may be repeated')
        .argParser(all)
        .default([] as readonly string[], 'none'),
    )
    .addOption(messageOption())
    .addOption(forceChangeOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Phases:
  prepare  every node learns to receive by both configurations, and sends by the old one
  ready    all do; --pause-after prepare ends here
  switch   every node sends by the new one, and receives by both
  settle   all do, for --settle seconds; --pause-after switch ends here
  clean    the devices and rules of the old one go

A node that is not heard of holds the change up until it is back or its grace is over
(fleet: staleGraceSeconds). With --skip it does not: a machine that is off loses nothing by that. One
that runs without its agent goes on sending by the old configuration and receives by that alone, so
from "switch" on packets to it, and from "clean" on packets from it, may be lost until its agent is
back; the agent then goes straight to the last phase.

Examples:
  selvage migrate cluster.yaml -m 'rack-c by vxlan'
  selvage migrate --set 'cluster: {vxlan: {vni: 4097}}' --pause-after prepare
  selvage migrate --resume
  selvage migrate --rollback
  selvage migrate -o json | jq -r '.progress.waiting[].node'

Exit code 1 means: the file has errors, or the change is not at its end: the time was over, ^C, or
it was only asked for and is under way.
Exit code 3 also means: nothing was written as another change is under way, or it would cut off nodes
or pairs; or somebody else wrote another configuration meanwhile.`,
    );
  return withStoreOptions(command).action(async (file, options) => {
    const { runMigrate } = await import('../migrate/run.js');
    await runMigrate(file, options);
  });
}

function parseSettle(text: string): number {
  const seconds = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (seconds <= maxSettleSeconds) return seconds;
  throw new InvalidArgumentError(`seconds from 0 to ${maxSettleSeconds} are right.`);
}
