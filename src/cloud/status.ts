/** What an agent says of its provider's API, in `status` and `cloud status`. */
import type { FirewallVerdicts, ObservedNode } from '../../encap/observed.js';

export interface CloudStatus {
  readonly provider: string | null;
  readonly instance: string | null;
  readonly manage: boolean;
  /** Why nothing is asked; null: it is. */
  readonly idle: string | null;
  /** ISO 8601. */
  readonly lastReading: string | null;
  /** Rounds in a row that came to nothing. */
  readonly failures: number;
  readonly failure: string | null;
  /** Of the own node, as read. */
  readonly switches: ObservedNode['switches'];
  readonly admits: Readonly<Record<string, FirewallVerdicts>>;
  readonly waits: ObservedNode['waits'];
  /** Nodes that the API told something of. */
  readonly nodes: number;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  /** The last ones that the agent carried out, newest first. */
  readonly changes: readonly { readonly at: string; readonly text: string }[];
}
