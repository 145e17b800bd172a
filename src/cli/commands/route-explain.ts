/** `route-explain`: what happens to a packet for this destination, and why. */
import { dirname } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import type { ExplainReport } from '../../../routes/explain-report.js';
import { modes } from '../../../encap/mode.js';
import { parseCount, parseDuration } from '../duration.js';
import type { Format, Way } from '../options.js';
import type { Terminal } from '../terminal.js';
import {
  configOption,
  nodeOption,
  outputOption,
  socketOption,
  wayToAnswer,
  whatIfHelp,
  snapshotOption,
  watchOption,
  whatIfOption,
} from '../options.js';
import type { StoreAccessFlags } from '../store-options.js';
import { withStoreAccess } from '../store-options.js';

export function routeExplainCommand() {
  const command = new Command('route-explain')
    .alias('explain')
    .summary('what happens to a packet for a destination, and why')
    .description(
      'What happens to a packet for this destination, and why: the verdict, every rule looked at, ' +
        'every mode with what speaks against it, the packet on the wire, the kernel objects as they ' +
        'should be and as they are, and the way back. Asks the agent of this node; when none answers, ' +
        'it reads this kernel itself (as root), and where this is not the sender, or with --config, ' +
        'it works from the cluster file alone and says so. What is wrong comes first, with a code ' +
        '(--codes lists them), and what to do about it.',
    )
    .argument('[destination]', 'an address, a prefix, or the name of a node')
    .addOption(
      new Option('-f, --from <node>', 'the sending node: its name or an address of its own').env(
        'SELVAGE_FROM',
      ),
    )
    .addOption(whatIfOption())
    .addOption(
      new Option('--why-not <mode>', 'all that speaks against this mode, with sources').choices(
        modes,
      ),
    )
    .addOption(
      new Option(
        '--capture <packets>',
        'show this many live packets of the path, at every place they pass (as root)',
      ).argParser(parseCount),
    )
    .addOption(
      new Option('--capture-timeout <time>', 'listen no longer than this')
        .argParser(parseDuration)
        .default(30_000, '30s'),
    )
    .addOption(
      new Option(
        '--probe [packets]',
        'send packets too, layer by layer, this many of each (1 to 20)',
      ).preset('5'),
    )
    .addOption(new Option('--hex', 'the bytes of every header'))
    .addOption(new Option('--codes', 'list every code that a finding can have, and stop'))
    .addOption(watchOption())
    .addOption(snapshotOption())
    .addOption(configOption())
    .addOption(nodeOption())
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage route-explain 10.64.3.7                 as this node sees it
  selvage explain az-1 --from rack-1              to a node, from another one
  selvage explain 10.64.3.7 --config new.yaml --from rack-1
                                                  what a file would do, before it is deployed
  selvage explain az-1 --what-if 'link rack azure: {modes: [vxlan]}'
                                                  what a change would do; nothing is touched
  selvage explain az-1 --why-not ipip             all that speaks against a mode
  sudo selvage explain 10.64.3.7 --capture 5      and the next five packets, decoded, place by place
  selvage explain az-1 --probe                    with packets: where are they lost, and why
  selvage explain 10.64.3.7 --watch               again and again, until ^C
  selvage explain 10.64.3.7 --snapshot case-17.json.gz
                                                  elsewhere, as the node answered then
  selvage explain 10.64.3.7 -o json | jq -r .verdict.kind
${whatIfHelp}

Exit code 1 means: denied, no route, or something is wrong on the way (any health but OK).`,
    );
  return withStoreAccess(command).action(async (destination, options, self) => {
    if (options.codes === true) return printCodes(options.output);
    if (destination === undefined) {
      const { usageFailure } = await import('../failure.js');
      throw usageFailure('route-explain takes a destination: an address, a prefix or a node');
    }
    const question: ExplainQuestion = {
      destination,
      whatIf: options.whatIf,
      probe: await packetsOf(options.probe),
      from: options.from,
      node: options.node,
      nodeIsDefault: self.getOptionValueSource('node') === 'default',
      config: options.config,
      socket: options.socket,
      snapshot: options.snapshot,
      store: options,
      way: wayToAnswer((name) => self.getOptionValueSource(name)),
    };
    const [{ printAnswer }, { renderExplain }, { explainWhyNot }] = await Promise.all([
      import('../output.js'),
      import('../render/explain.js'),
      import('../../../routes/explain-why-not.js'),
    ]);
    const { whyNot, output, watch, hex } = options;
    const render = (report: ExplainReport, terminal: Terminal) =>
      renderExplain(report, terminal, { hex: hex === true });
    if (options.capture !== undefined) await requireLive(question, watch !== undefined);
    const ask = async () => {
      const answer = await explainAnswer(question);
      return whyNot === undefined ? answer : { ...answer, whyNot: explainWhyNot(answer, whyNot) };
    };
    if (watch !== undefined) {
      const { watchAnswers } = await import('../watch.js');
      const exitCode = (report: ExplainReport) => report.verdict.exitCode;
      const seconds = watch;
      return watchAnswers({ seconds, ask, output, render, exitCode });
    }
    const report = await ask();
    process.exitCode = report.verdict.exitCode;
    const { capture } = options;
    if (capture === undefined) return printAnswer(report, { output, render });
    const live = output === 'table';
    if (live) await printAnswer(report, { output, render });
    const { captureAnswer } = await import('../capture-answer.js');
    const captured = await captureAnswer({
      ...question,
      report,
      count: capture,
      timeoutMs: options.captureTimeout,
      runtimeDir: dirname(question.socket),
      live,
    });
    if (!live)
      await printAnswer({ ...report, capture: captured }, { output, render: renderExplain });
  });
}

/** Live packets are of here and now. */
async function requireLive(question: ExplainQuestion, watches: boolean): Promise<void> {
  const { usageFailure } = await import('../failure.js');
  const other =
    question.snapshot !== undefined
      ? '--snapshot'
      : question.way === 'file'
        ? '--config'
        : question.whatIf.length > 0
          ? '--what-if'
          : watches
            ? '--watch'
            : undefined;
  if (other !== undefined)
    throw usageFailure(
      `--capture shows live packets of this node, so it does not go with ${other}`,
    );
}

interface ExplainQuestion {
  readonly destination: string;
  readonly from: string | undefined;
  readonly whatIf: readonly string[];
  /** Packets of each layer; undefined: no probes. */
  readonly probe: number | undefined;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly config: string;
  readonly socket: string;
  readonly snapshot: string | undefined;
  readonly way: Way;
  readonly store: StoreAccessFlags;
}

async function explainAnswer(question: ExplainQuestion): Promise<ExplainReport> {
  if (question.snapshot !== undefined) return fromSnapshot(question, question.snapshot);
  const { destination, from, socket, way, whatIf, probe } = question;
  if (probe !== undefined && way === 'file') throw await cannotProbe();
  if (way === 'file') return fromFile(question, `--config ${question.config}`);
  const { askAgent, requireAgent } = await import('../ask-agent.js');
  const asked = {
    socket,
    path: '/v1/explain',
    query: { destination, from, whatIf, probe: probe?.toString() },
  };
  if (way === 'agent') return heeded((await requireAgent(asked)) as ExplainReport, question);
  // The whole cluster is read anew for a what-if, and packets take their time.
  const answer = await askAgent(
    whatIf.length > 0 || probe !== undefined ? asked : { ...asked, timeoutMs: patienceMs },
  );
  return answer.answered
    ? heeded(answer.body as ExplainReport, question)
    : withoutAgent(question, answer.reason);
}

/** Of `--probe N`. */
async function packetsOf(text: string | true | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 20) return count;
  const { usageFailure } = await import('../failure.js');
  throw usageFailure(
    `--probe takes a number of packets from 1 to 20, not "${String(text)}"; a destination comes before it`,
  );
}

async function cannotProbe(note?: string): Promise<Error> {
  const { unableFailure } = await import('../failure.js');
  const why = note === undefined ? '' : ` (${note})`;
  return unableFailure(`only the sending node itself can probe${why}: run this there, as root`);
}

async function printCodes(output: Format): Promise<void> {
  const [{ printAnswer }, { findingCodes }, { renderCodes }] = await Promise.all([
    import('../output.js'),
    import('../../../routes/diagnose/codes.js'),
    import('../render/explain-findings.js'),
  ]);
  const answer = { schema: 'selvage.finding-codes/1', codes: findingCodes } as const;
  await printAnswer(answer, { output, render: renderCodes });
}

async function fromSnapshot(question: ExplainQuestion, file: string): Promise<ExplainReport> {
  const [{ bundleOfFile }, { explainBundle }, { usageFailure }] = await Promise.all([
    import('../snapshot-source.js'),
    import('../../snapshot/explain.js'),
    import('../failure.js'),
  ]);
  const { destination, from, whatIf } = question;
  if (question.probe !== undefined) throw await cannotProbe('a snapshot is of the past');
  const report = await explainBundle(await bundleOfFile(file), { destination, from, whatIf });
  if (typeof report === 'string') throw usageFailure(report);
  return report;
}

/** An agent of an older release answers what is, and must not be taken for what would be. */
async function heeded(report: ExplainReport, question: ExplainQuestion): Promise<ExplainReport> {
  const { whatIf } = report.basis as Partial<ExplainReport['basis']>;
  if (question.whatIf.length === 0 || (whatIf ?? null) !== null) return report;
  const { unableFailure } = await import('../failure.js');
  throw unableFailure(
    'the running agent knows no --what-if: restart it, or ask with --config FILE',
  );
}

/** An agent that hangs is as good as none, and somebody is waiting for the answer. */
const patienceMs = 1_500;

/** On the node itself its kernel tells as much as its agent would; elsewhere there is the file. */
async function withoutAgent(question: ExplainQuestion, reason: string): Promise<ExplainReport> {
  const [
    { kernelAccessProblem },
    { withKernel },
    { readCluster, requireNode },
    { readHere },
    { explainReading },
    { usageFailure },
  ] = await Promise.all([
    import('../kernel-access.js'),
    import('../node-kernel.js'),
    import('../cluster-file.js'),
    import('../../explain/local.js'),
    import('../../explain/node-reading.js'),
    import('../failure.js'),
  ]);
  const problem = kernelAccessProblem();
  if (problem !== undefined) return fromFile(question, `${reason}; ${problem}`);
  const cluster = await readCluster(question.config, { store: question.store });
  const node = requireNode(cluster, senderOf(question)).name;
  return withKernel(async (kernel) => {
    const local = await readHere({
      cluster,
      node,
      kernel,
      runtimeDir: dirname(question.socket),
      note: reason,
    });
    if (!local.here) return fromFile(question, `${reason}; ${local.why}`);
    const { probe } = question;
    const { localProber } = await import('../../explain/local-prober.js');
    const report = await explainReading(local.reading, {
      destination: question.destination,
      whatIf: question.whatIf,
      ...(probe === undefined
        ? {}
        : { probe: { prober: localProber(local.reading), count: probe } }),
    });
    if (typeof report === 'string') throw usageFailure(report);
    return report;
  });
}

function senderOf(question: ExplainQuestion) {
  return {
    text: question.from ?? question.node,
    option: '--from',
    isDefault: question.from === undefined && question.nodeIsDefault,
  } as const;
}

async function fromFile(question: ExplainQuestion, note: string): Promise<ExplainReport> {
  if (question.probe !== undefined) throw await cannotProbe(note);
  const [{ readCluster, requireNode }, { explainFile }, { usageFailure }] = await Promise.all([
    import('../cluster-file.js'),
    import('../../explain/node-reading.js'),
    import('../failure.js'),
  ]);
  const cluster = await readCluster(question.config, { store: question.store });
  const from = requireNode(cluster, senderOf(question)).name;
  const { destination, whatIf } = question;
  const report = explainFile(cluster, { destination, from, whatIf, note });
  if (typeof report === 'string') throw usageFailure(report);
  return report;
}
