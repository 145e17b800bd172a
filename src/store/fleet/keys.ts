/**
 * Where everything is kept in a fleet's store:
 *
 *     /selvage/CLUSTER/config/0000000042   one version of the configuration; the last one counts
 *     /selvage/CLUSTER/record/NODE         what the node is; the operator and the node write it
 *     /selvage/CLUSTER/alive/NODE          leased: an agent runs there; renewals change no key
 *     /selvage/CLUSTER/status/NODE         leased: how it is; read when asked for, watched by no agent
 *     /selvage/CLUSTER/block/10.64.3.0_24  which node has that block of an overlay pool
 *
 * A version of the configuration, and a block, are claimed by making the key, which succeeds for
 * one writer only. Agents watch `config/`, `record/`, `alive/` and `block/`, so one node's event
 * costs each of them one message; what changes often, or in all nodes at once, is in `status/`.
 */
import type { Prefix } from '../../../encap/prefix.js';

export const root = '/selvage/';

export interface FleetKeys {
  readonly cluster: string;
  /** Of all below. */
  readonly all: string;
  readonly configs: string;
  config(version: number): string;
  readonly records: string;
  record(node: string): string;
  readonly alives: string;
  alive(node: string): string;
  readonly statuses: string;
  status(node: string): string;
  readonly blocks: string;
  block(prefix: Prefix): string;
}

/** Digits of a version, so that the order of the keys is the order of the versions. */
const versionDigits = 10;

export function fleetKeys(cluster: string): FleetKeys {
  const all = `${root}${cluster}/`;
  const folder = (name: string): string => `${all}${name}/`;
  const [configs, records, alives, statuses, blocks] = [
    folder('config'),
    folder('record'),
    folder('alive'),
    folder('status'),
    folder('block'),
  ];
  return {
    cluster,
    all,
    configs,
    config: (version) => configs + String(version).padStart(versionDigits, '0'),
    records,
    record: (node) => records + node,
    alives,
    alive: (node) => alives + node,
    statuses,
    status: (node) => statuses + node,
    blocks,
    // A slash would make a folder of it.
    block: (prefix) => blocks + prefix.text.replace('/', '_'),
  };
}
