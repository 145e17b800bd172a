/**
 * One thing that is looked at before packets depend on it. A check has a stable id; its outcomes say
 * what was found, what is needed, and exactly what to do.
 *
 * `fail` loses packets, now or as soon as the node is put to work; `warn` does not, but somebody
 * should know; `skip` could not be looked at, or is no matter here.
 */
import type { KernelFacts, NodeFacts } from './facts.js';

export const statuses = ['ok', 'warn', 'fail', 'skip'] as const;
export type CheckStatus = (typeof statuses)[number];

export const groups = [
  'kernel',
  'host',
  'underlay',
  'conflicts',
  'filters',
  'service',
  'cloud',
  'cluster',
] as const;
export type Group = (typeof groups)[number];

/** What to do about it. */
export interface Fix {
  readonly text: string;
  /** As typed into a root shell, or into that of whoever administers the cloud. */
  readonly commands: readonly string[];
  /** A file that has to be written before. */
  readonly file?: { readonly path: string; readonly lines: readonly string[] };
  /** The same as lines of Terraform. */
  readonly terraform?: readonly string[];
}

export interface Outcome {
  readonly status: CheckStatus;
  readonly found: string;
  readonly needed?: string | undefined;
  readonly fix?: Fix | undefined;
}

export interface CheckName {
  readonly id: string;
  readonly group: Group;
  /** What a line of the answer begins with. */
  readonly title: string;
  /** One line for the help: what is looked at. */
  readonly about: string;
}

/** Several outcomes where several things of one kind are found. */
export type Outcomes = Outcome | readonly Outcome[];

export interface Check extends CheckName {
  run(facts: NodeFacts): Outcomes | Promise<Outcomes>;
}

export interface CheckResult {
  readonly id: string;
  readonly group: Group;
  readonly title: string;
  readonly status: CheckStatus;
  readonly found: string;
  readonly needed: string | null;
  readonly fix: Fix | null;
}

export function ok(found: string): Outcome {
  return { status: 'ok', found };
}

export function skip(found: string): Outcome {
  return { status: 'skip', found };
}

/** The words of an outcome that asks for something. */
export interface Wanted {
  readonly found: string;
  readonly needed: string;
  readonly fix: Fix;
}

export function warn(wanted: Wanted): Outcome {
  return { status: 'warn', ...wanted };
}

export function fail(wanted: Wanted): Outcome {
  return { status: 'fail', ...wanted };
}

export function fix(text: string, ...commands: readonly string[]): Fix {
  return { text, commands };
}

/** A check that asks the kernel; where it cannot be asked, there is nothing to say. */
export function onKernel(
  name: CheckName,
  run: (kernel: KernelFacts, facts: NodeFacts) => Outcomes | Promise<Outcomes>,
): Check {
  return {
    ...name,
    run: (facts) =>
      'problem' in facts.kernel
        ? skip('this kernel could not be asked: see kernel-access')
        : run(facts.kernel, facts),
  };
}
