/**
 * etcd's messages, those and those fields that are needed here. Numbers are those of etcd's
 * published API, version 3 (rpc.proto, kv.proto).
 */
import type { Entry } from '../kv.js';
import {
  MessageReader,
  boolField,
  bytesField,
  exactInt,
  intField,
  message,
  textField,
} from './wire.js';

/** All keys from `key` on, up to and without `rangeEnd`; without it, that one key. */
export interface RangeRequest {
  readonly key: Buffer;
  readonly rangeEnd?: Buffer;
  readonly limit?: number;
  /** As it was at that revision. */
  readonly revision?: number;
  /** By what the member itself has, without asking the others whether there is more. */
  readonly serializable?: boolean;
}

export interface RangeResponse {
  readonly revision: number;
  readonly entries: readonly Entry[];
  /** Exact, where its text may not be: the next page begins behind it. */
  readonly lastKey: Buffer | undefined;
  readonly more: boolean;
}

export function encodeRange(request: RangeRequest): Buffer {
  return message(
    bytesField(1, request.key),
    ...(request.rangeEnd === undefined ? [] : [bytesField(2, request.rangeEnd)]),
    intField(3, request.limit ?? 0),
    intField(4, request.revision ?? 0),
    boolField(7, request.serializable ?? false),
  );
}

export function decodeRange(bytes: Buffer): RangeResponse {
  const reader = new MessageReader(bytes);
  const entries: Entry[] = [];
  let [revision, more] = [0, false];
  let lastKey: Buffer | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = readHeader(reader.bytes());
    else if (field === 2) {
      const { key, entry } = readKeyValue(reader.bytes());
      entries.push(entry);
      lastKey = key;
    } else if (field === 3) more = reader.bool();
    else reader.skip();
  }
  return { revision, entries, lastKey, more };
}

/** A write of one key under a condition; when it does not hold, the key is read instead. */
export interface TxnRequest {
  readonly key: string;
  /** `modRevision` that the key must have; undefined: whatever it has. */
  readonly ifRevision: number | undefined;
  readonly write:
    | { readonly kind: 'put'; readonly value: string; readonly leaseId: bigint }
    | { readonly kind: 'delete' };
}

export interface TxnResponse {
  readonly revision: number;
  readonly succeeded: boolean;
  /** What is there instead. */
  readonly entry: Entry | undefined;
}

const compareMod = 2;

export function encodeTxn(request: TxnRequest): Buffer {
  const { key, ifRevision, write } = request;
  const operation =
    write.kind === 'put'
      ? bytesField(
          2,
          message(textField(1, key), textField(2, write.value), intField(3, write.leaseId)),
        )
      : bytesField(3, message(textField(1, key)));
  return message(
    ...(ifRevision === undefined
      ? []
      : [
          bytesField(
            1,
            message(intField(2, compareMod), textField(3, key), exactInt(6, ifRevision)),
          ),
        ]),
    bytesField(2, operation),
    bytesField(3, message(bytesField(1, encodeRange({ key: Buffer.from(key) })))),
  );
}

export function decodeTxn(bytes: Buffer): TxnResponse {
  const reader = new MessageReader(bytes);
  let [revision, succeeded] = [0, false];
  let entry: Entry | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = readHeader(reader.bytes());
    else if (field === 2) succeeded = reader.bool();
    else if (field === 3) {
      const inner = new MessageReader(reader.bytes());
      for (let kind = inner.next(); kind !== 0; kind = inner.next())
        if (kind === 1) entry = decodeRange(inner.bytes()).entries[0];
        else inner.skip();
    } else reader.skip();
  }
  return { revision, succeeded, entry };
}

export function encodeLeaseGrant(ttlSeconds: number): Buffer {
  return message(intField(1, ttlSeconds));
}

/** Also of renewals, which answer in the same fields; no time left: it has ended. */
export interface LeaseResponse {
  readonly id: bigint;
  readonly ttlSeconds: number;
}

export function decodeLease(bytes: Buffer): LeaseResponse {
  const reader = new MessageReader(bytes);
  let [id, ttlSeconds] = [0n, 0];
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 2) id = reader.bigint();
    else if (field === 3) ttlSeconds = reader.int();
    else reader.skip();
  return { id, ttlSeconds };
}

/** For renewals and for revocations. */
export function encodeLeaseId(id: bigint): Buffer {
  return message(intField(1, id));
}

export function encodeLogin(login: { readonly user: string; readonly password: string }): Buffer {
  return message(textField(1, login.user), textField(2, login.password));
}

export function decodeToken(bytes: Buffer): string {
  const reader = new MessageReader(bytes);
  let token = '';
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 2) token = reader.text();
    else reader.skip();
  return token;
}

/** The revision. */
export function readHeader(bytes: Buffer): number {
  const reader = new MessageReader(bytes);
  let revision = 0;
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 3) revision = reader.int();
    else reader.skip();
  return revision;
}

export function readKeyValue(bytes: Buffer): { readonly key: Buffer; readonly entry: Entry } {
  const reader = new MessageReader(bytes);
  let key: Buffer = noBytes;
  let value = '';
  let [createRevision, modRevision] = [0, 0];
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) key = reader.bytes();
    else if (field === 2) createRevision = reader.int();
    else if (field === 3) modRevision = reader.int();
    else if (field === 5) value = reader.text();
    else reader.skip();
  const entry = Object.freeze({ key: key.toString('utf8'), value, createRevision, modRevision });
  return { key, entry };
}

const noBytes = Buffer.alloc(0);
