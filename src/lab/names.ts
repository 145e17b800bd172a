/**
 * What everything of a lab is called, so that a lab can be found, shown and removed by name, and
 * so that two labs on one machine never meet.
 *
 * A dot never occurs in a lab's name: `slvlab-LAB-KIND.MEMBER` therefore reads back in one way only.
 */
import { join } from 'node:path';
import { agentSocket } from '../agent/paths.js';

/** The zone's router, a node, the workload behind a node, a member of the store. */
export type NamespaceKind = 'zone' | 'node' | 'workload' | 'store';

const kindLetters = { zone: 'z', node: 'n', workload: 'w', store: 's' } as const;

/** Where labs keep their manifests, sockets and logs; one folder a lab. */
export const defaultStateRoot = '/run/selvage-lab';

const labNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
/** Namespace names become file names below /run/netns. */
const memberPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

export function checkLabName(name: string): string {
  if (labNamePattern.test(name)) return name;
  throw new LabError(
    `cannot use "${name}" as the name of a lab: use up to 32 lower-case letters, digits and ` +
      'hyphens, not at the ends',
  );
}

export function namespaceName(lab: string, kind: NamespaceKind, member: string): string {
  if (!memberPattern.test(member))
    throw new LabError(
      `cannot build a namespace for the ${kind === 'zone' ? 'zone' : 'node'} "${member}": ` +
        'its name must be letters, digits, dots, hyphens and underscores, at most 200',
    );
  return `slvlab-${lab}-${kindLetters[kind]}.${member}`;
}

/** Files of one lab. */
export interface LabPaths {
  readonly folder: string;
  readonly manifest: string;
  /** The secret that the agents of this lab share, new for each lab. */
  readonly clusterKey: string;
  /** Data, logs and certificates of the lab's store, where it has one. */
  readonly store: string;
}

export function labPaths(lab: string, stateRoot: string = defaultStateRoot): LabPaths {
  const folder = join(stateRoot, checkLabName(lab));
  return {
    folder,
    manifest: join(folder, 'manifest.json'),
    clusterKey: join(folder, 'cluster.key'),
    store: join(folder, 'store'),
  };
}

/** Files of one node of a lab. */
export interface NodePaths {
  /** What /run/selvage and /var/lib/selvage are on a node of its own. */
  readonly runtimeDir: string;
  readonly stateDir: string;
  readonly agentSocket: string;
  readonly agentLog: string;
  /** The node's own credentials, where the lab has a store; as `--store-file` takes it. */
  readonly storeAccess: string;
}

/** By the node's number, not its name: a unix socket's path has 107 bytes at most. */
export function nodePaths(paths: LabPaths, index: number): NodePaths {
  const folder = join(paths.folder, `n${index}`);
  const runtimeDir = join(folder, 'run');
  return {
    runtimeDir,
    stateDir: join(folder, 'state'),
    agentSocket: agentSocket({ runtimeDir }),
    agentLog: join(folder, 'agent.log'),
    storeAccess: join(folder, 'state', 'store.yaml'),
  };
}

/** A mistake of the operator or of the machine, with what to do; anything else is a bug. */
export class LabError extends Error {
  override readonly name = 'LabError';
}
