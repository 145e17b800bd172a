/**
 * Accounts in etcd: a user each, with one role of the same name that has the permissions. The role
 * comes first and is brought to what is asked for before the user gets it, so at no moment may the
 * user do more than it should; every step can be done again after a crash.
 */
import type { Account, AccountStore, Permission } from '../accounts.js';
import type { EngineRequest } from '../registry.js';
import type { KeyPermission } from './auth-messages.js';
import { authMethods } from './auth-messages.js';
import { endOfPrefix } from './listing.js';
import type { Method } from './methods.js';
import { methods } from './methods.js';
import type { OpenEtcdOptions } from './open.js';
import { sessionOptions } from './open.js';
import { Session } from './session.js';
import { isCallStatus, judge } from './verdict.js';

export async function openEtcdAccounts(
  request: EngineRequest,
  options: OpenEtcdOptions = {},
): Promise<AccountStore> {
  return new EtcdAccounts(new Session(await sessionOptions(request, options)));
}

/** What etcd answers when something is there already, or is not there. */
const known = ['already exists', 'not found', 'is not granted'] as const;

class EtcdAccounts implements AccountStore {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Somebody without a name is refused where names count. Older releases have no call for it. */
  enabled(): Promise<boolean> {
    const nobody = { user: '', password: '' };
    return this.#session.call(
      async (member, options) => {
        try {
          await member.unary(methods.authenticate, nobody, options);
          return true;
        } catch (error) {
          if (!isCallStatus(error)) throw error;
          const verdict = judge(error);
          if (verdict.kind === 'authentication-off') return false;
          if (/authentication failed|user name is empty/.test(error.details)) return true;
          throw error;
        }
      },
      { action: 'ask whether users have to log in' },
    );
  }

  async has(name: string): Promise<boolean> {
    const roles = await this.#do(authMethods.userGet, name, `look for the user ${name}`);
    return roles !== 'as it is';
  }

  async put({ name, password, permissions }: Account): Promise<void> {
    const action = `make the user ${name}`;
    await this.#do(authMethods.roleAdd, name, action);
    await this.#setPermissions(name, permissions.map(keyPermission));
    const added = await this.#do(authMethods.userAdd, { name, password }, action);
    if (added === 'as it is')
      await this.#do(authMethods.userChangePassword, { name, password }, action);
    const roles = await this.#do(authMethods.userGet, name, action);
    for (const role of roles === 'as it is' ? [] : roles)
      if (role !== name) await this.#do(authMethods.userRevokeRole, { user: name, role }, action);
    await this.#do(authMethods.userGrantRole, { user: name, role: name }, action);
  }

  async remove(name: string): Promise<boolean> {
    const action = `remove the user ${name}`;
    const user = await this.#do(authMethods.userDelete, name, action);
    const role = await this.#do(authMethods.roleDelete, name, action);
    return user !== 'as it is' || role !== 'as it is';
  }

  close(): void {
    this.#session.close();
  }

  async #setPermissions(role: string, wanted: readonly KeyPermission[]): Promise<void> {
    const action = `set the permissions of the role ${role}`;
    const answer = await this.#do(authMethods.roleGet, role, action);
    const present = answer === 'as it is' ? [] : answer;
    for (const permission of present)
      if (!wanted.some((other) => isSame(other, permission)))
        await this.#do(authMethods.roleRevokePermission, { role, permission }, action);
    for (const permission of wanted)
      if (!present.some((other) => isSame(other, permission)))
        await this.#do(authMethods.roleGrantPermission, { role, permission }, action);
  }

  /** `as it is`: what was to be made is there, or what was to be removed is not. */
  #do<Q, A>(method: Method<Q, A>, request: Q, action: string): Promise<A | 'as it is'> {
    return this.#session.call(
      async (member, options) => {
        try {
          return await member.unary(method, request, options);
        } catch (error) {
          if (isCallStatus(error) && known.some((text) => error.details.includes(text)))
            return 'as it is';
          throw error;
        }
      },
      { action },
    );
  }
}

function keyPermission({ scope, key, access }: Permission): KeyPermission {
  return {
    access,
    key: Buffer.from(key),
    rangeEnd: scope === 'prefix' ? endOfPrefix(key) : Buffer.alloc(0),
  };
}

function isSame(a: KeyPermission, b: KeyPermission): boolean {
  return a.access === b.access && a.key.equals(b.key) && a.rangeEnd.equals(b.rangeEnd);
}
