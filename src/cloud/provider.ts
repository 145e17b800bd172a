/**
 * A cloud as Selvage knows it: how its machines give themselves away, how their metadata is read,
 * and how its API is spoken. One folder or file a provider, one line in `registry.ts`.
 */
import type { CloudControl } from './control.js';
import type { Dmi } from './dmi.js';
import type { CloudProviderName, MachineFacts } from './machine.js';
import type { MetadataTransport } from './metadata-transport.js';

export interface MetadataQuestion {
  /** Ends the whole detection. */
  readonly signal: AbortSignal;
  /** Environment with the conventional endpoint variables. */
  readonly env: NodeJS.ProcessEnv;
  /** Of this kernel's NICs, by MAC in lower case. */
  readonly devices: ReadonlyMap<string, string>;
  /** What the firmware says; some providers put the instance's id there. */
  readonly dmi: Dmi;
  /** Where requests leave. */
  readonly transport: MetadataTransport;
  /** Takes a sentence about what the service did not tell, or told oddly. */
  readonly note: (text: string) => void;
}

export interface CloudProvider {
  readonly name: CloudProviderName;
  /** The string of the firmware that names this provider: `sys_vendor is "Amazon EC2"`. */
  recognises(dmi: Dmi): string | undefined;
  /** The variable that conventionally points at another metadata endpoint. */
  readonly endpointVariable: string;
  /** As much as could be told; rejects with a MetadataError that says what to do. */
  machine(question: MetadataQuestion): Promise<MachineFacts>;
  /** Undefined: switches are not read nor managed here. Loads what it needs only now. */
  readonly control?: (machine: MachineFacts, env: NodeJS.ProcessEnv) => Promise<CloudControl>;
}
