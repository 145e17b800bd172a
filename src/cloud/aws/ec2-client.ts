/**
 * Speaks the EC2 Query API, version 2016-11-15: a form is posted, signed with Signature Version 4,
 * and XML comes back. Lists come in pages, each with the token of the next.
 *
 * A call has a time limit, its answer a largest size, and a redirect is never followed. One that
 * only reads is tried a second time at once if EC2 was too busy; all other waiting is the caller's.
 */
import type { AwsV4Signer } from 'aws4fetch';
import { CloudError } from '../control.js';
import type { Ec2Action } from './actions.js';
import { refused, saysExpired, unanswered } from './ec2-error.js';
import type { KeySource } from './keys.js';
import { type Element, type ReadXml, xmlReader } from './xml.js';

const apiVersion = '2016-11-15';
const callTimeoutMs = 10_000;
/** A thousand interfaces or twenty full route tables stay well below. */
const answerLimitBytes = 32 * 1024 * 1024;
const quickRetryMs = 300;
/** Pages of one listing; more is an answer that never ends. */
const pageLimit = 200;

export type Parameters = Readonly<Record<string, string>>;

export interface Ec2ClientOptions {
  readonly region: string;
  readonly endpoint: URL;
  readonly keys: KeySource;
  readonly now?: () => number;
  /** Per call, in milliseconds. */
  readonly timeoutMs?: number;
}

export interface Listing {
  readonly parameters: Parameters;
  /** The element that holds the items: `routeTableSet`. */
  readonly list: string;
  /** Items of a page. */
  readonly pageSize: number;
  readonly signal?: AbortSignal | undefined;
}

/** `ec2.eu-west-1.amazonaws.com`, or where the conventional variables point. */
export function ec2Endpoint(region: string, env: NodeJS.ProcessEnv): URL {
  for (const name of ['AWS_ENDPOINT_URL_EC2', 'AWS_ENDPOINT_URL'] as const) {
    const text = env[name]?.trim() ?? '';
    if (text === '') continue;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '')
      throw new CloudError(`${name} is no URL of an API: set it as in https://ec2.example.net`, {
        failure: 'other',
        code: 'Endpoint',
        call: 'endpoint',
      });
    return url;
  }
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return new URL(`https://ec2.${region}.${suffix}/`);
}

export class Ec2Client {
  /** Calls made so far; what a reading costs is told by it. */
  calls = 0;
  readonly #options: Ec2ClientOptions;
  readonly #signer: typeof AwsV4Signer;
  readonly #readXml: ReadXml;
  readonly #signingKeys = new Map<string, ArrayBuffer>();

  private constructor(
    options: Ec2ClientOptions,
    libraries: { readonly signer: typeof AwsV4Signer; readonly readXml: ReadXml },
  ) {
    this.#options = options;
    this.#signer = libraries.signer;
    this.#readXml = libraries.readXml;
  }

  /** Loads what only AWS needs. */
  static async open(options: Ec2ClientOptions): Promise<Ec2Client> {
    const [{ AwsV4Signer: signer }, readXml] = await Promise.all([
      import('aws4fetch'),
      xmlReader(),
    ]);
    return new Ec2Client(options, { signer, readXml });
  }

  get region(): string {
    return this.#options.region;
  }

