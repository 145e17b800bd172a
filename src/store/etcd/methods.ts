/** The calls of etcd's API that are made here. */
import type { MethodDefinition } from '@grpc/grpc-js';
import {
  decodeLease,
  decodeRange,
  decodeToken,
  decodeTxn,
  encodeLeaseGrant,
  encodeLeaseId,
  encodeLogin,
  encodeRange,
  encodeTxn,
} from './messages.js';
import { decodeWatch, encodeWatch } from './watch-messages.js';

export type Method<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

function method<Request, Response>(
  path: string,
  codec: { encode(request: Request): Buffer; decode(bytes: Buffer): Response },
): Method<Request, Response> {
  return {
    path: `/etcdserverpb.${path}`,
    requestSerialize: codec.encode,
    responseDeserialize: codec.decode,
  };
}

export const methods = {
  range: method('KV/Range', { encode: encodeRange, decode: decodeRange }),
  txn: method('KV/Txn', { encode: encodeTxn, decode: decodeTxn }),
  watch: method('Watch/Watch', { encode: encodeWatch, decode: decodeWatch }),
  leaseGrant: method('Lease/LeaseGrant', { encode: encodeLeaseGrant, decode: decodeLease }),
  leaseRevoke: method('Lease/LeaseRevoke', { encode: encodeLeaseId, decode: () => undefined }),
  leaseKeepAlive: method('Lease/LeaseKeepAlive', { encode: encodeLeaseId, decode: decodeLease }),
  authenticate: method('Auth/Authenticate', { encode: encodeLogin, decode: decodeToken }),
};
