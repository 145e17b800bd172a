/**
 * The keys that calls are signed with: those of the environment where they are set, else those of
 * the role that the instance runs as, which are fetched again before they end.
 *
 * Keys through AWS_WEB_IDENTITY_TOKEN_FILE, container credentials and profile files are not used:
 * the agent is a service of the node itself, and the node's role is what it has. Where such a
 * variable is set, `unused` says so.
 */
import { CloudError } from '../control.js';
import { MetadataError } from '../metadata-error.js';
import { type InstanceCredentials, instanceCredentials } from './metadata.js';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

export interface KeySource {
  /** Rejects with a CloudError of the kind `credentials` or `retry`. */
  get(signal?: AbortSignal): Promise<AwsKeys>;
  /** EC2 says that the keys have run out: are new ones worth a try? */
  renew(): boolean;
  /** What is set and not heeded, for people. */
  readonly unused: readonly string[];
}

export interface KeyOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly now?: () => number;
  /** Default: the metadata service's. */
  readonly fromInstance?: typeof instanceCredentials;
}

/** New keys are there this long before the old ones end, says the EC2 user guide. */
const earlyMs = 5 * 60_000;

const otherWays = [
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_PROFILE',
] as const;

export function keySource(options: KeyOptions): KeySource {
  const { env } = options;
  const accessKeyId = env['AWS_ACCESS_KEY_ID']?.trim() ?? '';
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY']?.trim() ?? '';
  if (accessKeyId !== '' && secretAccessKey !== '') {
    const token = env['AWS_SESSION_TOKEN']?.trim() ?? '';
    const keys = { accessKeyId, secretAccessKey, sessionToken: token === '' ? undefined : token };
    return { get: () => Promise.resolve(keys), renew: () => false, unused: [] };
  }
  const unused = otherWays
    .filter((name) => (env[name] ?? '') !== '')
    .map((name) => `${name} is set, but not used: calls are made as the instance's own role`);
  if ((accessKeyId === '') !== (secretAccessKey === ''))
    unused.push(
      "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set: the instance's own role is used",
    );
  return new RoleKeys(options, unused);
}

class RoleKeys implements KeySource {
  readonly unused: readonly string[];
  readonly #options: KeyOptions;
  #held: InstanceCredentials | undefined;
  /** One request for all who are waiting. */
  #underWay: Promise<InstanceCredentials> | undefined;

  constructor(options: KeyOptions, unused: readonly string[]) {
    this.#options = options;
    this.unused = unused;
  }

  async get(signal?: AbortSignal): Promise<AwsKeys> {
    const now = this.#options.now?.() ?? Date.now();
    const held = this.#held;
    if (held !== undefined && now < held.expiresAtMs - earlyMs) return held;
    try {
      this.#underWay ??= this.#fetch(signal);
      return (this.#held = await this.#underWay);
    } catch (error) {
      // They are still good, and the metadata service is asked again with the next call.
      if (held !== undefined && held === this.#held && now < held.expiresAtMs) return held;
      throw keysError(error);
    } finally {
      this.#underWay = undefined;
    }
  }

  renew(): boolean {
    this.#held = undefined;
    return true;
  }

  #fetch(signal: AbortSignal | undefined): Promise<InstanceCredentials> {
    const ask = this.#options.fromInstance ?? instanceCredentials;
    return ask({ env: this.#options.env, signal });
  }
}

const waitFor: ReadonlySet<string> = new Set(['unreachable', 'timeout', 'status']);

function keysError(error: unknown): CloudError {
  const known = error instanceof MetadataError ? error : undefined;
  const failure = known !== undefined && waitFor.has(known.failure) ? 'retry' : 'credentials';
  const why = known?.text ?? 'the metadata service could not be asked';
  return new CloudError(`no keys to call EC2 with: ${why}`, {
    failure,
    code: 'NoCredentials',
    call: 'credentials',
  });
}
