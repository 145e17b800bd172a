/** The messages of etcd's watch, which are all kinds in one: see the API's rpc.proto. */
import type { KeyEvent } from '../kv.js';
import { readHeader, readKeyValue } from './messages.js';
import { MessageReader, boolField, bytesField, intField, message } from './wire.js';

export type WatchRequest =
  | {
      readonly kind: 'create';
      readonly key: Buffer;
      readonly rangeEnd: Buffer;
      readonly startRevision: number;
    }
  /** To be answered at once, whatever has happened: a sign of life. */
  | { readonly kind: 'progress' };

export interface WatchResponse {
  /** Of the member, which may be ahead of the events that it has sent. */
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancelReason: string;
  /** Above 0: what was asked for has been forgotten up to there. */
  readonly compactRevision: number;
  /** The next response belongs to the same revision. */
  readonly fragment: boolean;
  readonly events: readonly KeyEvent[];
}

export function encodeWatch(request: WatchRequest): Buffer {
  switch (request.kind) {
    case 'create':
      return bytesField(
        1,
        message(
          bytesField(1, request.key),
          bytesField(2, request.rangeEnd),
          intField(3, request.startRevision),
          // Events of one revision that are larger than a message come in several.
          boolField(8, true),
        ),
      );
    case 'progress':
      return bytesField(3, message());
  }
}

export function decodeWatch(bytes: Buffer): WatchResponse {
  const reader = new MessageReader(bytes);
  const events: KeyEvent[] = [];
  let [revision, compactRevision] = [0, 0];
  let [created, canceled, fragment] = [false, false, false];
  let cancelReason = '';
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) revision = readHeader(reader.bytes());
    else if (field === 3) created = reader.bool();
    else if (field === 4) canceled = reader.bool();
    else if (field === 5) compactRevision = reader.int();
    else if (field === 6) cancelReason = reader.text();
    else if (field === 7) fragment = reader.bool();
    else if (field === 11) events.push(readEvent(reader.bytes()));
    else reader.skip();
  return { revision, created, canceled, cancelReason, compactRevision, fragment, events };
}

const deleteType = 1;

function readEvent(bytes: Buffer): KeyEvent {
  const reader = new MessageReader(bytes);
  let type = 0;
  let content: Buffer = Buffer.alloc(0);
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) type = reader.int();
    else if (field === 2) content = reader.bytes();
    else reader.skip();
  const { entry } = readKeyValue(content);
  return Object.freeze(
    type === deleteType
      ? { kind: 'delete', key: entry.key, revision: entry.modRevision }
      : { kind: 'put', entry },
  );
}
