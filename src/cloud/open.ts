/** From a provider's name, as the file has it, to its API as this machine is entitled to speak it. */
import { detectMachine } from './detect.js';
import type { OpenedCloud } from './keeper.js';
import type { CloudProviderName } from './machine.js';
import { cloudRegistry } from './registry.js';

/** Somebody names this provider, so a slow answer is worth waiting for. */
const metadataTimeoutMs = 5_000;

export async function openCloud(
  name: CloudProviderName,
  env: NodeJS.ProcessEnv = process.env,
): Promise<OpenedCloud> {
  const found = await detectMachine({
    env,
    file: { provider: name, text: `the cluster file says ${name}` },
    timeoutMs: metadataTimeoutMs,
  });
  if (found.kind === 'none') throw new Error(`nothing is known of ${name} here`);
  if (found.kind === 'failed')
    throw new Error(found.refusals.map(({ provider, text }) => `${provider}: ${text}`).join('; '));
  const { facts, evidence } = found;
  if (facts.provider !== name)
    throw new Error(
      `the cluster file says ${name}, but this machine is of ${facts.provider}: ${evidence[0]?.text ?? ''}; correct the provider of its zone`,
    );
  return { machine: facts, control: await cloudRegistry[name].control?.(facts, env) };
}
