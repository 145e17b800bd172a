/** Talks HTTP over the agent's unix socket. */
import { request } from 'node:http';

export interface AgentRequest {
  readonly socket: string;
  readonly method: 'GET' | 'POST';
  /** With query string, e.g. `/v1/explain?destination=10.64.2.7`. */
  readonly path: string;
  readonly body?: Uint8Array | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Nobody answers on the socket. */
export class AgentUnavailable extends Error {}

/** The agent answered with an error of its own. */
export class AgentRefused extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

export function agentRequest(options: AgentRequest): Promise<unknown> {
  const { socket, method, path, body, timeoutMs = 10_000 } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: socket,
        method,
        path,
        headers: { host: 'selvage' },
        // A connection kept for later may be closed by then.
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const answer = parseBody(text);
          const status = response.statusCode ?? 500;
          if (status < 400) resolve(answer);
          else reject(new AgentRefused(errorText(answer) ?? `HTTP ${status}`, status));
        });
        response.on('error', reject);
      },
    );
    sent.setTimeout(timeoutMs, () =>
      sent.destroy(
        new AgentUnavailable(`the agent at ${socket} did not answer in ${timeoutMs} ms`),
      ),
    );
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error instanceof AgentUnavailable) reject(error);
      else
        reject(
          new AgentUnavailable(`no agent answers at ${socket} (${error.code ?? error.message})`),
        );
    });
    sent.end(body);
  });
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function errorText(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  return String(body.error);
}
