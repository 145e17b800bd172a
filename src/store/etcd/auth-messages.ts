/**
 * etcd's messages about users and roles; field numbers are those of its published API, version 3
 * (rpc.proto, auth.proto).
 */
import type { Method } from './methods.js';
import { MessageReader, bytesField, intField, message, textField } from './wire.js';

/** Of a role: all keys from `key` on, up to and without `rangeEnd`; without it, that one key. */
export interface KeyPermission {
  readonly access: 'read' | 'write' | 'read-write';
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

const accessNumbers = ['read', 'write', 'read-write'] as const;

/** One or two texts, in this order. */
function texts(...fields: readonly string[]): Buffer {
  return message(...fields.map((text, index) => textField(index + 1, text)));
}

function auth<Request, Response>(
  name: string,
  encode: (request: Request) => Buffer,
  decode: (bytes: Buffer) => Response,
): Method<Request, Response> {
  return {
    path: `/etcdserverpb.Auth/${name}`,
    requestSerialize: encode,
    responseDeserialize: decode,
  };
}

const ignored = (): undefined => undefined;

export const authMethods = {
  userAdd: auth(
    'UserAdd',
    (user: { readonly name: string; readonly password: string }) => texts(user.name, user.password),
    ignored,
  ),
  userChangePassword: auth(
    'UserChangePassword',
    (user: { readonly name: string; readonly password: string }) => texts(user.name, user.password),
    ignored,
  ),
  userGet: auth('UserGet', (name: string) => texts(name), decodeRoles),
  userDelete: auth('UserDelete', (name: string) => texts(name), ignored),
  userGrantRole: auth(
    'UserGrantRole',
    (grant: { readonly user: string; readonly role: string }) => texts(grant.user, grant.role),
    ignored,
  ),
  userRevokeRole: auth(
    'UserRevokeRole',
    (grant: { readonly user: string; readonly role: string }) => texts(grant.user, grant.role),
    ignored,
  ),
  roleAdd: auth('RoleAdd', (name: string) => texts(name), ignored),
  roleGet: auth('RoleGet', (name: string) => texts(name), decodePermissions),
  roleDelete: auth('RoleDelete', (name: string) => texts(name), ignored),
  roleGrantPermission: auth(
    'RoleGrantPermission',
    (grant: { readonly role: string; readonly permission: KeyPermission }) =>
      message(textField(1, grant.role), bytesField(2, encodePermission(grant.permission))),
    ignored,
  ),
  roleRevokePermission: auth(
    'RoleRevokePermission',
    (grant: { readonly role: string; readonly permission: KeyPermission }) =>
      message(
        textField(1, grant.role),
        bytesField(2, grant.permission.key),
        bytesField(3, grant.permission.rangeEnd),
      ),
    ignored,
  ),
};

function encodePermission({ access, key, rangeEnd }: KeyPermission): Buffer {
  return message(
    intField(1, accessNumbers.indexOf(access)),
    bytesField(2, key),
    bytesField(3, rangeEnd),
  );
}

function decodeRoles(bytes: Buffer): readonly string[] {
  const reader = new MessageReader(bytes);
  const roles: string[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 2) roles.push(reader.text());
    else reader.skip();
  return roles;
}

function decodePermissions(bytes: Buffer): readonly KeyPermission[] {
  const reader = new MessageReader(bytes);
  const permissions: KeyPermission[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 2) permissions.push(decodePermission(reader.bytes()));
    else reader.skip();
  return permissions;
}

function decodePermission(bytes: Buffer): KeyPermission {
  const reader = new MessageReader(bytes);
  let [access, key, rangeEnd] = [0, Buffer.alloc(0), Buffer.alloc(0)];
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) access = reader.int();
    else if (field === 2) key = Buffer.from(reader.bytes());
    else if (field === 3) rangeEnd = Buffer.from(reader.bytes());
    else reader.skip();
  return { access: accessNumbers[access] ?? 'read-write', key, rangeEnd };
}
