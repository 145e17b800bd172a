/** `lab store`: the members of a lab's store, and what can happen to them. */
import { Command } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import { labOption, standingLab } from './support.js';

export function storeCommand() {
  return new Command('store')
    .summary("the members of a lab's store: list, kill, halt and start them")
    .description(
      'For a lab that was built with --store etcd: what the fleet does when its store is in trouble.',
    )
    .addCommand(listCommand())
    .addCommand(
      memberCommand({
        name: 'kill',
        summary: 'end a member as a power cut does',
        done: 'is dead; "selvage lab store start" brings it back with its data',
        act: async (lab, member) => (await control()).killMember(lab, member),
      }),
    )
    .addCommand(
      memberCommand({
        name: 'halt',
        summary: 'stop a member from answering, with its connections open',
        done: 'is halted; "selvage lab store continue" lets it go on',
        act: async (lab, member) => (await control()).signalMember(lab, member, 'SIGSTOP'),
      }),
    )
    .addCommand(
      memberCommand({
        name: 'continue',
        summary: 'let a halted member go on',
        done: 'goes on',
        act: async (lab, member) => (await control()).signalMember(lab, member, 'SIGCONT'),
      }),
    )
    .addCommand(
      memberCommand({
        name: 'start',
        summary: 'start a member that was killed',
        done: 'is started',
        act: async (lab, member) => (await control()).restartMember(lab, member),
      }),
    )
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab store list
  sudo selvage lab store kill store1
  sudo selvage lab run`,
    );
}

function listCommand() {
  return new Command('list')
    .summary('the members, and which of them leads')
    .addOption(labOption())
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  sudo selvage lab store list')
    .action(async (options) => {
      const [{ memberStates }, { printAnswer }] = await Promise.all([
        control(),
        import('../../output.js'),
      ]);
      const states = await memberStates(await standingLab(options.lab));
      const members = states.map(({ member, running, leader }) => ({
        name: member.name,
        address: member.address,
        state: !running ? 'dead' : leader ? 'leader' : 'running',
      }));
      await printAnswer(
        { schema: 'selvage.lab-store/1', members },
        {
          output: options.output,
          render: (report) =>
            report.members
              .map(({ name, address, state }) => `${name}  ${address.padEnd(12)}  ${state}`)
              .join('\n'),
        },
      );
    });
}

type Lab = Awaited<ReturnType<typeof standingLab>>;

function memberCommand(verb: {
  readonly name: string;
  readonly summary: string;
  /** What is printed behind the member's name. */
  readonly done: string;
  readonly act: (lab: Lab, member: string) => unknown;
}) {
  return new Command(verb.name)
    .summary(verb.summary)
    .argument('<member>', 'store1, store2 or store3')
    .addOption(labOption())
    .addHelpText('after', `\nExamples:\n  sudo selvage lab store ${verb.name} store2`)
    .action(async (member, options) => {
      await verb.act(await standingLab(options.lab), member);
      process.stdout.write(`${member} ${verb.done}\n`);
    });
}

function control() {
  return import('../../../lab/store/control.js');
}
