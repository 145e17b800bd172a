/**
 * Asks the agent of this node where one answers. An agent that does not answer is no error here:
 * the caller goes on without it, or says that it needs one.
 */
import { AgentRefused, AgentUnavailable, agentRequest } from '../agent/client.js';
import { exitCodes } from './exit-codes.js';
import { Failure, unableFailure, usageFailure } from './failure.js';

export interface AgentQuestion {
  readonly socket: string;
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  /** A list is said as often as it has texts. */
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: Uint8Array;
  readonly timeoutMs?: number;
}

export type AgentAnswer =
  | { readonly answered: true; readonly body: unknown }
  | { readonly answered: false; readonly reason: string };

export async function askAgent(question: AgentQuestion): Promise<AgentAnswer> {
  const { socket, method = 'GET', path, query = {}, body: sent, timeoutMs } = question;
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of [value ?? []].flat()) parameters.append(name, one);
  const text = parameters.toString();
  try {
    const body = await agentRequest({
      socket,
      method,
      path: text === '' ? path : `${path}?${text}`,
      body: sent,
      timeoutMs,
    });
    return { answered: true, body };
  } catch (error) {
    if (error instanceof AgentUnavailable) return { answered: false, reason: error.message };
    if (error instanceof AgentRefused) throw refusal(error, socket);
    throw error;
  }
}

function refusal(error: AgentRefused, socket: string): Failure {
  switch (error.status) {
    case 400:
      return usageFailure(error.message);
    case 409:
      return unableFailure(error.message);
    case 422:
      return new Failure(error.message, exitCodes.found);
    default:
      return unableFailure(`the agent at ${socket} cannot answer: ${error.message}`);
  }
}

/** As `askAgent`, for what only a running agent can do. */
export async function requireAgent(question: AgentQuestion): Promise<unknown> {
  const answer = await askAgent(question);
  if (answer.answered) return answer.body;
  throw unableFailure(
    `${answer.reason}: start one with "selvage agent", or name its socket with --socket`,
  );
}
