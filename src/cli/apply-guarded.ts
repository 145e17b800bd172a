/** A guarded change from the command line: by the agent, or by this process where none runs. */
import { createInterface } from 'node:readline/promises';
import type { ChangeReport, ChangeRequest } from '../agent/change.js';
import type { GuardedOnce } from '../agent/change-once.js';
import { askAgent } from './ask-agent.js';
import { readCluster, requireNode } from './cluster-file.js';
import { exitCodes } from './exit-codes.js';
import { readOneFile } from './handed-file.js';
import { withRuntime } from './node-kernel.js';
import type { Format } from './options.js';
import { printAnswer, remark } from './output.js';
import { renderChange } from './render/change.js';
import { sshClient } from './ssh-client.js';

export interface GuardedApply {
  readonly file: string;
  readonly confirm?: number;
  readonly allowLoss: string;
  readonly allowManagementCut: boolean;
  readonly config: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly socket: string;
  readonly runtimeDir: string;
  readonly stateDir: string;
  readonly output: Format;
}

/** Probes before and after, and the way back with probes of its own. */
const answerTimeoutMs = 120_000;

export async function applyGuarded(options: GuardedApply): Promise<void> {
  const request = await requestOf(options);
  const answer = await askAgent({
    socket: options.socket,
    method: 'POST',
    path: '/v1/change',
    query: {
      file: request.file,
      confirmMs: String(request.confirmMs),
      allowLoss: options.allowLoss,
      allowManagementCut: request.allowManagementCut ? 'yes' : undefined,
      sshClient: request.sshClient,
    },
    body: request.content,
    timeoutMs: answerTimeoutMs,
  });
  const report = answer.answered
    ? (answer.body as ChangeReport)
    : await applyHere(options, request);
  await printAnswer(report, { output: options.output, render: renderChange });
  process.exitCode = report.state === 'rolled-back' ? exitCodes.found : exitCodes.ok;
}

async function requestOf(options: GuardedApply): Promise<ChangeRequest> {
  const { file, confirm = 0, allowManagementCut } = options;
  return {
    file,
    content: await readOneFile(file),
    confirmMs: confirm,
    allowManagementCut,
    allowLoss: options.allowLoss.split(',').filter((name) => name !== ''),
    sshClient: sshClient(),
  };
}

async function applyHere(options: GuardedApply, request: ChangeRequest): Promise<ChangeReport> {
  const node = requireNode(await readCluster(options.file), {
    text: options.node,
    option: '--node',
    isDefault: options.nodeIsDefault,
  }).name;
  const { changeOnce } = await import('../agent/change-once.js');
  const { config: configFile, socket } = options;
  return withRuntime({ ...options, command: 'apply', answersOn: socket }, async (runtime) => {
    const once = await changeOnce(
      { node, configFile, paths: options, socket, runtime, log: remark },
      request,
    );
    try {
      return once.report.state === 'provisional' ? await settled(once, options) : once.report;
    } finally {
      await once.close();
    }
  });
}

/** Waits for a `y` on the terminal, for another command, for the deadline, or for a signal. */
async function settled(once: GuardedOnce, options: GuardedApply): Promise<ChangeReport> {
  const { change, report } = once;
  if (options.output === 'table')
    await printAnswer(report, { output: 'table', render: renderChange });
  const stop = (): void => void once.close();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, stop);
  const ended = change.ended();
  const over = new AbortController();
  if (process.stdin.isTTY) void askForIt(once, over.signal);
  try {
    return await ended;
  } finally {
    over.abort();
    for (const signal of signals) process.off(signal, stop);
  }
}

async function askForIt({ change }: GuardedOnce, signal: AbortSignal): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    while (!signal.aborted) {
      const answer = await lines.question('keep it? [y/n] ', { signal });
      if (/^y(es)?$/i.test(answer.trim())) await change.confirm();
      else if (/^no?$/i.test(answer.trim())) await change.rollback('answered no');
    }
  } catch (error) {
    // Settled by somebody else, or it could not be confirmed: then there is still time.
    if (!signal.aborted) remark(error instanceof Error ? error.message : String(error));
  } finally {
    lines.close();
  }
}