  /** One call that changes something, or one page. Rejects with a CloudError. */
  async call(
    action: Ec2Action,
    parameters: Parameters,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Element> {
    const { signal } = options;
    try {
      return await this.#send(action, parameters, signal);
    } catch (error) {
      if (!(error instanceof CloudError) || signal?.aborted === true) throw error;
      if (saysExpired(error.code)) {
        if (!this.#options.keys.renew()) throw error;
      } else if (error.failure === 'retry' && action.startsWith('Describe')) {
        await pause(quickRetryMs, signal);
      } else {
        throw error;
      }
    }
    return this.#send(action, parameters, signal);
  }

  /** All pages of a listing. */
  async list(action: Ec2Action, listing: Listing): Promise<readonly Element[]> {
    const items: Element[] = [];
    let token: string | undefined;
    for (let page = 0; page < pageLimit; page++) {
      const answer = await this.call(
        action,
        {
          ...listing.parameters,
          MaxResults: String(listing.pageSize),
          ...(token === undefined ? {} : { NextToken: token }),
        },
        { signal: listing.signal },
      );
      for (const item of answer.items(listing.list)) items.push(item);
      token = answer.text('nextToken');
      if (token === undefined) return items;
    }
    throw new CloudError(`EC2's answer to ${action} has more than ${pageLimit} pages`, {
      failure: 'other',
      code: 'Endless',
      call: action,
    });
  }

  /** Would the call be permitted? A CloudError where EC2 says neither. */
  async tryOut(
    action: Ec2Action,
    parameters: Parameters,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<'allowed' | 'denied'> {
    try {
      await this.call(action, { ...parameters, DryRun: 'true' }, options);
    } catch (error) {
      if (error instanceof CloudError && error.code === 'DryRunOperation') return 'allowed';
      if (error instanceof CloudError && error.failure === 'denied') return 'denied';
      throw error;
    }
    throw new CloudError(`EC2 answers a dry run of ${action} as if it had been carried out`, {
      failure: 'other',
      code: 'DryRunIgnored',
      call: action,
    });
  }

  async #send(
    action: Ec2Action,
    parameters: Parameters,
    signal: AbortSignal | undefined,
  ): Promise<Element> {
    const { region, endpoint, keys } = this.#options;
    const { accessKeyId, secretAccessKey, sessionToken } = await keys.get(signal);
    const body = new URLSearchParams({ Action: action, Version: apiVersion, ...parameters });
    const signed = await new this.#signer({
      method: 'POST',
      url: endpoint.href,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body: body.toString(),
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 'ec2',
      region,
      cache: this.#signingKeys,
      datetime: amzDate(this.#now()),
    }).sign();
    // Keys of a role change some times a day, and the days do.
    if (this.#signingKeys.size > 4) this.#signingKeys.clear();
    this.calls++;
    const limit = AbortSignal.timeout(this.#options.timeoutMs ?? callTimeoutMs);
    const until = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(signed.url, {
        method: 'POST',
        headers: signed.headers,
        body: body.toString(),
        redirect: 'manual',
        signal: until,
      });
      text = await bounded(answer, action);
    } catch (error) {
      if (error instanceof CloudError) throw error;
      throw unanswered(action, transportText(error, { limit, host: endpoint.host }));
    }
    return this.#understood(action, answer, text);
  }

  #understood(action: Ec2Action, answer: Response, text: string): Element {
    const { status } = answer;
    if (status >= 300 && status < 400)
      throw new CloudError(`EC2's endpoint answers ${action} with a redirect (${status})`, {
        failure: 'other',
        code: 'Redirect',
        call: action,
      });
    let root: Element;
    try {
      root = this.#readXml(text);
    } catch {
      if (status >= 500 || status === 429) throw unanswered(action, `HTTP status ${status}`);
      throw unanswered(action, `what comes back (status ${status}) is not EC2's XML`);
    }
    const wanted = root.element(`${action}Response`);
    if (answer.ok && wanted.text('requestId') !== undefined) return wanted;
    // <Response><Errors><Error><Code>…</Code><Message>…</Message></Error></Errors><RequestID>
    const error = root.element('Response').element('Errors').element('Error');
    const code = error.text('Code');
    if (code === undefined) throw unanswered(action, `HTTP status ${status} without EC2's words`);
    const date = Date.parse(answer.headers.get('date') ?? '');
    throw refused({
      action,
      code,
      status,
      message: error.text('Message') ?? '',
      aheadMs: Number.isNaN(date) ? undefined : this.#now() - date,
    });
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}

/** `20261122T121314Z` */
function amzDate(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
}

async function bounded(answer: Response, action: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  // Fetch's own types do not say that a body can be iterated over, which Node's can.
  const body = answer.body as AsyncIterable<Uint8Array> | null;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > answerLimitBytes)
      throw new CloudError(`EC2's answer to ${action} is larger than ${answerLimitBytes} bytes`, {
        failure: 'other',
        code: 'AnswerTooLarge',
        call: action,
      });
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function transportText(
  error: unknown,
  context: { readonly limit: AbortSignal; readonly host: string },
): string {
  if (context.limit.aborted) return `${context.host} took too long`;
  // fetch hides the reason one level down: "fetch failed", cause ECONNREFUSED.
  const cause = error instanceof Error ? (error.cause ?? error) : undefined;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return `${context.host} cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`;
}

function pause(timeMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, timeMs);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** `Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1`. */
export function filters(wanted: Readonly<Record<string, readonly string[]>>): Parameters {
  const parameters: Record<string, string> = {};
  for (const [i, [name, values]] of Object.entries(wanted).entries()) {
    parameters[`Filter.${i + 1}.Name`] = name;
    for (const [j, value] of values.entries()) parameters[`Filter.${i + 1}.Value.${j + 1}`] = value;
  }
  return parameters;
}

/** Values that one filter may have. */
export const filterValues = 200;

export function inBatches<T>(values: readonly T[], size = filterValues): readonly (readonly T[])[] {
  const batches: T[][] = [];
  for (let i = 0; i < values.length; i += size) batches.push(values.slice(i, i + size));
  return batches;
}
