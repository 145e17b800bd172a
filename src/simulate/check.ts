/**
 * The point of it all: after every phase an observer's kernel must be what a node would have that
 * starts now, from nothing, on the same store. A second reader of the store and a one-shot apply
 * with a planner of its own make that kernel; what the observer did before cannot show in it.
 */
import pino from 'pino';
import type { Cluster } from '../../encap/cluster.js';
import { MemoryGuard } from '../../tunnel/guard/memory.js';
import { NodeRuntime } from '../agent/node-runtime.js';
import { applyOnce } from '../agent/one-shot.js';
import type { KeyValue } from '../store/kv.js';
import { openFleetStore } from '../store/fleet/open.js';
import { fleetName, staleGraceSeconds } from './config-text.js';
import type { Member } from './fleet.js';
import { leaseOfFleetSeconds } from './fleet.js';
import { idle } from './idle.js';
import { kernelOf, noPlane } from './kernel.js';
import type { Observer } from './observer.js';
import type { Difference } from './report.js';
import { VirtualClock } from './virtual-clock.js';

const shownLines = 5;
/** Timers that are due at that very moment. */
const calmMs = 1_000;

/** As somebody reads it who knows nothing but what is in the store; all waiting is over. */
export async function freshCluster(kv: KeyValue): Promise<Cluster> {
  const clock = new VirtualClock();
  const store = openFleetStore(kv, { cluster: fleetName, clock });
  const waitMs = 1000 * (leaseOfFleetSeconds + staleGraceSeconds) + calmMs;
  try {
    let isRead = false;
    const reading = store.read().then(() => (isRead = true));
    while (!isRead) {
      await idle(() => false);
      if ((clock.nextMs ?? Infinity) < calmMs) clock.fire();
    }
    await reading;
    while (clock.nextMs !== undefined && clock.nextMs < waitMs) clock.fire();
    await store.settled();
    if (store.current === undefined) throw new Error(store.problems.join('\n'));
    return store.current;
  } finally {
    store.close();
    kv.close();
  }
}

/** What one that starts now would have in its kernel, one object a line. */
async function fromNothing(
  member: Member,
  { cluster, folder }: { readonly cluster: Cluster; readonly folder: string },
): Promise<string> {
  const kernel = kernelOf(member);
  const runtime = new NodeRuntime({
    kernel,
    guard: new MemoryGuard(),
    planeFor: noPlane,
    paths: { runtimeDir: folder, stateDir: folder },
    log: pino({ level: 'silent' }),
  });
  await applyOnce({ node: member.name, cluster, runtime });
  runtime.sysctls.forget();
  return kernel.print();
}

export async function checkObserver(
  observer: Observer,
  given: { readonly cluster: Cluster; readonly folder: string },
): Promise<Difference | undefined> {
  const wanted = linesOf(await fromNothing(observer.member, given));
  const present = linesOf(observer.kernel.print());
  const missing = [...wanted].filter((line) => !present.has(line));
  const unwanted = [...present].filter((line) => !wanted.has(line));
  if (missing.length === 0 && unwanted.length === 0) return undefined;
  return {
    node: observer.member.name,
    missing: missing.length,
    unwanted: unwanted.length,
    lines: [
      ...missing.slice(0, shownLines).map((line) => `missing: ${line}`),
      ...unwanted.slice(0, shownLines).map((line) => `unwanted: ${line}`),
    ],
  };
}

function linesOf(printed: string): ReadonlySet<string> {
  return new Set(printed.split('\n').filter((line) => line !== ''));
}
