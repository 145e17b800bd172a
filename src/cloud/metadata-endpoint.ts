/** Where a metadata service is asked: its fixed address, or where a variable points. */
import { MetadataError } from './metadata-error.js';

/** IPv4 link-local (RFC 3927), where nearly all providers answer. */
export const usualEndpoint = 'http://169.254.169.254';

/** A host, `host:port` or URL from the variable, else the endpoint that is usual. */
export function endpointFrom(
  env: NodeJS.ProcessEnv,
  options: { readonly variable: string; readonly usual?: string },
): URL {
  const { variable, usual = usualEndpoint } = options;
  const written = env[variable]?.trim() ?? '';
  if (written === '') return new URL(usual);
  const url = parseUrl(written.includes('://') ? written : `http://${written}`);
  if (url?.protocol === 'http:' && url.hostname !== '' && url.username + url.password === '')
    return url;
  throw new MetadataError(`${variable} is not the address of a metadata service`, {
    failure: 'endpoint',
    remedy: `write it like ${usual}, or unset it`,
  });
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
