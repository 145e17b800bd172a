/**
 * The kernel in memory: the same port, the same refusals, the same silent side effects as the real
 * one (`fake/tables.ts` has the rules), for tests of everything above and for trying a plan
 * without a kernel. Beyond the port it can be interfered with: changes by others, faults, a crash
 * in the middle of an apply, lost notifications.
 *
 * Events come in a microtask after the change, equal ones once, as the real one's come in a
 * wake-up after it.
 */
import { localLookup, lookupBy } from './best-route.js';
import { errnoOf } from './native/errno.js';
import { type FakeDetails, detailsOf } from './fake/details.js';
import { concerned } from './fake/interest.js';
import type { Refusal } from './fake/refusals.js';
import { FakeTables } from './fake/tables.js';
import { formatObject } from './format.js';
import { notOwnSource } from './netlink/error.js';
import type { Address } from '../encap/address.js';
import type { InterfaceAddress } from '../encap/prefix.js';
import type {
  Kernel,
  KernelChange,
  KernelEvent,
  KernelFailure,
  KernelObject,
  KernelState,
  Op,
  OpOutcome,
  OwnLink,
  RouteLookup,
  RouteObject,
  WatchOptions,
} from './kernel.js';
import type { KernelInterest } from './kernel-interest.js';
import { objectKey } from './kernel.js';
import { ownKinds } from './link-kinds/index.js';

export interface FakeNic {
  readonly name: string;
  /** 1500 by default. */
  readonly mtu?: number;
  readonly up?: boolean;
  /** Each brings its connected route. */
  readonly addresses?: readonly InterfaceAddress[];
}

export interface FakeKernelOptions {
  /** Kinds of device it can make; all by default. */
  readonly kinds?: Iterable<OwnLink['kind']>;
  /** Besides `lo`. */
  readonly nics?: readonly FakeNic[];
  /** Routes of others. */
  readonly routes?: readonly RouteObject[];
  /** Global sysctls; those of devices begin as `0`. */
  readonly sysctls?: Readonly<Record<string, string>>;
}

export type Fault =
  /** Refuses the next `times` (1 by default) ops that `when` picks (all by default). */
  | {
      readonly kind: 'refuse';
      readonly code: string;
      readonly text?: string;
      readonly when?: (op: Op) => boolean;
      readonly times?: number;
    }
  /** `apply` throws after this many more ops, which have been done: a killed process. */
  | { readonly kind: 'die'; readonly afterOps: number }
  /** The next dump throws. */
  | { readonly kind: 'dump' };

export interface FakeKernel extends Kernel {
  /** Every op that `apply` was given, refused or not, in order. */
  readonly log: readonly Op[];
  /** Somebody else's changes: not logged, no faults; throws when refused. */
  outside(ops: readonly Op[]): void;
  /** Adds or changes a device that is not ours; `down` and MTU changes have their side effects. */
  setNic(nic: FakeNic): void;
  /** A setting that this kernel has besides those that it begins with. */
  addSysctl(path: string, value: string): void;
  /** Somebody else makes a device of ours anew; nothing that stood on it is there any more. */
  replaceLink(link: OwnLink): void;
  /** Somebody else deletes a device. */
  deleteNic(name: string): void;
  inject(fault: Fault): void;
  /** Somebody else's policy rules, entries and device conditions; those given replace earlier ones. */
  setDetails(details: FakeDetails): void;
  /** Watchers are told that notifications were lost. */
  loseEvents(): void;
  /** The whole state as arguments of `ip`, `bridge` and `sysctl`, one object a line, sorted. */
  print(): string;
}

interface Watcher {
  readonly pending: Map<string, KernelEvent>;
  readonly listener: (event: KernelEvent) => void;
  readonly expected: WatchOptions['expected'];
}

