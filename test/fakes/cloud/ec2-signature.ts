/**
 * Checks a Signature Version 4 as the receiver of a request does, from the description in the IAM
 * user guide ("Create a signed AWS API request"), written apart from any code that signs:
 *
 *     canonical request = method \n path \n query \n headers \n signed names \n SHA-256 of the body
 *     string to sign    = AWS4-HMAC-SHA256 \n time \n scope \n SHA-256 of the canonical request
 *     key               = HMAC over date, region, service, "aws4_request", one after the other
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Ec2Fault } from './ec2-wire.js';

export interface Principal {
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Keys of a role come with one, and every request has to carry it. */
  readonly sessionToken?: string;
  /** Unix milliseconds; from then on EC2 refuses. */
  readonly expiresAtMs?: number;
}

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they arrived. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface SignatureCheck {
  readonly principals: readonly Principal[];
  readonly region: string;
  readonly nowMs: number;
}

const toleranceMs = 5 * 60_000;

function authFailure(): Ec2Fault {
  // EC2 says the same of an unknown key and of a wrong secret.
  return new Ec2Fault(
    'AuthFailure',
    'AWS was not able to validate the provided access credentials',
    401,
  );
}

/** Who sent it; throws an Ec2Fault. */
export function authenticate(request: SignedRequest, check: SignatureCheck): Principal {
  const authorization = request.headers.authorization;
  if (authorization === undefined)
    throw new Ec2Fault('MissingParameter', 'The request must contain the parameter AWSAccessKeyId');
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request,\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (parts === null)
    throw new Ec2Fault('IncompleteSignature', 'Authorization header has a wrong form', 400);
  const [, accessKeyId, day, region, service, signedNames, signature] =
    parts as unknown as string[];
  const principal = check.principals.find((one) => one.accessKeyId === accessKeyId);
  const time = String(request.headers['x-amz-date'] ?? '');
  const names = signedNames!.split(';');
  if (
    principal === undefined ||
    service !== 'ec2' ||
    region !== check.region ||
    !names.includes('host') ||
    !names.includes('x-amz-date') ||
    [...names].sort().join(';') !== signedNames
  )
    throw authFailure();
  const timeMs = parseTime(time);
  if (timeMs === undefined || !time.startsWith(day!)) throw authFailure();
  if (
    !signatureFits(request, {
      principal,
      day: day!,
      region,
      names,
      time,
      signature: signature!,
    })
  )
    throw authFailure();
  if (timeMs < check.nowMs - toleranceMs)
    throw new Ec2Fault('RequestExpired', 'Request has expired.');
  if (timeMs > check.nowMs + toleranceMs) throw authFailure();
  if (principal.sessionToken !== undefined) {
    if (request.headers['x-amz-security-token'] !== principal.sessionToken) throw authFailure();
    if (principal.expiresAtMs !== undefined && principal.expiresAtMs <= check.nowMs)
      throw new Ec2Fault('RequestExpired', 'Request has expired.');
  }
  return principal;
}

function signatureFits(
  request: SignedRequest,
  claim: {
    readonly principal: Principal;
    readonly day: string;
    readonly region: string;
    readonly names: readonly string[];
    readonly time: string;
    readonly signature: string;
  },
): boolean {
  const { principal, day, region, names, time, signature } = claim;
  const [path, query = ''] = request.target.split('?', 2) as [string, string?];
  const headers = names.map((name) => {
    const value = request.headers[name];
    return `${name}:${(Array.isArray(value) ? value.join(',') : (value ?? '')).trim().replace(/ +/g, ' ')}\n`;
  });
  const canonical = [
    request.method,
    path === '' ? '/' : path,
    [...query.split('&')].sort().join('&'),
    headers.join(''),
    names.join(';'),
    sha256(request.body),
  ].join('\n');
  const scope = `${day}/${region}/ec2/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [day, region, 'ec2', 'aws4_request'].reduce<Buffer>(
    (previous, part) => hmac(previous, part),
    Buffer.from(`AWS4${principal.secretAccessKey}`),
  );
  return timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex'));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** `20261122T121314Z` */
function parseTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return Date.UTC(year!, month! - 1, day, hour, minute, second);
}
