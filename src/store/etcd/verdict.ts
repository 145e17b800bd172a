/**
 * What a failed call means. etcd says it in gRPC's status and, where that is ambiguous, in fixed
 * texts (its rpctypes); a connection that was never made says it in the words of Node's sockets.
 */
import { status } from '@grpc/grpc-js';
import type { KeyValueFailure } from '../kv.js';

export type Verdict =
  /** This member cannot; another may, or this one in a moment. */
  | { readonly kind: 'elsewhere'; readonly why: string; readonly hopeless: boolean }
  /** The token has run out, or the member has forgotten it. */
  | { readonly kind: 'token'; readonly why: string }
  /** What was asked for is no longer in the history. */
  | { readonly kind: 'compacted' }
  /** What was asked, by its own measure or by that of the transport; or what was answered. */
  | { readonly kind: 'too-large' }
  | { readonly kind: 'authentication-off' }
  | { readonly kind: 'failed'; readonly failure: KeyValueFailure; readonly why: string };

export interface CallStatus {
  readonly code: status;
  readonly details: string;
}

export function isCallStatus(error: unknown): error is CallStatus {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  );
}

/** Was there no connection that the question could have gone by? */
export function isUnreached({ code, details }: CallStatus): boolean {
  if (code === status.DEADLINE_EXCEEDED) return !details.includes('remote_addr=');
  return code === status.UNAVAILABLE && /^No connection established|^Name resolution/.test(details);
}

export function judge({ code, details }: CallStatus): Verdict {
  const has = (text: string): boolean => details.includes(text);
  switch (code) {
    case status.UNAUTHENTICATED:
      return { kind: 'token', why: 'it does not know our token' };
    case status.PERMISSION_DENIED:
      return failed('denied', "the user's roles do not permit it; grant them with etcdctl role");
    case status.INVALID_ARGUMENT:
      if (has('authentication failed'))
        return failed('denied', 'the user or the password is wrong; correct them');
      if (has('user name is empty'))
        return { kind: 'token', why: 'it wants a user, by password or by certificate' };
      if (has('auth store is old')) return { kind: 'token', why: 'its users have changed' };
      if (has('request is too large')) return { kind: 'too-large' };
      return failed('unusable', details);
    case status.NOT_FOUND:
      return has('lease not found')
        ? failed('lease-lost', 'the lease has ended; take a new one')
        : failed('unusable', details);
    case status.FAILED_PRECONDITION:
      return has('authentication is not enabled')
        ? { kind: 'authentication-off' }
        : failed('unusable', details);
    case status.OUT_OF_RANGE:
      return has('compacted')
        ? { kind: 'compacted' }
        : { kind: 'elsewhere', why: 'it is behind the others', hopeless: false };
    case status.RESOURCE_EXHAUSTED:
      if (has('larger than max')) return { kind: 'too-large' };
      if (has('space exceeded'))
        return failed(
          'unavailable',
          "etcd's database is full; compact and defragment it, then disarm its alarm",
        );
      return { kind: 'elsewhere', why: 'it has too much to do', hopeless: false };
    case status.UNIMPLEMENTED:
      return failed('unusable', 'it does not speak version 3 of the API of etcd; check the port');
    case status.DATA_LOSS:
      return failed('unusable', details);
    case status.DEADLINE_EXCEEDED:
      return {
        kind: 'elsewhere',
        why: isUnreached({ code, details }) ? 'no connection in time' : 'no answer in time',
        hopeless: false,
      };
    case status.INTERNAL:
      if (has('parsing error'))
        return failed('unusable', 'its answers are none of etcd; check the port');
      return { kind: 'elsewhere', why: plainWords(details), hopeless: false };
    default:
      return { kind: 'elsewhere', why: plainWords(details), hopeless: isHopeless(details) };
  }
}

function failed(failure: KeyValueFailure, why: string): Verdict {
  return { kind: 'failed', failure, why };
}

/** Certificates do not mend themselves while a command waits. */
function isHopeless(details: string): boolean {
  return certificateWords(details) !== undefined;
}

function plainWords(details: string): string {
  if (details.includes('no leader')) return 'it has no leader';
  if (details.includes('leader changed')) return 'its leader has just changed';
  if (details.includes('request timed out')) return 'the members do not agree in time';
  const unmade = /^No connection established\. Last error: (?:Error: )?(.*)/s.exec(details)?.[1];
  if (unmade === undefined)
    return /ECONNRESET|Connection dropped|GOAWAY|RST_STREAM|socket hang up/.test(details)
      ? 'the connection broke'
      : details;
  const cause = unmade
    .replace(/\.? ?Resolution note:.*$/s, '')
    .replace(/\(\d{4}-[^)]*\)$/, '')
    .trim();
  if (cause.includes('ECONNREFUSED')) return 'nobody listens there';
  if (cause.includes('before secure TLS connection') || cause.includes('wrong version number'))
    return 'it ends the connection before TLS is agreed on; does it speak TLS?';
  if (cause === 'Failed to connect' || cause.includes('ECONNRESET'))
    return 'it closes the connection; does it want TLS, or a certificate?';
  return certificateWords(cause) ?? cause;
}

function certificateWords(cause: string): string | undefined {
  if (cause.includes('altnames')) {
    const names = /altnames: ([^\n]*?)\.?(?: Resolution note:|$)/.exec(cause)?.[1] ?? '';
    return `its certificate is another's (${names}); is it the right host, or should --store-server-name name it?`;
  }
  if (
    /alert (?:bad|unknown|unsupported|no) ?certificate|certificate required|alert unknown ca|alert certificate/.test(
      cause,
    )
  )
    return 'it wants a certificate that its authority has signed; give one with --store-cert and --store-key';
  const distrust =
    /unable to (?:verify|get)[^.\n]*|self[- ]signed certificate[^.\n]*|certificate has expired|certificate is not yet valid/.exec(
      cause,
    );
  if (distrust !== null)
    return `its certificate is not trusted: ${distrust[0]}; name its authority with --store-ca`;
  return undefined;
}
