/** Runs a program inside a lab, on the terminal of this process. */
import { spawn } from 'node:child_process';
import type { Manifest } from './manifest.js';
import { requireManifest } from './manifest.js';
import { LabError, labPaths, namespaceName } from './names.js';
import { selvageProgram } from './program.js';
import { inNamespace } from './shell.js';
import type { Lab } from './lab.js';

/** A node itself, the workload behind it, or the router of a zone. */
export interface Place {
  readonly kind: 'node' | 'workload' | 'zone';
  readonly name: string;
}

export interface ExecOptions {
  readonly lab: string;
  readonly place: Place;
  readonly argv: readonly string[];
  readonly stateRoot?: string;
}

/** Returns the program's exit status (128 + signal number when it was killed, as a shell says). */
export async function labExec(options: ExecOptions): Promise<number> {
  const { lab, place, argv, stateRoot } = options;
  const manifest = requireManifest(labPaths(lab, stateRoot), lab, stateRoot);
  if (argv.length === 0) throw new LabError('cannot run nothing: name a program after the node');
  return runHere(inNamespace(namespaceOf(manifest, place), argv));
}

/** `route-explain` as seen by the agent of a node of the lab. */
export async function labExplain(
  lab: Lab,
  options: {
    readonly destination: string;
    readonly from: string;
    /** Further options of `route-explain`, e.g. `-o json`. */
    readonly options?: readonly string[];
  },
): Promise<number> {
  const node = lab.plan.nodes.find((entry) => entry.name === options.from);
  if (node === undefined) throw unknownMember(lab.manifest, { kind: 'node', name: options.from });
  const files = lab.files.get(node.name)!;
  return runHere(
    inNamespace(node.namespace, [
      ...selvageProgram(),
      'route-explain',
      options.destination,
      '--from',
      node.name,
      '--socket',
      files.agentSocket,
      '--config',
      lab.manifest.configFile,
      ...(options.options ?? []),
    ]),
  );
}

function namespaceOf(manifest: Manifest, place: Place): string {
  const namespace = namespaceName(manifest.lab, place.kind, place.name);
  if (!manifest.namespaces.includes(namespace)) throw unknownMember(manifest, place);
  return namespace;
}

function unknownMember(manifest: Manifest, place: Place): LabError {
  const what = place.kind === 'zone' ? 'zone' : 'node';
  const prefix = namespaceName(manifest.lab, place.kind, 'x').slice(0, -1);
  const known = manifest.namespaces
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));
  return new LabError(
    `the lab "${manifest.lab}" has no ${what} "${place.name}"; it has ${known.join(', ')}`,
  );
}

function runHere(argv: readonly string[]): Promise<number> {
  const [program, ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, { stdio: 'inherit' });
    // Ctrl-C goes to the whole group: the program decides what to do about it.
    const ignore = (): void => undefined;
    process.on('SIGINT', ignore);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGINT', ignore);
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGTERM' ? 15 : 9));
    });
  });
}
