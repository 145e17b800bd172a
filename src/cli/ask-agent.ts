/**
 * Asks the agent of this node where one answers. An agent that does not answer is no error here:
 * the caller goes on without it, or says that it needs one.
 */
import { AgentRefused, AgentUnavailable, agentRequest } from '../agent/client.js';
import { unableFailure, usageFailure } from './failure.js';

export interface AgentQuestion {
  readonly socket: string;
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
}

export type AgentAnswer =
  | { readonly answered: true; readonly body: unknown }
  | { readonly answered: false; readonly reason: string };

export async function askAgent(question: AgentQuestion): Promise<AgentAnswer> {
  const { socket, method = 'GET', path, query = {} } = question;
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) parameters.set(name, value);
  const text = parameters.toString();
  try {
    const body = await agentRequest({
      socket,
      method,
      path: text === '' ? path : `${path}?${text}`,
    });
    return { answered: true, body };
  } catch (error) {
    if (error instanceof AgentUnavailable) return { answered: false, reason: error.message };
    if (error instanceof AgentRefused)
      throw error.status === 400
        ? usageFailure(error.message)
        : unableFailure(`the agent at ${socket} cannot answer: ${error.message}`);
    throw error;
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
