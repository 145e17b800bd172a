/** One EC2 call that changes something, as whoever decides about changes sees it. */
import type { SwitchName } from '../../../encap/observed.js';
import { type CloudChange, CloudError } from '../control.js';
import { ec2Permission, type ec2WriteActions } from './actions.js';
import type { Ec2Client, Parameters } from './ec2-client.js';

/** One change waits for another: what it makes must be found again, or must be gone first. */
export interface Gate {
  open: boolean;
  /** Why not to go on while it is closed. */
  readonly closed: string;
}

export function recordGate(): Gate {
  return { open: false, closed: 'its tag could not be written, so it would not be found again' };
}

export interface PlannedCall {
  readonly text: string;
  readonly action: (typeof ec2WriteActions)[number];
  readonly parameters: Parameters;
  readonly makes: SwitchName;
  /** Code with which EC2 says that it is so already. */
  readonly already?: string;
  readonly opens?: Gate;
  readonly needs?: readonly Gate[];
}

export function change(
  client: Ec2Client,
  call: PlannedCall,
  done: () => void = () => undefined,
): CloudChange {
  const { action, parameters } = call;
  return {
    text: call.text,
    call: action,
    permission: ec2Permission(action),
    makes: call.makes,
    tryOut: (signal) => client.tryOut(action, parameters, { signal }),
    carryOut: async (signal) => {
      const closed = call.needs?.find((gate) => !gate.open);
      if (closed !== undefined)
        throw new CloudError(`not done: ${call.text}; ${closed.closed}`, {
          failure: 'other',
          code: 'NotYet',
          call: action,
        });
      try {
        await client.call(action, parameters, { signal });
      } catch (error) {
        // Whose it is, the next reading tells.
        if (!(error instanceof CloudError) || error.code !== call.already) throw error;
      } finally {
        done();
      }
      if (call.opens !== undefined) call.opens.open = true;
    },
  };
}
