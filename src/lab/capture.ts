/**
 * What really crossed the underlay: one tcpdump a node at the zone's end of its cable. There a
 * packet from the node is seen before the provider's filter, and one to the node after it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Lab } from './lab.js';
import { LabError } from './names.js';
import { type CapturedFrame, PcapReader } from './pcap.js';
import type { NodePlan } from './plan.js';
import { inNamespace } from './shell.js';

/** Enough for the outer and inner headers; the rest of a packet is of no interest. */
const snapBytes = 256;

export interface Capture {
  /** Ends it and returns how many packets tcpdump itself could not keep up with. */
  stop(): Promise<number>;
}

export async function startCapture(
  lab: Lab,
  onFrame: (node: NodePlan, frame: CapturedFrame) => void,
): Promise<Capture> {
  const taps = await Promise.all(lab.plan.nodes.map((node) => tap(lab, node, onFrame)));
  return {
    stop: async () => {
      const dropped = await Promise.all(taps.map((one) => one.stop()));
      return dropped.reduce((sum, count) => sum + count, 0);
    },
  };
}

async function tap(
  lab: Lab,
  node: NodePlan,
  onFrame: (node: NodePlan, frame: CapturedFrame) => void,
): Promise<Capture> {
  const zone = lab.plan.zones.find((entry) => entry.name === node.zone)!;
  const [program, ...args] = inNamespace(zone.namespace, [
    ...['tcpdump', '-i', node.port, '-n', '-U', '--immediate-mode', '-Z', 'root'],
    ...['-s', String(snapBytes), '-w', '-', 'ip or ip6'],
  ]);
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const reader = new PcapReader((frame) => onFrame(node, frame));
  child.stdout.on('data', (chunk: Buffer) => reader.push(chunk));
  let said = '';
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('listening on')) resolve();
    });
    child.once('error', (error) =>
      reject(new LabError(`cannot capture: tcpdump does not start (${error.message})`)),
    );
    void closed.then(() =>
      reject(new LabError(`cannot capture at the port of ${node.name}: ${said.trim()}`)),
    );
  });
  return {
    stop: async () => {
      await end(child, closed);
      return Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1] ?? 0);
    },
  };
}

async function end(child: ChildProcess, closed: Promise<void>): Promise<void> {
  if (child.exitCode === null) child.kill('SIGINT');
  await closed;
}
