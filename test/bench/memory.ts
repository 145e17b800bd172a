/** Resident memory of a real agent process with 10,000 peers in its kernel. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentStage } from './agent-stage.js';
import { figure, heading } from './report.js';

const peers = 10_000;

export async function benchMemory(): Promise<void> {
  heading(`Agent: a real process with ${peers.toLocaleString('en-US')} peers`);
  const stage = agentStage(peers);
  try {
    const start = performance.now();
    const agent = await stage.start();
    figure({ name: 'cold start to converged', value: performance.now() - start, unit: 'ms' });
    await sleep(2_000);
    figure({
      name: 'resident memory',
      value: residentMb(agent.pid),
      unit: 'MB',
      aim: 'under 150 MB',
    });
    await agent.stop();
  } finally {
    stage.remove();
  }
}

/** `VmRSS`: now; `VmHWM`: the most so far. */
export function residentMb(pid: number, field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  );
  return Number(line?.[1] ?? 0) / 1024;
}
