/**
 * How far this clock is from the cloud's: the `Date` of any answer of the metadata service (RFC 9110
 * section 6.6.1, whole seconds). A refusal has one too, so that no token is needed.
 */
import { request } from 'node:http';
import type { CloudProviderName } from '../../cloud/machine.js';
import { endpointFrom } from '../../cloud/metadata-endpoint.js';
import { cloudRegistry } from '../../cloud/registry.js';

const timeoutMs = 1_000;

/** Milliseconds that this clock is ahead; undefined: nobody says. */
export async function clockSkew(
  provider: CloudProviderName,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number | undefined> {
  const { endpointVariable } = cloudRegistry[provider];
  try {
    return await skewOf(endpointFrom(env, { variable: endpointVariable }));
  } catch {
    return undefined;
  }
}

export function skewOf(url: URL): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const beganMs = Date.now();
    const asked = request(url, { method: 'GET', timeout: timeoutMs }, (answer) => {
      const { date } = answer.headers;
      answer.destroy();
      const theirsMs = date === undefined ? NaN : Date.parse(date);
      // The second has been going on for half of itself, on average.
      const oursMs = (beganMs + Date.now()) / 2;
      resolve(Number.isNaN(theirsMs) ? undefined : Math.round(oursMs - theirsMs - 500));
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.once('error', reject);
    asked.end();
  });
}
