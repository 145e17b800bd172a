/** Where an agent keeps its files; the lab gives every node directories of its own. */
import { join } from 'node:path';

export const defaultConfigPath = '/etc/selvage/cluster.yaml';
/** The secret that the agents of a cluster share. */
export const defaultClusterKeyFile = '/etc/selvage/cluster.key';
/** Where a fleet's store is, and how it is opened. */
export const defaultStoreFile = '/etc/selvage/store.yaml';
export const defaultRuntimeDir = '/run/selvage';
export const defaultStateDir = '/var/lib/selvage';

export interface AgentPaths {
  /** Gone after a reboot: the control socket, the workloads' settings, the planes' sockets. */
  readonly runtimeDir: string;
  /** Survives a reboot: what the host's settings were before us, the last good configuration. */
  readonly stateDir: string;
}

export function agentSocket(paths: Pick<AgentPaths, 'runtimeDir'>): string {
  return join(paths.runtimeDir, 'agent.sock');
}

export function workloadEnvFile(paths: Pick<AgentPaths, 'runtimeDir'>): string {
  return join(paths.runtimeDir, 'env');
}

export function planeSocket(paths: Pick<AgentPaths, 'runtimeDir'>, device: string): string {
  return join(paths.runtimeDir, `plane-${device}.sock`);
}

export function sysctlRecordFile(paths: Pick<AgentPaths, 'stateDir'>): string {
  return join(paths.stateDir, 'host-sysctls.json');
}

/** The last guarded change: pending, or how it ended. */
export function changeRecordFile(paths: Pick<AgentPaths, 'stateDir'>): string {
  return join(paths.stateDir, 'change');
}

export function lastGoodFile(paths: Pick<AgentPaths, 'stateDir'>): string {
  return join(paths.stateDir, 'last-good.json');
}

/** Set while an operator wants nothing to be written. */
export function freezeFile(paths: Pick<AgentPaths, 'stateDir'>): string {
  return join(paths.stateDir, 'freeze');
}

/** What was read last from the provider's API. */
export function cloudReadingFile(paths: Pick<AgentPaths, 'runtimeDir'>): string {
  return join(paths.runtimeDir, 'cloud-reading.json');
}

export function termsFile(paths: Pick<AgentPaths, 'runtimeDir'>): string {
  return join(paths.runtimeDir, 'terms.json');
}

/** What the provider's metadata service has told. */
export function machineFile(paths: Pick<AgentPaths, 'runtimeDir'>): string {
  return join(paths.runtimeDir, 'machine');
}

/** The cluster file as `apply` without an agent applied it last. */
export function appliedFile(paths: Pick<AgentPaths, 'stateDir'>): string {
  return join(paths.stateDir, 'applied');
}

/** All that an agent leaves in its directories: gone with `down`. */
export function filesOf(paths: AgentPaths): readonly string[] {
  return [
    agentSocket(paths),
    workloadEnvFile(paths),
    termsFile(paths),
    machineFile(paths),
    lastGoodFile(paths),
    changeRecordFile(paths),
    appliedFile(paths),
    freezeFile(paths),
    cloudReadingFile(paths),
  ];
}
