/** Small things that tests of providers' controls share. */
import { type CloudControl, CloudError, type CloudQuestion } from '../../src/cloud/control.js';

/** Something that a test clears away at its end. */
export interface Teardown {
  readonly teardown: (close: () => unknown) => void;
}

/** The CloudError that it has to end with. */
export async function failureOf(asking: Promise<unknown>): Promise<CloudError> {
  const error: unknown = await asking.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof CloudError) return error;
  throw error;
}

/** Reads, does all that the reading asks for, and tells the calls. */
export async function carryOutAll(
  control: CloudControl,
  question: CloudQuestion,
): Promise<readonly string[]> {
  const { changes } = await control.read(question);
  for (const change of changes) await change.carryOut();
  return changes.map(({ call }) => call);
}

/**
 * Reads, changes and leaves, going on after each failure; what went wrong or could not be seen. With
 * a permission missing that something needs, there is something.
 */
export async function troublesOf(
  control: CloudControl,
  question: CloudQuestion,
): Promise<readonly string[]> {
  const troubles: string[] = [];
  const note = (error: unknown): void => void troubles.push((error as Error).message);
  const reading = await control.read(question).catch(note);
  troubles.push(...(reading?.problems ?? []));
  for (const change of reading?.changes ?? []) await change.carryOut().catch(note);
  for (const change of (await control.leave(question).catch(note)) ?? [])
    await change.carryOut().catch(note);
  return troubles;
}
