/**
 * A lease that is renewed at a third of its time, by whichever member answers. It has ended when a
 * member says so, or when its time has passed since the last renewal that was answered: the store
 * may then still have it for a while, as a new leader gives every lease its whole time again.
 */
import type { Lease } from '../kv.js';
import { KeyValueError } from '../kv.js';
import { methods } from './methods.js';
import type { Session } from './session.js';

export interface EtcdLease extends Lease {
  /** The holder goes away without a word; the keys stay until the time is up. */
  abandon(): void;
}

export async function takeLease(session: Session, ttlSeconds: number): Promise<EtcdLease> {
  const asked = performance.now();
  const granted = await session.call(
    (member, options) => member.unary(methods.leaseGrant, ttlSeconds, options),
    { action: 'take a lease' },
  );
  const { id } = granted;
  // etcd may give more than was asked for.
  const ttlMs = granted.ttlSeconds * 1000;
  let end = asked + ttlMs;
  let isOver = false;
  let finish = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    finish = () => {
      isOver = true;
      resolve();
    };
  });
  void renew();
  return {
    id: String(id),
    ended,
    revoke: async () => {
      if (isOver) return;
      finish();
      try {
        await session.call((member, options) => member.unary(methods.leaseRevoke, id, options), {
          action: 'end a lease',
        });
      } catch (error) {
        if (!(error instanceof KeyValueError) || error.failure !== 'lease-lost') throw error;
      }
    },
    abandon: finish,
  };

  async function renew(): Promise<void> {
    let pause = ttlMs / 3;
    for (;;) {
      await Promise.race([session.sleep(pause * (0.9 + Math.random() * 0.1)), ended]);
      if (isOver) return;
      const left = end - performance.now();
      if (left <= 0 || session.isClosed) return finish();
      const started = performance.now();
      try {
        const { ttlSeconds: stillThere } = await session.call(
          (member, options) => member.exchange(methods.leaseKeepAlive, id, options),
          { action: 'renew a lease', callMs: Math.min(left, session.timing.callMs) },
        );
        if (stillThere <= 0) return finish();
        end = started + ttlMs;
        pause = ttlMs / 3;
      } catch (error) {
        if (error instanceof KeyValueError && error.failure === 'lease-lost') return finish();
        pause = Math.max(0, Math.min(ttlMs / 10, end - performance.now()));
      }
    }
  }
}
