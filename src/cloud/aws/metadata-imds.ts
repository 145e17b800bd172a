/**
 * The instance metadata service of EC2, version 2: a PUT brings a token, every GET carries it.
 *
 *     PUT /latest/api/token    x-aws-ec2-metadata-token-ttl-seconds: 300   → token
 *     GET /latest/meta-data/…  x-aws-ec2-metadata-token: token             → text
 *
 * The answer to the PUT leaves with a TTL ("hop limit") of 1 by default, so it dies on the way into
 * a container or a network namespace, while everything else gets through: a PUT without an answer
 * on a machine that is EC2's has that one likely reason. Version 1, without a token, is never used.
 */
import type { MetadataTransport } from '../metadata-transport.js';
import { MetadataClient, malformed, orAbsent } from '../metadata-client.js';
import { endpointFrom, usualEndpoint } from '../metadata-endpoint.js';
import { MetadataError } from '../metadata-error.js';

export const awsEndpointVariable = 'AWS_EC2_METADATA_SERVICE_ENDPOINT';
/** `IPv6`: ask the IPv6 address first. */
const modeVariable = 'AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE';
const disabledVariable = 'AWS_EC2_METADATA_DISABLED';
const ipv6Endpoint = 'http://[fd00:ec2::254]';

const tokenSeconds = 300;
/** Where the service is there, it answers in a millisecond. */
const tokenTimeoutMs = 1_000;
/** Of one value: one that hangs must not cost the others their turn. */
const valueTimeoutMs = 1_000;

export interface ImdsOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly transport: MetadataTransport;
  readonly signal: AbortSignal;
  /** For the command of a hint, where the firmware tells it. */
  readonly instanceId?: string | undefined;
}

export class Imds {
  readonly #client: MetadataClient;
  readonly #options: ImdsOptions;
  #token: Promise<string>;

  private constructor(client: MetadataClient, first: Promise<string>, options: ImdsOptions) {
    this.#client = client;
    this.#token = first;
    this.#options = options;
  }

  /** Rejects with a MetadataError that says what to do. */
  static async open(options: ImdsOptions): Promise<Imds> {
    const { env, transport, signal } = options;
    if (env[disabledVariable]?.toLowerCase() === 'true')
      throw new MetadataError(`${disabledVariable} is set, so EC2's metadata is not asked`, {
        failure: 'endpoint',
        remedy: `unset ${disabledVariable}`,
      });
    const attempts = endpoints(env);
    for (const [i, endpoint] of attempts.entries()) {
      const client = new MetadataClient({ endpoint, transport, signal });
      try {
        const token = await newToken(client, options);
        return new Imds(client, Promise.resolve(token), options);
      } catch (error) {
        const unreachable = error instanceof MetadataError && error.failure === 'unreachable';
        if (!unreachable || i === attempts.length - 1) throw error;
      }
    }
    throw new Error('there is always an endpoint');
  }

  /** The text at a path below `/latest/`; undefined where there is none. */
  async get(path: string): Promise<string | undefined> {
    const token = this.#token;
    try {
      return await this.#get(path, await token);
    } catch (error) {
      if (!(error instanceof MetadataError) || error.status !== 401) throw this.#explained(error);
    }
    // Run out, or the service was restarted: a new one, once, for all who are waiting.
    if (this.#token === token) this.#token = newToken(this.#client, this.#options);
    try {
      return await this.#get(path, await this.#token);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #get(path: string, token: string): Promise<string | undefined> {
    const headers = { 'x-aws-ec2-metadata-token': token };
    const timeoutMs = valueTimeoutMs;
    return orAbsent(this.#client.text(`/latest/${path}`, { headers, timeoutMs }));
  }

  #explained(error: unknown): unknown {
    return error instanceof MetadataError ? explained(error, this.#options.instanceId) : error;
  }
}

/** A variable that names an endpoint wins; else both families, in the order that is asked for. */
function endpoints(env: NodeJS.ProcessEnv): readonly URL[] {
  if ((env[awsEndpointVariable] ?? '').trim() !== '')
    return [endpointFrom(env, { variable: awsEndpointVariable })];
  const [v4, v6] = [new URL(usualEndpoint), new URL(ipv6Endpoint)];
  return env[modeVariable]?.toLowerCase() === 'ipv6' ? [v6, v4] : [v4, v6];
}

async function newToken(client: MetadataClient, options: ImdsOptions): Promise<string> {
  let token: string;
  try {
    token = await client.text('/latest/api/token', {
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': String(tokenSeconds) },
      timeoutMs: tokenTimeoutMs,
    });
  } catch (error) {
    throw error instanceof MetadataError ? explained(error, options.instanceId, 'token') : error;
  }
  // It becomes a header's value.
  if (!/^[\x21-\x7e]{1,1024}$/.test(token))
    throw malformed(`${client.endpoint.host}/latest/api/token`, 'a token of EC2');
  return token;
}

/** What AWS lets an operator do about it, as a command. */
function explained(
  error: MetadataError,
  instanceId = 'INSTANCE-ID',
  asked: 'token' | 'data' = 'data',
): MetadataError {
  const modify = `aws ec2 modify-instance-metadata-options --instance-id ${instanceId}`;
  const { failure, status } = error;
  if (failure === 'timeout' && asked === 'token')
    return new MetadataError(
      `${error.message}: a token of EC2's metadata is not let through a hop more than the limit, which is 1 by default and does not reach into a container or a network namespace`,
      { failure, remedy: `run "${modify} --http-put-response-hop-limit 2"` },
    );
  if (failure === 'refused' && status === 403)
    return new MetadataError(`${error.message}: the instance's metadata is switched off`, {
      failure,
      status,
      remedy: `run "${modify} --http-endpoint enabled"`,
    });
  return error;
}
