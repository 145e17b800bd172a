/**
 * `GET /v1/capture-terms`: what a command must look for to capture the packets of a path. The agent
 * itself listens to nothing: whoever asks needs the privilege, and has it.
 */
import { captureTerms } from '../capture/path.js';
import { explainReading } from '../explain/node-reading.js';
import type { Route } from '../http/server.js';
import { HttpProblem } from '../http/server.js';
import type { AgentView } from './agent-reading.js';
import { agentReading } from './agent-reading.js';

export function captureRoute(view: () => AgentView): Route {
  return {
    method: 'GET',
    path: '/v1/capture-terms',
    handle: async (query) => {
      const reading = agentReading(view());
      const destination = query.get('destination') ?? '';
      const from = query.get('from') ?? undefined;
      const report = await explainReading(reading, { destination, from });
      if (typeof report === 'string') throw new HttpProblem(400, report);
      const terms = captureTerms(reading, report);
      if (typeof terms === 'string') throw new HttpProblem(409, terms);
      return terms;
    },
  };
}
