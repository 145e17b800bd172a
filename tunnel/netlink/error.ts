/** The kernel's refusals, with everything it said. */
import type { KernelFailure } from '../kernel.js';
import { errnoCode, errnoText } from '../native/errno.js';
import type { Acknowledgement } from './message.js';

/** The failure of one request; `action` says what was asked, e.g. `set route 10.1.0.0/24`. */
export function kernelFailure(action: string, ack: Acknowledgement): KernelFailure {
  const code = errnoCode(ack.errno);
  const said =
    ack.extendedAck === undefined
      ? ''
      : `: ${ack.extendedAck.replace(/\.$/, '')}` +
        (ack.offset === undefined || ack.offset === 0
          ? ''
          : ` (attribute at byte ${ack.offset} of the request)`);
  return {
    code,
    errno: ack.errno,
    extendedAck: ack.extendedAck,
    message: `${action}: ${code} (${errnoText(ack.errno)})${said}`,
  };
}

/** Thrown where no op is there to carry the failure: dumps, lookups, probes. */
export class KernelError extends Error implements KernelFailure {
  readonly code: string;
  readonly errno: number;
  readonly extendedAck: string | undefined;
  constructor(action: string, ack: Acknowledgement) {
    const failure = kernelFailure(action, ack);
    super(failure.message);
    this.name = 'KernelError';
    this.code = failure.code;
    this.errno = failure.errno;
    this.extendedAck = failure.extendedAck;
  }
}

/** What a lookup with a source that no device here has is told. */
export function notOwnSource(source: string): string {
  return `look up a route from ${source}: no device here has that address; ask with one of this node's own`;
}
