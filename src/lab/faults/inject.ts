/**
 * Makes and undoes faults in a lab that stands. What undoes a fault is written down before it is
 * made, so that `clear` works after a crash and from another terminal.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Family } from '../../../encap/address.js';
import { decide } from '../../../encap/decide.js';
import { agentRequest } from '../../agent/client.js';
import { realAgent, startAgent, untilReady } from '../agents.js';
import type { Lab } from '../lab.js';
import { writeManifest } from '../manifest.js';
import { LabError } from '../names.js';
import type { NodePlan } from '../plan.js';
import type { ProcessRecord } from '../processes.js';
import { isRunning } from '../processes.js';
import { command, tryCommand } from '../shell.js';
import type { Fault, FaultSite, Step } from './fault.js';
import { faults } from './index.js';

export interface FaultRequest {
  readonly fault: string;
  readonly from: string;
  readonly to: string;
  /** Where a fault of a node's own state is made: `from` unless told otherwise. */
  readonly at?: string | undefined;
}

/** A fault that a lab has at the moment. */
export interface StandingFault extends FaultRequest {
  readonly at: string;
  readonly undo: readonly Step[];
  readonly frozen: readonly string[];
}

export function standingFaults(lab: Lab): readonly StandingFault[] {
  try {
    return JSON.parse(readFileSync(recordOf(lab), 'utf8')) as readonly StandingFault[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export async function injectFault(lab: Lab, request: FaultRequest): Promise<StandingFault> {
  const fault = requireFault(request.fault);
  const site = await siteOf(lab, request);
  const steps = fault.steps(site);
  if (typeof steps === 'string')
    throw new LabError(`cannot make the fault ${fault.name} between these nodes: ${steps}`);
  const frozen = fault.kind === 'state' ? [site.at.name] : [];
  const standing = { ...request, at: site.at.name, undo: steps.undo, frozen };
  record(lab, [...standingFaults(lab), standing]);
  for (const node of frozen) await freeze(lab, node, fault);
  for (const step of steps.inject) await run(step);
  if (fault.kind === 'agent') signalAgent(lab, { node: site.at.name, fault: fault.name });
  return standing;
}

/** Undoes all faults, the last one first, and waits until the agents have put everything right. */
export async function clearFaults(lab: Lab): Promise<readonly StandingFault[]> {
  const standing = standingFaults(lab);
  for (const entry of [...standing].reverse()) {
    for (const step of entry.undo) await tryCommand(step.argv, optionsOf(step));
    if (entry.fault === 'agent-hung') signalAgent(lab, { node: entry.at, fault: 'go-on' });
    if (entry.fault === 'agent-dead') await startAgain(lab, entry.at);
  }
  for (const node of new Set(standing.flatMap(({ frozen }) => frozen)))
    await ask(lab, node, '/v1/thaw');
  for (const node of new Set(standing.map(({ at }) => at))) await ask(lab, node, '/v1/reload');
  rmSync(recordOf(lab), { force: true });
  return standing;
}

function requireFault(name: string): Fault {
  const fault = faults.find((entry) => entry.name === name);
  if (fault !== undefined) return fault;
  throw new LabError(
    `there is no fault "${name}"; there are ${faults.map((entry) => entry.name).join(', ')}`,
  );
}

async function siteOf(lab: Lab, request: FaultRequest): Promise<FaultSite> {
  const { cluster, nodes, zones } = lab.plan;
  const from = requireNode(lab, request.from);
  const to = requireNode(lab, request.to);
  const at = request.at === undefined ? from : requireNode(lab, request.at);
  if (at !== from && at !== to)
    throw new LabError(`a fault is made at ${from.name} or ${to.name}, not at ${at.name}`);
  const peer = at === from ? to : from;
  const family: Family = 4;
  const prefix = peer.overlay.find((entry) => entry.family === family);
  if (prefix === undefined)
    throw new LabError(`node ${peer.name} has no IPv4 overlay prefix to make a fault of`);
  const { verdict } = decide(
    { cluster, local: undefined },
    { from: cluster.nodes.get(at.name)!, prefix, owner: cluster.nodes.get(peer.name) },
  );
  if (verdict.kind !== 'forward')
    throw new LabError(
      `${at.name} does not send to ${peer.name} at all: there is nothing to break`,
    );
  return {
    from,
    to,
    at,
    peer,
    third: nodes.find(
      (node) =>
        node !== from && node !== to && node.zone === peer.zone && node.bridge === peer.bridge,
    ),
    zoneNamespace: (node) => zones.find((zone) => zone.name === node.zone)!.namespace,
    family,
    device: await deviceTo(at, prefix.text),
    mode: verdict.mode,
    prefix,
    vxlanPort: cluster.vxlan.port,
    vni: cluster.vxlan.vni,
  };
}

async function deviceTo(node: NodePlan, prefix: string): Promise<string> {
  const argv = ['ip', '-j', 'route', 'show', prefix, 'proto', '83'];
  const routes = JSON.parse(
    (await command(argv, { namespace: node.namespace })) || '[]',
  ) as readonly { readonly dev?: string }[];
  const device = routes[0]?.dev;
  if (device === undefined)
    throw new LabError(
      `node ${node.name} has no route to ${prefix}: clear the faults it has first`,
    );
  return device;
}

function requireNode(lab: Lab, name: string): NodePlan {
  const node = lab.plan.nodes.find((entry) => entry.name === name);
  if (node !== undefined) return node;
  const names = lab.plan.nodes.map((entry) => entry.name).join(', ');
  throw new LabError(`the lab "${lab.name}" has no node "${name}"; it has ${names}`);
}

async function run(step: Step): Promise<void> {
  await command(step.argv, optionsOf(step));
}

function optionsOf({ namespace, input }: Step) {
  return input === undefined ? { namespace } : { namespace, input };
}

async function freeze(lab: Lab, node: string, fault: Fault): Promise<void> {
  await ask(lab, node, '/v1/freeze', { reason: `fault ${fault.name}` });
}

async function ask(lab: Lab, node: string, path: string, body?: unknown): Promise<void> {
  const { agentSocket } = lab.files.get(node)!;
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  await agentRequest({ socket: agentSocket, method: 'POST', path, body: bytes });
}

function agentOf(lab: Lab, node: string): ProcessRecord {
  const found = lab.manifest.processes.find(
    (entry) => entry.what === `the agent of ${node}` && isRunning(entry),
  );
  if (found === undefined) throw new LabError(`the agent of ${node} is not running`);
  return found;
}

const signals = { 'agent-dead': 'SIGKILL', 'agent-hung': 'SIGSTOP', 'go-on': 'SIGCONT' } as const;

function signalAgent(lab: Lab, what: { readonly node: string; readonly fault: string }): void {
  process.kill(agentOf(lab, what.node).pid, signals[what.fault as keyof typeof signals]);
}

async function startAgain(lab: Lab, name: string): Promise<void> {
  const node = requireNode(lab, name);
  const started = await startAgent(lab, node, realAgent);
  if (started === undefined) return;
  const others = lab.manifest.processes.filter((entry) => entry.what !== started.what);
  writeManifest(lab.paths, { ...lab.manifest, processes: [...others, started] });
  await untilReady(lab, new Map([[name, started]]), {
    timeoutMs: 30_000,
    onReady: () => undefined,
  });
}

function recordOf(lab: Lab): string {
  return join(lab.paths.folder, 'faults.json');
}

function record(lab: Lab, standing: readonly StandingFault[]): void {
  writeFileSync(recordOf(lab), `${JSON.stringify(standing)}\n`, { mode: 0o600 });
}
