/** Where a command gets a snapshot: from the agent, from this kernel, or from a file. */
import { writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { SnapshotBundle } from '../snapshot/bundle.js';
import {
  SnapshotError,
  bundleFromPlain,
  bundleToPlain,
  readSnapshot,
  writeSnapshot,
} from '../snapshot/file.js';
import { askAgent } from './ask-agent.js';
import { unableFailure, usageFailure } from './failure.js';
import { remark } from './output.js';
import type { StoreAccessFlags } from './store-options.js';

export interface BundleQuestion {
  readonly config: string;
  readonly store: StoreAccessFlags;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly socket: string;
  readonly runtimeDir: string;
}

/** Ten thousand nodes take seconds; a hung agent is not waited for any longer than others. */
const helloMs = 1_500;
const bundleMs = 120_000;

/** As `bundleToPlain` makes it. */
export async function bundleAnswer(question: BundleQuestion): Promise<unknown> {
  const { socket } = question;
  const hello = await askAgent({ socket, path: '/healthz', timeoutMs: helloMs });
  if (!hello.answered) return bundleHere(question, hello.reason);
  const answer = await askAgent({ socket, path: '/v1/snapshot', timeoutMs: bundleMs });
  return answer.answered ? answer.body : bundleHere(question, answer.reason);
}

async function bundleHere(question: BundleQuestion, note: string): Promise<unknown> {
  const [
    { requireKernelAccess },
    { withKernel },
    { readCluster, requireNode },
    { readHere },
    { takeSnapshot },
    { planOnce },
    { readNodeGuard },
    { observeFrom },
    { cloudReadingFile },
    { sshClient },
    { packageInfo },
  ] = await Promise.all([
    import('./kernel-access.js'),
    import('./node-kernel.js'),
    import('./cluster-file.js'),
    import('../explain/local.js'),
    import('../snapshot/take.js'),
    import('../agent/one-shot.js'),
    import('../agent/read-guard.js'),
    import('../cloud/observe.js'),
    import('../agent/paths.js'),
    import('./ssh-client.js'),
    import('./package-info.js'),
  ]);
  requireKernelAccess();
  const cluster = await readCluster(question.config, { store: question.store });
  const node = requireNode(cluster, {
    text: question.node,
    option: '--node',
    isDefault: question.nodeIsDefault,
  }).name;
  remark(`${note}; this kernel is read directly`);
  return withKernel(async (kernel) => {
    const { runtimeDir, config } = question;
    const local = await readHere({ cluster, node, kernel, runtimeDir, note });
    if (!local.here) throw usageFailure(`${local.why}: name this node with --node`);
    const { reading } = local;
    const observe = observeFrom(cloudReadingFile({ runtimeDir }));
    const readGuard = readNodeGuard;
    const bundle = await takeSnapshot({
      reading,
      status: null,
      // As "selvage plan" answers here.
      plan: await planOnce({ node, cluster, kernel, sshClient: sshClient(), readGuard, observe }),
      journal: { records: [], objects: [], passes: [] },
      configFile: config,
      version: packageInfo().version,
      now: new Date(),
    });
    return bundleToPlain(bundle);
  });
}

/** To the file that was asked for, or one named for node and time; `-` is standard output. */
export async function writeBundle(plain: unknown, asked: string | undefined): Promise<void> {
  // Read back as whoever gets it will read it.
  const { node, takenAt } = bundleFromPlain(JSON.parse(JSON.stringify(plain)), 'the answer');
  if (asked === '-') {
    if (process.stdout.isTTY)
      throw usageFailure('a snapshot is not for a terminal: name a file with -o FILE');
    writeAll(await promisify(gzip)(JSON.stringify(plain)));
    return;
  }
  const file = asked ?? `selvage-${node}-${takenAt.replace(/[-:]|\.\d+/g, '')}.json.gz`;
  await writeSnapshot(file, plain);
  remark(`${file}: ${node} as of ${takenAt}`);
}

function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
}

export async function bundleOfFile(file: string): Promise<SnapshotBundle> {
  try {
    const bundle = await readSnapshot(file);
    remark(`from ${file}: node ${bundle.node} as of ${bundle.takenAt}`);
    return bundle;
  } catch (error) {
    if (error instanceof SnapshotError) throw unableFailure(error.message);
    if (error instanceof Error && 'code' in error)
      throw unableFailure(`cannot read the snapshot ${file}: ${error.message}`);
    throw error;
  }
}
