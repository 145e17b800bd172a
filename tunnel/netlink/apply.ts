/**
 * Ops into the kernel. Addresses, neighbours, forwarding entries and routes are written one behind
 * the other into one buffer and sent in a single system call with one acknowledgement; the kernel
 * runs later messages although earlier ones failed, and every failure comes back by its sequence.
 * Devices and sysctls go one by one, because the others need the index that a device gets.
 */
import type { KernelFailure, KernelObject, Op, OpOutcome, OwnLink } from '../kernel.js';
import { objectKey } from '../kernel.js';
import { needsRecreate } from '../link-kinds/index.js';
import { createPersistentTun } from '../native/tun.js';
import { SystemCallError, errnoOf } from '../native/errno.js';
import { writeAddress } from './address.js';
import { KernelError, kernelFailure } from './error.js';
import {
  type LinkMessage,
  linkObject,
  readLink,
  writeDeleteLink,
  writeGetLink,
  writeChangeLink,
  writeNewLink,
} from './link.js';
import { writeFdb, writeNeighbour } from './neighbour.js';
import { writeRoute } from './route.js';
import type { Sysctls } from './sysctl.js';
import {
  LostRepliesError,
  type RequestSocket,
  batchBytesMax,
  batchMessagesMax,
} from './transport.js';
import { type EntryOptions, MessageWriter } from './writer.js';

/** Room for the largest single message. */
const messageBytesMax = 4096;
/** Batch size when replies of a larger one were lost. */
const cautiousMessages = 256;

/** What a deletion may be told when its object is already gone. */
const goneCodes: ReadonlySet<string> = new Set([
  'ENODEV',
  'ENOENT',
  'ESRCH',
  'EADDRNOTAVAIL',
  'ENXIO',
]);

type BatchedObject = Extract<KernelObject, { type: 'address' | 'neighbour' | 'fdb' | 'route' }>;

export interface Applier {
  apply(ops: readonly Op[]): Promise<readonly OpOutcome[]>;
}

