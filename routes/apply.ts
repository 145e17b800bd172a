/**
 * Writes a change list to the kernel and keeps what happened to each change.
 *
 * Two rounds, because the kernel runs the later messages of a batch even if earlier ones failed:
 * first devices, addresses and peer entries; then the routes, but not those of a peer whose entries
 * failed (its route would send packets nowhere). Then devices shrink; deletions come last, but for
 * addresses that a route needs gone.
 */
import type { Kernel, KernelFailure, Op } from '../tunnel/kernel.js';
import { objectKey } from '../tunnel/kernel.js';
import type { Change } from './diff.js';
import { handedOver, isShrink, opsOf } from './diff.js';

export interface FailedChange {
  readonly change: Change;
  readonly failure: KernelFailure;
  /** Node that the object serves, if only one. */
  readonly peer: string | undefined;
}

export interface ApplyResult {
  readonly applied: readonly Change[];
  readonly failed: readonly FailedChange[];
  /** Held back because an entry of the same peer, or its device, failed; or still in use. */
  readonly skipped: readonly Change[];
}

export async function applyChanges(
  kernel: Kernel,
  changes: readonly Change[],
  peers: ReadonlyMap<string, string>,
): Promise<ApplyResult> {
  const applied: Change[] = [];
  const failed: FailedChange[] = [];
  const skipped: Change[] = [];
  const run = async (batch: readonly Change[]): Promise<void> => {
    if (batch.length === 0) return;
    const failures = failuresByKey(
      await kernel.apply(batch.flatMap((change) => [...opsOf([change])])),
    );
    for (const change of batch) {
      const failure = failures.get(change.key);
      if (failure === undefined) applied.push(change);
      else failed.push({ change, failure, peer: peers.get(change.key) });
    }
  };

  const writes = changes.filter((change) => change.kind !== 'delete');
  await run(writes.filter((change) => change.desired.type !== 'route' && !isShrink(change)));
  const badPeers = new Set(failed.map((entry) => entry.peer));
  const badDevices = new Set(failed.map((entry) => linkName(entry.change)));
  const routes = writes.filter((change) => change.desired.type === 'route');
  const held = routes.filter((change) => {
    const peer = peers.get(change.key);
    const device = routeDevice(change);
    return (
      (peer !== undefined && badPeers.has(peer)) || (device !== undefined && badDevices.has(device))
    );
  });
  const heldSet = new Set(held);
  // One by one: hundreds of thousands are more than a call takes as arguments.
  for (const change of held) skipped.push(change);
  const handed = handedOver(changes);
  await run(routes.filter((change) => !heldSet.has(change) && !handed.routes.has(change)));
  // The kernel drops every route that prefers an address that goes, so none may have been left.
  const preferred = new Set(
    [...skipped, ...failed.map((entry) => entry.change)].flatMap(presentSource),
  );
  const needed = [...handed.addresses].filter((change) => preferred.has(deletedAddress(change)!));
  const gone = [...handed.addresses].filter((change) => !needed.includes(change));
  await run(gone);
  const late = routes.filter((change) => handed.routes.has(change) && !heldSet.has(change));
  if (needed.length === 0) await run(late);
  else skipped.push(...needed, ...late);
  await run(writes.filter(isShrink));
  // What a route goes on using because its successor could not be written must stay.
  const inUse = new Set(
    [...skipped, ...failed.map((entry) => entry.change)].flatMap((change) => presentDevice(change)),
  );
  const deletions = changes.filter(
    (change) => change.kind === 'delete' && !handed.addresses.has(change),
  );
  const kept = deletions.filter((change) => inUse.has(deletedDevice(change) ?? ''));
  for (const change of kept) skipped.push(change);
  await run(deletions.filter((change) => !kept.includes(change)));
  return { applied, failed, skipped };
}

function failuresByKey(
  outcomes: readonly { readonly op: Op; readonly failure: KernelFailure | undefined }[],
): ReadonlyMap<string, KernelFailure> {
  const failures = new Map<string, KernelFailure>();
  for (const { op, failure } of outcomes)
    if (failure !== undefined) failures.set(objectKey(op.object), failure);
  return failures;
}

function linkName(change: Change): string | undefined {
  return change.kind !== 'delete' && change.desired.type === 'link'
    ? change.desired.name
    : undefined;
}

function routeDevice(change: Change): string | undefined {
  return change.kind !== 'delete' &&
    change.desired.type === 'route' &&
    change.desired.target.kind === 'unicast'
    ? change.desired.target.device
    : undefined;
}

/** The device that the route to be changed uses at present. */
function presentDevice(change: Change): readonly string[] {
  return change.kind === 'update' &&
    change.actual.type === 'route' &&
    change.actual.target.kind === 'unicast'
    ? [change.actual.target.device]
    : [];
}

/** The source that the route to be changed prefers at present. */
function presentSource(change: Change): readonly string[] {
  if (change.kind !== 'update' || change.actual.type !== 'route') return [];
  const { target } = change.actual;
  return target.kind === 'unicast' && target.preferredSource !== undefined
    ? [target.preferredSource.text]
    : [];
}

function deletedAddress(change: Change): string | undefined {
  return change.kind === 'delete' && change.actual.type === 'address'
    ? change.actual.address.address.text
    : undefined;
}

/** The device that goes, or that something is taken from. */
function deletedDevice(change: Change): string | undefined {
  if (change.kind !== 'delete') return undefined;
  const { actual } = change;
  switch (actual.type) {
    case 'link':
      return actual.name;
    case 'address':
    case 'fdb':
    case 'neighbour':
      return actual.device;
    case 'route':
    case 'sysctl':
      return undefined;
  }
}
