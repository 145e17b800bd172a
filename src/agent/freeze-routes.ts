/** `freeze` and `thaw` on the control socket. */
import type { FreezeReport } from '../../routes/explain-report.js';
import type { PassReport } from '../../routes/reconciler.js';
import { freezeWords } from '../explain/freeze-words.js';
import { changeLine } from '../journal/change-line.js';
import type { Route } from '../http/server.js';
import { HttpProblem } from '../http/server.js';
import type { Freeze } from './freeze.js';

export interface FreezeAnswer {
  readonly schema: 'selvage.freeze/1';
  /** Null: not frozen. */
  readonly freeze: FreezeReport | null;
  /** Frozen: what differs and is left so. Thawed: what was done at once. */
  readonly changes: readonly string[];
  readonly failed: readonly string[];
}

export interface FreezeHands {
  readonly freeze: Freeze;
  /** Ends after every pass that began before it. */
  pass(reason: string): Promise<PassReport>;
  /** A change waits for its confirmation: to go back it would have to write. */
  isPending(): boolean;
}

/** A week; who wants longer says none at all. */
const maxForMs = 7 * 24 * 3_600_000;
const maxReasonLength = 500;

export function freezeRoutes({ freeze, pass, isPending }: FreezeHands): readonly Route[] {
  const answer = (report: PassReport): FreezeAnswer => ({
    schema: 'selvage.freeze/1',
    freeze: freeze.report ?? null,
    changes: (freeze.report === undefined ? report.changes : report.withheld).map(changeLine),
    failed: [
      ...report.failed.map(({ failure }) => failure.message),
      ...(report.error === undefined ? [] : [report.error.message]),
    ],
  });
  return [
    {
      method: 'POST',
      path: '/v1/freeze',
      handle: async (query) => {
        if (isPending())
          throw new HttpProblem(
            409,
            'a change waits for its confirmation, and going back would need a write: "selvage confirm" or "selvage rollback" first',
          );
        freeze.begin(requestOf(query));
        return answer(await pass('frozen'));
      },
    },
    {
      method: 'POST',
      path: '/v1/thaw',
      handle: async () => {
        if (!freeze.end()) throw new HttpProblem(409, 'the agent is not frozen');
        return answer(await pass('thawed'));
      },
    },
  ];
}

/** A route that writes: refused while frozen. */
export function unlessFrozen(freeze: Freeze, route: Route): Route {
  return {
    ...route,
    handle: (query, body) => {
      const { report } = freeze;
      if (report === undefined) return route.handle(query, body);
      throw new HttpProblem(409, `${freezeWords(report)}; "selvage thaw" first`);
    },
  };
}

function requestOf(query: URLSearchParams) {
  const text = query.get('forMs');
  const forMs = text === null ? undefined : Number(text);
  if (forMs !== undefined && !(Number.isSafeInteger(forMs) && forMs > 0 && forMs <= maxForMs))
    throw new HttpProblem(
      400,
      `forMs is "${text}": milliseconds from 1 to ${maxForMs} are right, or none for no end`,
    );
  const reason = query.get('reason') ?? undefined;
  if (reason !== undefined && reason.length > maxReasonLength)
    throw new HttpProblem(400, `the reason has more than ${maxReasonLength} characters`);
  return { forMs, reason };
}
