/**
 * HTTP to a metadata service: plain, to one host, bounded in time and size. Redirects are never
 * followed and no proxy is ever used, as what is asked for (tokens, keys) belongs to nobody else.
 */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { MetadataError } from './metadata-error.js';

export interface MetadataRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export interface MetadataAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Where packets leave; a test puts a spy in its place. */
export interface MetadataTransport {
  /** Rejects with a MetadataError; an answer of any status resolves. */
  send(request: MetadataRequest): Promise<MetadataAnswer>;
  close(): void;
}

/** Requests at once: services count packets per second and drop what is beyond. */
const parallel = 8;

export function openTransport(): MetadataTransport {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  return {
    send: (asked) => send(asked, agent),
    close: () => agent.destroy(),
  };
}

function send(asked: MetadataRequest, agent: Agent): Promise<MetadataAnswer> {
  const { method, url, headers, body, maxBytes, signal } = asked;
  const where = `${url.host}${url.pathname}`;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(timedOut(where));
    const sent = request(
      url,
      { method, headers: withLength(headers, { method, body }), agent, signal },
      (answer) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= maxBytes) return void chunks.push(chunk);
          const error = new MetadataError(`${where} answers with more than ${maxBytes} bytes`, {
            failure: 'too-large',
            remedy: 'what answers there is no metadata service: check where the name leads',
          });
          reject(error);
          answer.destroy();
        });
        answer.on('end', () => {
          if (!answer.complete) return reject(broken(where, 'the answer ends early'));
          const { statusCode: status = 0, headers: told } = answer;
          resolve({ status, headers: told, body: Buffer.concat(chunks).toString('utf8') });
        });
        answer.on('error', (error) =>
          reject(signal.aborted ? timedOut(where) : broken(where, codeOf(error))),
        );
      },
    );
    sent.on('error', (error) =>
      reject(signal.aborted ? timedOut(where) : broken(where, codeOf(error))),
    );
    sent.end(body);
  });
}

/** A PUT without a body says so: some services refuse it as "length required" otherwise. */
function withLength(
  headers: Readonly<Record<string, string>>,
  asked: Pick<MetadataRequest, 'method' | 'body'>,
): Record<string, string> {
  if (asked.method === 'GET') return { ...headers };
  return { ...headers, 'content-length': String(Buffer.byteLength(asked.body ?? '')) };
}

function timedOut(where: string): MetadataError {
  return new MetadataError(`${where} did not answer in time`, { failure: 'timeout' });
}

function broken(where: string, why: string): MetadataError {
  return new MetadataError(`${where} cannot be reached (${why})`, { failure: 'unreachable' });
}

/** `ENETUNREACH`; a parser's own message may quote what was received. */
function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? 'connection failed';
}
