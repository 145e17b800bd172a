/** Probes as the cluster wants them; what a file leaves out. */
import type { ProbeSettings } from '../cluster.js';

/** Beside the port of flannel's VXLAN; nothing is registered there. */
export const defaultProbePort = 8473;

export const defaultProbes: ProbeSettings = Object.freeze({
  policy: 'observe',
  port: defaultProbePort,
  packetsPerSecond: 50,
});
