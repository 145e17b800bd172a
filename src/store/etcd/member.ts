/**
 * One member of etcd: a connection that is made when it is needed and mends itself, and the token
 * that this member gave. Tokens are kept a member each: one that was restarted has forgotten those
 * of all, and one that is behind does not know yet what another gave out.
 */
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import type { Credentials, Login } from '../access.js';
import type { Endpoint } from '../address.js';
import type { Method } from './methods.js';
import { methods } from './methods.js';
import type { EtcdTiming } from './timing.js';
import { maxMessageBytes } from './timing.js';
import { isCallStatus, judge } from './verdict.js';

export interface MemberOptions {
  readonly credentials: Credentials;
  readonly timing: EtcdTiming;
}

interface Patience {
  readonly timeoutMs: number;
}

/** What every call carries. */
interface Admission {
  readonly metadata: Metadata;
  readonly deadline: number;
}

export class Member {
  readonly endpoint: Endpoint;
  readonly #client: Client;
  readonly #login: Login | undefined;
  readonly #timing: EtcdTiming;
  /** What the calls carry; made anew after the token was forgotten. */
  #metadata: Promise<Metadata> | undefined;

  constructor(endpoint: Endpoint, options: MemberOptions) {
    this.endpoint = endpoint;
    this.#login = options.credentials.login;
    this.#timing = options.timing;
    this.#client = clientFor(endpoint, options);
  }

  get hasLogin(): boolean {
    return this.#login !== undefined;
  }

  /** A question and its answer; fails with a `CallStatus`. */
  async unary<Q, A>(method: Method<Q, A>, request: Q, options: Patience): Promise<A> {
    return this.#call(method, request, await this.#admission(options));
  }

  /** As `unary`, where the API has a stream: it is closed after the first answer. */
  async exchange<Q, A>(method: Method<Q, A>, request: Q, options: Patience): Promise<A> {
    const { metadata, deadline } = await this.#admission(options);
    const stream = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
      { deadline },
    );
    return new Promise<A>((resolve, reject) => {
      stream.once('data', (answer: A) => {
        resolve(answer);
        stream.cancel();
      });
      stream.on('error', reject);
      stream.once('end', () => reject(closedEarly()));
      stream.write(request);
      stream.end();
    });
  }

  /** Stays open; only its being made has a deadline. */
  async stream<Q, A>(method: Method<Q, A>): Promise<ClientDuplexStream<Q, A>> {
    const metadata = await this.#authenticated(Date.now() + this.#timing.attemptMs);
    return this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
    );
  }

  forgetToken(): void {
    this.#metadata = undefined;
  }

  close(): void {
    this.#client.close();
  }

  /** The deadline counts from before the log-in. */
  async #admission({ timeoutMs }: Patience): Promise<Admission> {
    const deadline = Date.now() + timeoutMs;
    return { metadata: await this.#authenticated(deadline), deadline };
  }

  /** Calls that come while the token is asked for wait for the same one. */
  #authenticated(deadline: number): Promise<Metadata> {
    this.#metadata ??= this.#logIn(deadline).catch((error: unknown) => {
      this.#metadata = undefined;
      throw error;
    });
    return this.#metadata;
  }

  async #logIn(deadline: number): Promise<Metadata> {
    const metadata = new Metadata();
    // Else a member that the others have left behind answers as if nothing were the matter.
    metadata.set('hasleader', 'true');
    if (this.#login === undefined) return metadata;
    try {
      const token = await this.#call(methods.authenticate, this.#login, { metadata, deadline });
      metadata.set('token', token);
    } catch (error) {
      // A cluster whose users are prepared but not in force takes everybody.
      if (!isCallStatus(error) || judge(error).kind !== 'authentication-off') throw error;
    }
    return metadata;
  }

  #call<Q, A>(method: Method<Q, A>, request: Q, options: Admission): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        options.metadata,
        { deadline: options.deadline },
        (error: ServiceError | null, answer?: A) => {
          if (error === null) resolve(answer as A);
          else reject(error);
        },
      );
    });
  }
}

function clientFor(endpoint: Endpoint, options: MemberOptions): Client {
  const { timing } = options;
  const { tls } = options.credentials;
  const name = tls?.serverName ?? (isIP(endpoint.host) === 0 ? undefined : noName);
  const channel =
    tls === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(tls.ca ?? null, tls.pair?.key ?? null, tls.pair?.cert ?? null, {
          checkServerIdentity: (host, cert) =>
            checkServerIdentity(host === noName ? endpoint.host : host, cert),
        });
  return new Client(`dns:///${endpoint.text}`, channel, {
    ...(tls === undefined || name === undefined ? {} : { 'grpc.ssl_target_name_override': name }),
    'grpc.keepalive_time_ms': timing.keepaliveMs,
    'grpc.keepalive_timeout_ms': timing.keepaliveTimeoutMs,
    'grpc.initial_reconnect_backoff_ms': timing.firstPauseMs,
    'grpc.min_reconnect_backoff_ms': timing.firstPauseMs,
    'grpc.max_reconnect_backoff_ms': timing.longestPauseMs,
    'grpc.dns_min_time_between_resolutions_ms': timing.longestPauseMs,
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    // Attempts are counted here, not below; proxies are for the way out of a network.
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
    'grpc.use_local_subchannel_pool': 1,
  });
}

/** TLS names a host to the server and never an address; the certificate is checked for that. */
const noName = 'address.invalid';

function closedEarly(): Error {
  return Object.assign(new Error('closed without an answer'), {
    code: status.UNAVAILABLE,
    details: 'closed without an answer',
  });
}
