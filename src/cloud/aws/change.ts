/** One EC2 call that changes something, as whoever decides about changes sees it. */
import type { SwitchName } from '../../../encap/observed.js';
import { type CloudChange, CloudError } from '../control.js';
import { ec2Permission, type ec2WriteActions } from './actions.js';
import type { Ec2Client, Parameters } from './ec2-client.js';

/** Whether the record of what a change makes has been written. */
export interface RecordGate {
  written: boolean;
}

export interface PlannedCall {
  readonly text: string;
  readonly action: (typeof ec2WriteActions)[number];
  readonly parameters: Parameters;
  readonly makes: SwitchName;
  /** Code with which EC2 says that it is so already. */
  readonly already?: string;
  /** This change writes the record that others wait for. */
  readonly opens?: RecordGate;
  /** Without its record, what this change makes would never be found again. */
  readonly needs?: readonly RecordGate[];
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
      if (call.needs?.some((gate) => !gate.written) === true)
        throw new CloudError(
          `not done: ${call.text}; its tag could not be written, so it would not be found again`,
          { failure: 'other', code: 'NotRecorded', call: action },
        );
      try {
        await client.call(action, parameters, { signal });
      } catch (error) {
        // Whose it is, the next reading tells.
        if (!(error instanceof CloudError) || error.code !== call.already) throw error;
      } finally {
        done();
      }
      if (call.opens !== undefined) call.opens.written = true;
    },
  };
}