export function createFakeKernel(options: FakeKernelOptions = {}): FakeKernel {
  const kinds = new Set(options.kinds ?? ownKinds);
  const watchers = new Set<Watcher>();
  const faults: Fault[] = [];
  const log: Op[] = [];
  let details: FakeDetails = {};

  function emit(event: KernelEvent, change?: KernelChange): void {
    for (const { pending, listener, expected } of watchers) {
      if (expected?.(() => change) === true) continue;
      if (pending.size === 0)
        queueMicrotask(() => {
          const events = [...pending.values()];
          pending.clear();
          for (const each of events) listener(each);
        });
      pending.set(JSON.stringify(event), event);
    }
  }

  const tables = new FakeTables(kinds, (type, device, change) =>
    emit({ kind: 'changed', type, device }, change),
  );

  function setNic(nic: FakeNic): void {
    const before = tables.links.get(nic.name);
    tables.setForeignLink({
      type: 'link',
      kind: 'other',
      kernelKind: undefined,
      mac: undefined,
      name: nic.name,
      mtu: nic.mtu ?? before?.mtu ?? 1500,
      up: nic.up ?? before?.up ?? true,
    });
    // IPv4 addresses outlive a device's being down, and bring their connected routes back with it.
    const kept = [...tables.addresses.values()]
      .filter((own) => own.device === nic.name && own.address.address.family === 4)
      .map((own) => own.address);
    const connected = tables.links.get(nic.name)?.up === true ? kept : [];
    for (const address of [...connected, ...(nic.addresses ?? [])])
      tables.addConnected({ type: 'address', device: nic.name, address });
  }

  setNic({ name: 'lo', mtu: 65536 });
  for (const nic of options.nics ?? []) setNic(nic);
  for (const route of options.routes ?? []) tables.routes.set(objectKey(route), route);
  for (const [path, value] of Object.entries(options.sysctls ?? {}))
    tables.sysctls.set(path, value);

  /** The refusal that a fault asks for, and that fault used up. */
  function injected(op: Op): Refusal | undefined {
    for (const [position, fault] of faults.entries()) {
      if (fault.kind !== 'refuse' || fault.when?.(op) === false) continue;
      const left = (fault.times ?? 1) - 1;
      if (left <= 0) faults.splice(position, 1);
      else faults[position] = { ...fault, times: left };
      return { code: fault.code, text: fault.text };
    }
    return undefined;
  }

  function checkAlive(): void {
    const position = faults.findIndex((fault) => fault.kind === 'die');
    const fault = faults[position];
    if (fault?.kind !== 'die') return;
    if (fault.afterOps <= 0) {
      faults.splice(position, 1);
      throw new Error('the process died (injected)');
    }
    faults[position] = { kind: 'die', afterOps: fault.afterOps - 1 };
  }

  function applyOne(op: Op): OpOutcome {
    checkAlive();
    log.push(op);
    const refusal = injected(op) ?? tables.run(op);
    return { op, failure: refusal && asFailure(op, refusal) };
  }

  function dump(interest?: KernelInterest): Promise<KernelState> {
    const position = faults.findIndex((fault) => fault.kind === 'dump');
    if (position < 0) return Promise.resolve(concerned(tables.state(), interest));
    faults.splice(position, 1);
    return Promise.reject(new Error('dump routes: ENOBUFS (injected)'));
  }

  return {
    log,

    dump,
    details: (interest) => Promise.resolve(detailsOf(concerned(tables.state(), interest), details)),
    read: async (interest) => ({
      state: await dump(interest),
      details: detailsOf(concerned(tables.state(), interest), details),
    }),

    // A fault's throw becomes the rejection.
    apply: (ops) => new Promise((resolve) => resolve(ops.map(applyOne))),

    readSysctl: (path) => tables.readSysctl(path),
    lookup: (destination, { from } = {}) => {
      if (from !== undefined && tables.ownerOf(from) === undefined)
        return Promise.reject(new Error(notOwnSource(from.text)));
      return Promise.resolve(lookup(tables, destination));
    },

    watch(listener, { expected } = {}) {
      const watcher: Watcher = {
        pending: new Map(),
        listener: (event) => {
          if (watchers.has(watcher)) listener(event);
        },
        expected,
      };
      watchers.add(watcher);
      return { close: () => void watchers.delete(watcher) };
    },

    probeKinds: () => Promise.resolve(new Set(kinds)),
    close: () => watchers.clear(),

    outside(ops) {
      for (const op of ops) {
        const refusal = tables.run(op);
        if (refusal !== undefined) throw new Error(asFailure(op, refusal).message);
      }
    },
    setNic,
    addSysctl: (path, value) => void tables.sysctls.set(path, value),
    replaceLink: (link) => {
      tables.deleteLink(link.name);
      tables.setForeignLink(link);
    },
    deleteNic: (name) => tables.deleteLink(name),
    setDetails: (given) => {
      details = { ...details, ...given };
    },
    inject: (fault) => void faults.push(fault),
    loseEvents: () => emit({ kind: 'lost' }),
    print: () => printState(tables),
  };
}

function lookup(tables: FakeTables, destination: Address): RouteLookup | undefined {
  if (tables.ownerOf(destination) !== undefined) return localLookup(destination);
  const route = tables.match(destination);
  return route && lookupBy(route);
}

function asFailure(op: Op, refusal: Refusal): KernelFailure {
  return {
    code: refusal.code,
    errno: errnoOf(refusal.code),
    extendedAck: refusal.text,
    message:
      `${op.verb} ${objectKey(op.object)}: ${refusal.code}` +
      (refusal.text === undefined ? '' : `: ${refusal.text}`),
  };
}

function printState(tables: FakeTables): string {
  const sysctls = [...tables.sysctls].map(([path, value]): KernelObject => ({
    type: 'sysctl',
    path,
    value,
  }));
  return [
    tables.links,
    tables.addresses,
    tables.neighbours,
    tables.fdb,
    tables.routes,
    new Map(sysctls.map((object) => [objectKey(object), object])),
  ]
    .flatMap((table) => [...table.values()].map(formatObject).sort())
    .map((line) => `${line}\n`)
    .join('');
}
