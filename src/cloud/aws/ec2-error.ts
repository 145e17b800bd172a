/**
 * EC2's error codes in the words that decide what to do next. The codes are those of "Error codes
 * for the Amazon EC2 API", in the EC2 developer guide.
 */
import { CloudError, type CloudFailure } from '../control.js';

/** Throttled or overloaded: the documented codes that are worth another try. */
const retryCodes: ReadonlySet<string> = new Set([
  'InternalError',
  'InternalFailure',
  'RequestLimitExceeded',
  'ServiceUnavailable',
  'Unavailable',
  'Throttling',
  'ThrottlingException',
]);

const deniedCodes: ReadonlySet<string> = new Set([
  'UnauthorizedOperation',
  'AccessDenied',
  'AccessDeniedException',
  'Blocked',
  'OptInRequired',
]);

const credentialCodes: ReadonlySet<string> = new Set([
  'AuthFailure',
  'InvalidClientTokenId',
  'ExpiredToken',
  'ExpiredTokenException',
  'MissingAuthenticationToken',
  'IncompleteSignature',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'RequestExpired',
  'PendingVerification',
]);

/** `RouteLimitExceeded`, `TagLimitExceeded`; `RequestLimitExceeded` is a pace, not a quota. */
const limitCode = /^\w+LimitExceeded$/;

/** `InvalidNetworkInterfaceID.NotFound`, `InvalidRoute.NotFound`. */
const absentCode = /^Invalid[\w.]*\.NotFound$/;

/** Keys that have run out, which new ones mend; a role's do so all the time. */
export function saysExpired(code: string): boolean {
  return code === 'ExpiredToken' || code === 'ExpiredTokenException' || code === 'RequestExpired';
}

export function ec2Failure(code: string, status: number): CloudFailure {
  if (retryCodes.has(code)) return 'retry';
  if (deniedCodes.has(code)) return 'denied';
  if (credentialCodes.has(code)) return 'credentials';
  if (limitCode.test(code)) return 'limit';
  if (absentCode.test(code)) return 'absent';
  return status >= 500 || status === 429 ? 'retry' : 'other';
}

/** What an operator can do about it. */
const remedies: Readonly<Partial<Record<CloudFailure, (action: string) => string>>> = {
  retry: () => 'it is tried again later',
  denied: (action) =>
    `allow ec2:${action} in the policy of the instance's role (deploy/aws has the whole policy)`,
  credentials: () =>
    "check the instance's role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where they are set",
  limit: () => 'have the quota raised, or let fewer nodes need it',
};

export interface RefusedCall {
  readonly action: string;
  readonly code: string;
  readonly status: number;
  /** EC2's own words. */
  readonly message: string;
  /** How far this machine's clock is ahead of EC2's, in milliseconds; undefined: not known. */
  readonly aheadMs: number | undefined;
}

/** EC2 refuses requests whose time is further away than this. */
export const toleratedSkewMs = 5 * 60_000;

export function refused(call: RefusedCall): CloudError {
  const { action, code, status } = call;
  const failure = ec2Failure(code, status);
  const advice = remedies[failure]?.(action);
  const skew = failure === 'credentials' ? skewText(call.aheadMs) : undefined;
  const parts = [`EC2 refuses ${action}: ${code}, ${plain(call.message)}`, skew ?? advice];
  return new CloudError(parts.filter((part) => part !== undefined).join('; '), {
    failure,
    code,
    call: action,
  });
}

/** Times are signed, so a wrong clock looks like wrong keys. */
function skewText(aheadMs: number | undefined): string | undefined {
  if (aheadMs === undefined || Math.abs(aheadMs) < toleratedSkewMs) return undefined;
  const minutes = Math.round(Math.abs(aheadMs) / 60_000);
  const way = aheadMs > 0 ? 'ahead of' : 'behind';
  return `this machine's clock is ${minutes} min ${way} EC2's, which is the reason: set it (chronyc makestep)`;
}

/**
 * EC2's message without what does not belong in a log: the encoded authorization failure (it
 * describes the principal and the whole request), and signatures that a mismatch spells out.
 */
function plain(message: string): string {
  const text = message
    .replace(/\s*Encoded authorization failure message:.*$/s, '')
    .replace(/\s*The Canonical String for this request should have been.*$/s, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '');
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
}

/** No answer of EC2's: nobody there, too slow, cut off, or not EC2. */
export function unanswered(action: string, what: string): CloudError {
  return new CloudError(`EC2 does not answer ${action}: ${what}`, {
    failure: 'retry',
    code: 'NoAnswer',
    call: action,
  });
}
