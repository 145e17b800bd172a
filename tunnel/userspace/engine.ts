/**
 * The data plane at work: a TUN device and raw sockets around the forwarder.
 *
 * The engine makes the TUN device (or attaches to it) and marks it persistent, and nothing else:
 * its MTU and link state, addresses and routes are the agent's, set through netlink. So the routes
 * outlive this process, and a successor that attaches forwards again without the agent. While
 * nobody is attached the device has no carrier and drops what is routed into it.
 *
 * A device that somebody deletes is made anew and reported; it comes back down and bare, and the
 * agent, which watches links, sets it up again.
 */
import { performance } from 'node:perf_hooks';
import { type Tun, openTun } from '../native/tun.js';
import { Forwarder } from './forwarder.js';
import type { PlaneSpec } from './plane.js';
import { type RawSockets, openRawSockets } from './raw-sockets.js';
import { specHash } from './spec-json.js';

export type EngineEvent =
  | { readonly kind: 'device-lost'; readonly device: string; readonly reason: string }
  | { readonly kind: 'device-restored'; readonly device: string }
  | { readonly kind: 'sockets-lost'; readonly reason: string }
  | { readonly kind: 'sockets-restored' }
  | {
      readonly kind: 'repair-failed';
      readonly what: 'device' | 'sockets';
      readonly reason: string;
    };

const repairIntervalMs = 1000;

interface Active {
  readonly spec: PlaneSpec;
  readonly hash: string;
  readonly forwarder: Forwarder;
}

export class Engine {
  readonly #report: (event: EngineEvent) => void;
  #active: Active | undefined;
  #tun: Tun | undefined;
  #sockets: RawSockets | undefined;
  #repair: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(report: (event: EngineEvent) => void) {
    this.#report = report;
  }

  get active(): { readonly spec: PlaneSpec; readonly hash: string } | undefined {
    return this.#active;
  }

  /** Why packets do not flow although there is a configuration. */
  get problem(): string | undefined {
    if (this.#active === undefined) return undefined;
    if (this.#tun === undefined) return `TUN device ${this.#active.spec.device} is lost`;
    return this.#sockets === undefined ? 'the raw sockets are lost' : undefined;
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#active?.forwarder.counters ?? {};
  }

  get learnedMtus(): Readonly<Record<string, number>> {
    return this.#active?.forwarder.learnedMtus() ?? {};
  }

  /** Not to be called again before it has ended. On an error the former configuration stays. */
  async configure(spec: PlaneSpec): Promise<void> {
    this.#sockets ??= await this.#openSockets();
    const before = this.#active;
    const renamed = before?.spec.device !== spec.device;
    if (renamed || this.#tun === undefined) {
      const tun = this.#openTun(spec.device);
      if (renamed) this.#dropTun('remove');
      this.#tun = tun;
    }
    const forwarder =
      before?.forwarder ??
      new Forwarder({
        spec,
        nowMs: () => performance.now(),
        outputs: {
          send: (packet, destination) => this.#sockets?.send(packet, destination),
          deliver: (packet) => {
            if (this.#tun?.write(packet) !== true) forwarder.counters['tun-write-failed']++;
          },
        },
      });
    if (before !== undefined) forwarder.configure(spec);
    this.#active = { spec, hash: specHash(spec), forwarder };
  }

  /** Stops forwarding. The device stays for a successor, or is removed. */
  close(device: 'keep' | 'remove'): void {
    this.#closed = true;
    clearTimeout(this.#repair);
    this.#dropTun(device);
    this.#sockets?.close();
    this.#sockets = undefined;
  }

  #dropTun(device: 'keep' | 'remove'): void {
    if (device === 'remove') this.#tun?.persist(false);
    this.#tun?.close();
    this.#tun = undefined;
  }

  #openTun(name: string): Tun {
    const tun: Tun = openTun(name, {
      listener: {
        packets: (batch) => {
          const forwarder = this.#active?.forwarder;
          if (forwarder === undefined) return;
          for (let i = 0; i < batch.count; i++) {
            const offset = batch.offset(i);
            forwarder.fromTun(batch.slab.subarray(offset, offset + batch.length(i)));
          }
        },
        failed: (error) => {
          tun.close();
          if (this.#tun !== tun) return;
          this.#tun = undefined;
          this.#report({ kind: 'device-lost', device: name, reason: error.message });
          this.#repairSoon(0);
        },
      },
    });
    tun.persist(true);
    return tun;
  }

  #openSockets(): Promise<RawSockets> {
    const forwarder = (): Forwarder | undefined => this.#active?.forwarder;
    return openRawSockets({
      ipip: (packet) => forwarder()?.fromUnderlay(packet),
      icmp: (packet) => forwarder()?.fromIcmp(packet),
      sendFailed: ({ kind, packet }) => {
        if (kind === 'too-big') forwarder()?.sendWasTooBig(packet);
        else if (forwarder() !== undefined) {
          forwarder()!.counters[kind === 'queue-full' ? 'send-queue-full' : 'send-failed']++;
        }
      },
      broken: (error) => {
        this.#sockets?.close();
        this.#sockets = undefined;
        this.#report({ kind: 'sockets-lost', reason: error.message });
        this.#repairSoon(0);
      },
    });
  }

  #repairSoon(delayMs: number): void {
    if (this.#closed) return;
    clearTimeout(this.#repair);
    this.#repair = setTimeout(() => void this.#repairNow(), delayMs);
  }

  async #repairNow(): Promise<void> {
    const device = this.#active?.spec.device;
    if (this.#closed || device === undefined) return;
    if (this.#tun === undefined) {
      try {
        this.#tun = this.#openTun(device);
        this.#report({ kind: 'device-restored', device });
      } catch (error) {
        const reason = (error as Error).message;
        this.#report({ kind: 'repair-failed', what: 'device', reason });
        this.#repairSoon(repairIntervalMs);
      }
    }
    if (this.#sockets === undefined) {
      try {
        const sockets = await this.#openSockets();
        if (this.#closed) return sockets.close();
        this.#sockets = sockets;
        this.#report({ kind: 'sockets-restored' });
      } catch (error) {
        const reason = (error as Error).message;
        this.#report({ kind: 'repair-failed', what: 'sockets', reason });
        this.#repairSoon(repairIntervalMs);
      }
    }
  }
}
