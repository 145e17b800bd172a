/**
 * A cloud as Selvage knows it: how its machines give themselves away, how their metadata is read,
 * and how its API is spoken. One folder or file a provider, one line in `registry.ts`.
 */
import type { CloudControl } from './control.js';
import type { Dmi } from './dmi.js';
import type { CloudProviderName, MachineFacts } from './machine.js';

export interface MetadataQuestion {
  /** Ends the whole detection. */
  readonly signal: AbortSignal;
  /** Environment with the conventional endpoint variables. */
  readonly env: NodeJS.ProcessEnv;
  /** Of this kernel's NICs, by MAC in lower case. */
  readonly devices: ReadonlyMap<string, string>;
}

export interface CloudProvider {
  readonly name: CloudProviderName;
  /** Do the firmware's strings name this provider? */
  recognises(dmi: Dmi): boolean;
  /** The variable that conventionally points at another metadata endpoint. */
  readonly endpointVariable: string;
  /** Rejects with a MetadataError that says what to do. */
  machine(question: MetadataQuestion): Promise<MachineFacts>;
  /** Undefined: switches are not read nor managed here. Loads what it needs only now. */
  readonly control?: (machine: MachineFacts, env: NodeJS.ProcessEnv) => Promise<CloudControl>;
}
