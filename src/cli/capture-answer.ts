/** `--capture`: live packets of the path that was explained, on this node. */
import type { CapturedPacket } from '../capture/group.js';
import type { CaptureTerms } from '../capture/path.js';
import { captureTerms } from '../capture/path.js';
import type { CaptureReport } from '../capture/run.js';
import { capture } from '../capture/run.js';
import { explainReading } from '../explain/node-reading.js';
import { readHere } from '../explain/local.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { askAgent } from './ask-agent.js';
import { readCluster } from './cluster-file.js';
import type { StoreAccessFlags } from './store-options.js';
import { unableFailure } from './failure.js';
import { requireKernelAccess } from './kernel-access.js';
import { withKernel } from './node-kernel.js';
import { print, remark } from './output.js';
import { renderCaptureEnd, renderPacket } from './render/capture.js';
import { stdoutTerminal } from './terminal.js';

export interface CaptureQuestion {
  /** What was explained. */
  readonly report: ExplainReport;
  readonly destination: string;
  readonly count: number;
  readonly timeoutMs: number;
  readonly config: string;
  readonly store: StoreAccessFlags;
  readonly socket: string;
  readonly runtimeDir: string;
  /** As packets come, or all at the end. */
  readonly live: boolean;
}

const patienceMs = 1_500;

/** Until enough have passed, the time is over, or ^C. */
export async function captureAnswer(question: CaptureQuestion): Promise<CaptureReport> {
  requireKernelAccess();
  const terms = await termsFor(question);
  const { count, timeoutMs, live } = question;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGINT', end);
  const terminal = stdoutTerminal();
  try {
    const report = await capture(terms, {
      count,
      timeoutMs,
      signal: ended.signal,
      onListening: () =>
        remark(
          `listening for ${count} packets from or to ${terms.destination}, for at most ${timeoutMs / 1_000} s (^C ends it) …`,
        ),
      ...(live
        ? { onPacket: (packet: CapturedPacket) => print(`\n${renderPacket(packet, terminal)}`) }
        : {}),
    });
    if (live) print(`\n${renderCaptureEnd(report, terminal)}`);
    return report;
  } finally {
    process.off('SIGINT', end);
  }
}

async function termsFor(question: CaptureQuestion): Promise<CaptureTerms> {
  const { socket, destination, report, config, store, runtimeDir } = question;
  const from = report.question.from.node;
  const query = { destination, from };
  const path = '/v1/capture-terms';
  const answer = await askAgent({ socket, path, query, timeoutMs: patienceMs });
  if (answer.answered) return answer.body as CaptureTerms;
  const cluster = await readCluster(config, { store });
  return withKernel(async (kernel) => {
    const note = answer.reason;
    const local = await readHere({ cluster, node: from, kernel, runtimeDir, note });
    if (!local.here) throw unableFailure(`cannot capture here: ${local.why}`);
    const explained = await explainReading(local.reading, { destination });
    const terms =
      typeof explained === 'string' ? explained : captureTerms(local.reading, explained);
    if (typeof terms === 'string') throw unableFailure(terms);
    return terms;
  });
}
