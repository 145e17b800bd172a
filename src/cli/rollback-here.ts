/** Takes back a change whose keeper is gone, from its record on disk. */
import { rollbackOnce } from '../agent/change-once.js';
import type { ChangeRecord } from '../agent/change-record.js';
import { unableFailure } from './failure.js';
import { withRuntime } from './node-kernel.js';

export interface RollbackOptions {
  readonly socket: string;
  readonly runtimeDir: string;
  readonly stateDir: string;
}

export async function rollbackHere(
  options: RollbackOptions,
): Promise<Pick<ChangeRecord, 'schema' | 'state' | 'file' | 'startedAt'>> {
  const record = await withRuntime({ ...options, command: 'rollback' }, (runtime) =>
    rollbackOnce({ paths: options, runtime }),
  );
  if (record === undefined)
    throw unableFailure(
      `there is no pending change to roll back: no agent answers at ${options.socket}, and ${options.stateDir} has none on record`,
    );
  const { schema, state, file, startedAt } = record;
  return { schema, state, file, startedAt };
}
