/**
 * What workloads and their network plug-ins need to know of this node, as shell assignments: the
 * node's overlay prefixes and the MTU that fits every path.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NodePlan } from './planner.js';

export function workloadEnv(plan: NodePlan): string {
  const { cluster } = plan.snapshot;
  const self = cluster.nodes.get(plan.rib.self)!;
  const lines = [`SELVAGE_NODE=${self.name}`, `SELVAGE_CLUSTER=${cluster.name}`];
  for (const family of [4, 6] as const) {
    const prefixes = self.overlay.filter((prefix) => prefix.family === family);
    if (prefixes.length > 0)
      lines.push(
        `SELVAGE_OVERLAY_IPV${family}="${prefixes.map((prefix) => prefix.text).join(' ')}"`,
      );
  }
  const mtu =
    plan.rib.smallestMtu ??
    Math.min(...Object.values(plan.snapshot.local.nics).map((nic) => nic.mtu));
  return [...lines, `SELVAGE_MTU=${mtu}`, ''].join('\n');
}

/** Writes by rename, and only when the content differs. */
export function writeIfChanged(path: string, content: string): void {
  try {
    if (readFileSync(path, 'utf8') === content) return;
  } catch {
    // Not there yet, or not readable: written below, which reports its own error.
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.tmp`, content, { mode: 0o644 });
  renameSync(`${path}.tmp`, path);
}
