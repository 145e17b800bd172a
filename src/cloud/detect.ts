/**
 * Which provider this machine is on, and what its metadata service tells.
 *
 * A metadata address is asked only of a provider that something names: the firmware's strings, the
 * cluster file (the zone of this node), or the variable that points at an endpoint. Where nothing
 * names any, nothing is asked: on a developer's machine 169.254.169.254 may be anybody.
 */
import type { Provider } from '../../encap/cluster.js';
import type { Dmi } from './dmi.js';
import { dmiFolder, readDmi } from './dmi.js';
import { kernelNics } from './kernel-nics.js';
import type { CloudProviderName, MachineFacts } from './machine.js';
import type { MachineCache } from './machine-cache.js';
import { startDeadline } from './metadata-client.js';
import { MetadataError } from './metadata-error.js';
import type { MetadataTransport } from './metadata-transport.js';
import { openTransport } from './metadata-transport.js';
import type { CloudProvider } from './provider.js';
import { cloudRegistry } from './registry.js';

/** Another folder of firmware strings, for laboratories and tests. */
export const dmiFolderVariable = 'SELVAGE_DMI_DIR';

/** The whole of it, in milliseconds. */
export const defaultDetectTimeoutMs = 2_000;

/** Why a provider is asked. */
export interface Evidence {
  readonly provider: CloudProviderName;
  readonly kind: 'firmware' | 'file' | 'variable';
  /** `the firmware's sys_vendor is "Amazon EC2"` */
  readonly text: string;
}

export interface Refusal {
  readonly provider: CloudProviderName;
  /** What went wrong, and what to do. */
  readonly text: string;
}

export type Detection =
  /** Nothing names a provider; nothing was asked. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'found';
      readonly evidence: readonly Evidence[];
      readonly facts: MachineFacts;
      /** What was not told, in sentences. */
      readonly notes: readonly string[];
      /** Of what was kept from an earlier detection; undefined: asked just now. */
      readonly ageMs: number | undefined;
    }
  /** Somebody is named, and nobody answered. */
  | {
      readonly kind: 'failed';
      readonly evidence: readonly Evidence[];
      readonly refusals: readonly Refusal[];
    };

export interface DetectOptions {
  readonly env: NodeJS.ProcessEnv;
  /** What the cluster file says of this node's zone. */
  readonly file?: { readonly provider: Provider; readonly text: string } | undefined;
  /** Default: as the environment says, else the kernel's. */
  readonly dmi?: Dmi | undefined;
  /** Names of NICs by MAC; default: this kernel's. */
  readonly devices?: ReadonlyMap<string, string> | undefined;
  readonly transport?: MetadataTransport | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly cache?: MachineCache | undefined;
  /** Do not believe what is kept. */
  readonly refresh?: boolean | undefined;
  readonly registry?: Readonly<Record<CloudProviderName, CloudProvider>> | undefined;
}

export async function detectMachine(options: DetectOptions): Promise<Detection> {
  const { env, registry = cloudRegistry, cache } = options;
  const dmi = options.dmi ?? readDmi(env[dmiFolderVariable] ?? dmiFolder);
  const evidence = gatherEvidence({ ...options, dmi, registry });
  const named = [...new Set(evidence.map(({ provider }) => provider))];
  if (named.length === 0) return { kind: 'none' };

  const key = JSON.stringify(named.map((name) => [name, env[registry[name].endpointVariable]]));
  const kept = options.refresh === true ? undefined : cache?.read(key);
  const devices = options.devices ?? kernelNics();
  if (kept !== undefined)
    return { kind: 'found', evidence, ...kept, facts: withDevices(kept.facts, devices) };

  const answers = await askAll(named, { ...options, dmi, registry, devices });
  const [first, ...others] = answers.flatMap((answer) => (answer.ok ? [answer] : []));
  if (first === undefined) {
    const refusals = answers.flatMap((answer) => (answer.ok ? [] : [answer.refusal]));
    return { kind: 'failed', evidence, refusals };
  }
  const { facts } = first;
  const notes = [
    ...first.notes,
    ...others.map(
      (other) =>
        `${other.facts.provider} answers as well as ${facts.provider}, which is believed: ${evidence.find(({ provider }) => provider === facts.provider)!.text}`,
    ),
  ];
  cache?.write(key, { facts, notes });
  return { kind: 'found', evidence, facts, notes, ageMs: undefined };
}

interface Asking extends DetectOptions {
  readonly dmi: Dmi;
  readonly registry: Readonly<Record<CloudProviderName, CloudProvider>>;
}

/** The likeliest first: what the machine is made of, what the operator wrote, what a shell has set. */
function gatherEvidence({ dmi, registry, env, file }: Asking): readonly Evidence[] {
  const providers = Object.values(registry);
  const firmware = providers.flatMap((provider): Evidence[] => {
    const text = provider.recognises(dmi);
    if (text === undefined) return [];
    return [{ provider: provider.name, kind: 'firmware', text: `the firmware's ${text}` }];
  });
  const written = providers.filter(({ name }) => name === file?.provider);
  const variables = providers.filter((entry) => (env[entry.endpointVariable]?.trim() ?? '') !== '');
  return [
    ...firmware,
    ...written.map(({ name }): Evidence => ({ provider: name, kind: 'file', text: file!.text })),
    ...variables.map(({ name, endpointVariable }): Evidence => ({
      provider: name,
      kind: 'variable',
      text: `${endpointVariable} is set`,
    })),
  ];
}

type Answer =
  | { readonly ok: true; readonly facts: MachineFacts; readonly notes: readonly string[] }
  | { readonly ok: false; readonly refusal: Refusal };

/** All at once, within one deadline. */
async function askAll(
  named: readonly CloudProviderName[],
  asking: Asking & { readonly devices: ReadonlyMap<string, string> },
): Promise<readonly Answer[]> {
  const { env, dmi, devices, registry, timeoutMs = defaultDetectTimeoutMs } = asking;
  const transport = asking.transport ?? openTransport();
  const deadline = startDeadline(timeoutMs, asking.signal);
  const { signal } = deadline;
  const ask = async (name: CloudProviderName): Promise<Answer> => {
    const notes: string[] = [];
    const note = (text: string): void => void notes.push(text);
    try {
      const question = { signal, env, devices, dmi, transport, note };
      const facts = await registry[name].machine(question);
      return { ok: true, facts, notes };
    } catch (error) {
      if (!(error instanceof MetadataError)) throw error;
      return { ok: false, refusal: { provider: name, text: error.text } };
    }
  };
  try {
    return await Promise.all(named.map(ask));
  } finally {
    deadline.clear();
    if (asking.transport === undefined) transport.close();
  }
}

/** A device may have been renamed, or have come, since. */
function withDevices(facts: MachineFacts, devices: ReadonlyMap<string, string>): MachineFacts {
  const nics = facts.nics.map((nic) => ({
    ...nic,
    device: nic.mac === undefined ? undefined : devices.get(nic.mac),
  }));
  return { ...facts, nics };
}
