/** Every check, in the order of the answer; a further one is a line here. */
import type { Check } from './check.js';
export { cloudChecks } from './checks/cloud.js';
import { kindChecks, rawSocket, tunDevice } from './checks/device-kinds.js';
import { foreignFilter, guardState } from './checks/filters.js';
import { foreignRoutes, policyRules } from './checks/foreign-routes.js';
import { forwardingChecks } from './checks/forwarding.js';
import { guardBackend } from './checks/guard-backend.js';
import { capabilitiesCheck, kernelAccess, kernelVersion } from './checks/kernel-access.js';
import { cloudInit, firewallManager, networkManager, networkd } from './checks/managers.js';
import { duplicateAddress, nicMtu, nicState, underlayAddress } from './checks/nic.js';
import { otherAgent, probePort } from './checks/other-programs.js';
import { decisions, probed, underlayRoutes } from './checks/peers.js';
import { reversePath } from './checks/reverse-path.js';
import {
  agentCheck,
  agentProblems,
  clock,
  clusterKey,
  directories,
  diskSpace,
  objects,
} from './checks/service.js';
import { conntrack, inotify, neighbourTable } from './checks/tables.js';
import { vxlanDevice, vxlanPort } from './checks/vxlan-conflicts.js';

export const nodeChecks: readonly Check[] = [
  kernelAccess,
  capabilitiesCheck,
  kernelVersion,
  ...kindChecks,
  tunDevice,
  rawSocket,
  guardBackend,
  ...forwardingChecks,
  reversePath,
  conntrack,
  neighbourTable,
  inotify,
  underlayAddress,
  duplicateAddress,
  nicState,
  nicMtu,
  decisions,
  underlayRoutes,
  probed,
  vxlanDevice,
  vxlanPort,
  probePort,
  otherAgent,
  foreignRoutes,
  policyRules,
  networkManager,
  networkd,
  cloudInit,
  foreignFilter,
  firewallManager,
  guardState,
  agentCheck,
  objects,
  agentProblems,
  directories,
  clusterKey,
  diskSpace,
  clock,
];