export function createApplier(parts: {
  readonly socket: RequestSocket;
  readonly sysctls: Sysctls;
  readonly netns: string | undefined;
}): Applier {
  const { socket, sysctls, netns } = parts;
  const writer = new MessageWriter(batchBytesMax);
  /** One `apply` at a time: they share the buffer, and their order is the caller's. */
  let line: Promise<unknown> = Promise.resolve();

  /** Looked up as needed, forgotten with each `apply`: an index means nothing after a re-create. */
  type Found = { readonly index: number; readonly link: LinkMessage } | undefined;

  async function findLink(name: string): Promise<Found> {
    let found: Found;
    try {
      await socket.request(`look up device ${name}`, {
        write: (into, sequence) => writeGetLink(into, { sequence, device: name }),
        onMessage(message) {
          const bytes = message.bytes.slice(message.start, message.end);
          const link = readLink({ ...message, bytes, start: 0, end: bytes.length });
          found = { index: link.index, link };
        },
      });
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'ENODEV') throw error;
    }
    return found;
  }

  async function setLink(link: OwnLink): Promise<KernelFailure | undefined> {
    const action = describe({ verb: 'set', object: link });
    let found = await findLink(link.name);
    if (found === undefined && link.kind === 'tun') {
      createPersistentTun(link.name, netns === undefined ? {} : { netns });
      found = await findLink(link.name);
    }
    let parentIndex = 0;
    let parentName: string | undefined;
    if (link.kind === 'vxlan' && link.parent !== undefined) {
      const parent = await findLink(link.parent);
      if (parent === undefined)
        return failure(action, 'ENODEV', `the device below, ${link.parent}, does not exist`);
      parentIndex = parent.index;
      parentName = link.parent;
    }
    const first = socket.sequences(2);
    writer.clear();
    if (found === undefined) {
      writeNewLink(writer, { sequence: first, link, parentIndex });
    } else {
      const actual = linkObject(found.link, (index) =>
        index === parentIndex ? parentName : undefined,
      );
      if (actual.kind !== link.kind)
        return failure(
          action,
          'EEXIST',
          `a device of that name exists and is ${describeKind(actual)}; delete it first`,
        );
      // The kernel refuses other impossible changes itself; these it ignores.
      const stuck = needsRecreate(actual, link).filter(
        (name) => name === 'parent' || ('extra' in actual && actual.extra?.includes(name)),
      );
      if (stuck.length > 0)
        return failure(action, 'EOPNOTSUPP', `only a new device loses: ${stuck.join(', ')}`);
      const { index } = found;
      writeChangeLink(writer, { sequence: first, index, actual, link, parentIndex });
    }
    const refused = await socket.batch(writer, { first, action });
    const [ack] = refused.values();
    // Half a device is none: what was made but could not be given its MTU goes again.
    if (found === undefined && ack !== undefined && !refused.has(first))
      await deleteLink(link.name);
    return ack === undefined ? undefined : kernelFailure(action, ack);
  }

  async function deleteLink(name: string): Promise<undefined> {
    await socket.request(`delete device ${name}`, {
      write: (into, sequence) => writeDeleteLink(into, { sequence, name }),
    });
    return undefined;
  }

  async function runSingle(op: Op): Promise<KernelFailure | undefined> {
    const { object } = op;
    try {
      if (object.type === 'sysctl') {
        if (op.verb === 'delete')
          return failure(describe(op), 'EOPNOTSUPP', 'a sysctl can only be set');
        sysctls.write(object.path, object.value);
        return undefined;
      }
      if (object.type === 'link')
        return op.verb === 'set' ? await setLink(object) : await deleteLink(object.name);
      return undefined;
    } catch (error) {
      const failed = asFailure(describe(op), error);
      return op.verb === 'delete' && goneCodes.has(failed.code) ? undefined : failed;
    }
  }

  /** One system call's worth of ops, from `start`; fills `failures` by position in `ops`. */
  async function runBatch(
    ops: readonly Op[],
    options: {
      readonly start: number;
      readonly indexOf: (name: string) => number | Promise<number>;
      readonly messagesMax: number;
      readonly failures: Map<number, KernelFailure>;
    },
  ): Promise<number> {
    const { start, failures } = options;
    const first = socket.sequences(options.messagesMax);
    const positions: number[] = [];
    writer.clear();
    let at = start;
    for (; at < ops.length; at++) {
      const op = ops[at]!;
      const object = op.object;
      if (object.type === 'link' || object.type === 'sysctl') break;
      if (positions.length === options.messagesMax) break;
      if (writer.length + messageBytesMax > batchBytesMax) break;
      const device = deviceOf(op.verb, object);
      const known = device === undefined ? 0 : options.indexOf(device);
      const index = typeof known === 'number' ? known : await known;
      if (index < 0) {
        if (op.verb === 'set')
          failures.set(at, failure(describe(op), 'ENODEV', `device ${device} does not exist`));
        continue;
      }
      try {
        const { verb, exclusive } = op;
        write(object, { verb, index, exclusive, sequence: first + positions.length });
        positions.push(at);
      } catch (error) {
        // An object that cannot be put into bytes (a MAC that is none): the others still go.
        writer.drop();
        failures.set(at, asFailure(describe(op), error));
      }
    }
    const refused = await socket.batch(writer, { first, action: `apply ${positions.length} ops` });
    for (const [sequence, ack] of refused) {
      const position = positions[sequence - first]!;
      const op = ops[position]!;
      const failed = kernelFailure(describe(op), ack);
      if (op.verb === 'set' || !goneCodes.has(failed.code)) failures.set(position, failed);
    }
    return at;
  }

  function write(object: BatchedObject, options: EntryOptions): void {
    switch (object.type) {
      case 'address':
        return writeAddress(writer, object, options);
      case 'neighbour':
        return writeNeighbour(writer, object, options);
      case 'fdb':
        return writeFdb(writer, object, options);
      case 'route':
        return writeRoute(writer, object, options);
    }
  }

  async function applyAll(ops: readonly Op[]): Promise<readonly OpOutcome[]> {
    const failures = new Map<number, KernelFailure>();
    const indexes = new Map<string, number>();
    const indexOf = (name: string): number | Promise<number> =>
      indexes.get(name) ??
      findLink(name).then((found) => {
        const index = found?.index ?? -1;
        indexes.set(name, index);
        return index;
      });
    let messagesMax = batchMessagesMax;
    for (let at = 0; at < ops.length;) {
      const op = ops[at]!;
      if (op.object.type === 'link' || op.object.type === 'sysctl') {
        const failed = await runSingle(op);
        if (failed !== undefined) failures.set(at, failed);
        if (op.object.type === 'link') indexes.delete(op.object.name);
        at++;
        continue;
      }
      try {
        at = await runBatch(ops, { start: at, indexOf, messagesMax, failures });
      } catch (error) {
        // Every op may be run twice, so where replies were lost the batch is run again in pieces.
        if (!(error instanceof LostRepliesError) || messagesMax === cautiousMessages) throw error;
        messagesMax = cautiousMessages;
      }
    }
    return ops.map((op, position) => ({ op, failure: failures.get(position) }));
  }

  return {
    apply(ops) {
      const turn = line.then(() => applyAll(ops));
      line = turn.catch(() => undefined);
      return turn;
    },
  };
}

/** The device whose index the message must carry. */
function deviceOf(verb: Op['verb'], object: BatchedObject): string | undefined {
  if (object.type !== 'route') return object.device;
  return verb === 'set' && object.target.kind === 'unicast' ? object.target.device : undefined;
}

function describe(op: Op): string {
  return `${op.verb} ${objectKey(op.object)}`;
}

function describeKind(link: {
  readonly kind: string;
  readonly kernelKind?: string | undefined;
}): string {
  return link.kind === 'other'
    ? `of another make (${link.kernelKind ?? 'no kind'})`
    : `of kind ${link.kind}`;
}

function failure(action: string, code: string, reason: string): KernelFailure {
  return {
    code,
    errno: errnoOf(code),
    extendedAck: undefined,
    message: `${action}: ${code}: ${reason}`,
  };
}

/** Refusals become the op's outcome; anything else is a fault of ours or of the machine. */
function asFailure(action: string, error: unknown): KernelFailure {
  if (error instanceof KernelError)
    return {
      code: error.code,
      errno: error.errno,
      extendedAck: error.extendedAck,
      message: error.message,
    };
  if (error instanceof SystemCallError)
    return {
      code: error.code,
      errno: error.errno,
      extendedAck: undefined,
      message: `${action}: ${error.message}`,
    };
  if (error instanceof SyntaxError || error instanceof TypeError)
    return failure(action, 'EINVAL', error.message);
  throw error;
}
