/** An operator's question to an agent with 10,000 peers, through its socket and as a command. */
import { agentRequest } from '../../src/agent/client.js';
import type { AgentStage } from './agent-stage.js';
import { agentStage } from './agent-stage.js';
import { figure, heading, quantile } from './report.js';

const peers = 10_000;
const restarts = 5;
const questions = 200;
const commands = 15;

export async function benchExplain(): Promise<void> {
  heading(`route-explain by an agent with ${peers.toLocaleString('en-US')} peers, without probes`);
  const stage = agentStage(peers);
  try {
    // Whatever comes first after a start: the kernel has everything, the agent no answer yet.
    const cold: number[] = [];
    let agent = await stage.start();
    for (let turn = 0; turn < restarts; turn++) {
      await agent.stop();
      agent = await stage.start();
      cold.push(await askMs(stage, turn));
    }
    const aim = 'under 150 ms';
    figure({
      name: 'first answer after a start, p50',
      value: quantile(cold, 0.5),
      unit: 'ms',
      aim,
    });
    figure({
      name: 'first answer after a start, worst of 5',
      value: Math.max(...cold),
      unit: 'ms',
    });
    const warm: number[] = [];
    for (let turn = 0; turn < questions; turn++) warm.push(await askMs(stage, turn * 37));
    figure({
      name: 'later answers, each of another peer, p50',
      value: quantile(warm, 0.5),
      unit: 'ms',
    });
    figure({ name: 'later answers, p99', value: quantile(warm, 0.99), unit: 'ms', aim });
    const asked = ['route-explain', addressOf(7), '--socket', stage.socket];
    figure({
      name: 'the whole command, p50',
      value: commandMs(stage, [...stage.program, ...asked]),
      unit: 'ms',
    });
    figure({
      name: 'Node alone, which starts and ends',
      value: commandMs(stage, [process.execPath, '--eval', '0']),
      unit: 'ms',
    });
    await agent.stop();
  } finally {
    stage.remove();
  }
}

async function askMs({ socket }: AgentStage, turn: number): Promise<number> {
  const path = `/v1/explain?destination=${addressOf(turn)}`;
  const start = performance.now();
  const report = (await agentRequest({ socket, method: 'GET', path })) as Answer;
  const tookMs = performance.now() - start;
  if (report.verdict.kind !== 'VXLAN' || !report.kernel.compared || report.hops.from === null)
    throw new Error(`no full answer about ${addressOf(turn)}: ${JSON.stringify(report.verdict)}`);
  return tookMs;
}

interface Answer {
  readonly verdict: { readonly kind: string };
  readonly kernel: { readonly compared: boolean };
  readonly hops: { readonly from: unknown };
}

/** Of a peer of its own each turn; see `fleet`. */
function addressOf(turn: number): string {
  const peer = 1 + (turn % peers);
  return `10.${peer >> 8}.${peer & 255}.9`;
}

function commandMs({ node }: AgentStage, words: readonly string[]): number {
  const [command, ...rest] = words;
  const times: number[] = [];
  for (let turn = 0; turn < commands; turn++) {
    const start = performance.now();
    // Not OK is an answer too: the peers of the fleet do not exist.
    node.tryRun(command!, rest);
    times.push(performance.now() - start);
  }
  return quantile(times, 0.5);
}
