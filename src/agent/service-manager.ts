/**
 * What systemd is told (sd_notify(3)): ready, what it is doing, that it is alive. Its socket is named
 * by the environment; without it there is nobody to tell, and nothing here does anything.
 *
 * The addon sends, and not the program `systemd-notify`: a message counts as the agent's own only when
 * its process sent it, and a program started for each of them would need the right to speak for the
 * whole unit (`NotifyAccess=all`), which the planes and every tool of the unit would have as well.
 */
import type { Clock } from '../../routes/reconciler.js';
import { sendUnixDatagram } from '../../tunnel/native/unix-datagram.js';
import type { AgentFigures, AgentObserver } from './figures.js';
import type { Liveness } from './liveness.js';

export interface ServiceManagerOptions {
  readonly environment: Record<string, string | undefined>;
  readonly pid: number;
  readonly clock: Clock;
  readonly liveness: Liveness;
  readonly figures: () => AgentFigures;
  readonly onProblem: (problem: string) => void;
  readonly send?: (path: string, text: string) => void;
}

/**
 * Units that wait for this one must not wait for a store that is out: after this long it counts as
 * started, and its status line says what is missing.
 */
export const startPatienceMs = 15_000;
const statusEveryMs = 2_000;
/** A message that systemd had no room for. */
const againMs = 200;

export class ServiceManager implements AgentObserver {
  readonly #options: ServiceManagerOptions;
  readonly #socket: string | undefined;
  readonly #watchdogMs: number | undefined;
  readonly #timers = new Set<{ cancel(): void }>();
  #ready = false;
  #status = '';
  #problemTold = false;
  #ended = false;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
    const { environment } = options;
    this.#socket = socketOf(environment);
    this.#watchdogMs = this.#socket === undefined ? undefined : watchdogOf(options);
    // What the agent starts must not speak in its name.
    delete environment['NOTIFY_SOCKET'];
    delete environment['WATCHDOG_USEC'];
    delete environment['WATCHDOG_PID'];
  }

  /** When the agent has started to work. */
  start(): void {
    if (this.#socket === undefined) return;
    this.#every(statusEveryMs, () => this.#tellStatus());
    this.#after(startPatienceMs, () => this.#tellReady());
    if (this.#watchdogMs === undefined) return;
    // Twice in the time that systemd allows, as it advises.
    this.#every(this.#watchdogMs / 2, () => this.#pat());
    this.#pat();
  }

  passed(): void {
    if (this.#socket === undefined) return;
    if (!this.#ready && this.#options.figures().notReady === undefined) this.#tellReady();
  }

  reloading(): void {
    // systemd wants to know when, by the clock that never goes back.
    const now = process.hrtime.bigint() / 1000n;
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${now}\nSTATUS=Reading the configuration again`);
  }

  reloaded(): void {
    this.#ready = false;
    this.#tellReady();
  }

  stopping(): void {
    this.#ended = true;
    for (const timer of this.#timers) timer.cancel();
    this.#send('STOPPING=1\nSTATUS=Stopping; packets go on');
  }

  #tellReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#status = this.#statusLine();
    this.#send(`READY=1\nSTATUS=${this.#status}`);
  }

  #tellStatus(): void {
    const status = this.#statusLine();
    if (status === this.#status) return;
    this.#status = status;
    this.#send(`STATUS=${status}`);
  }

  /** Not a word from an agent that is stuck: systemd starts it anew, and packets go on meanwhile. */
  #pat(): void {
    if (this.#options.liveness.problem === undefined) this.#send('WATCHDOG=1');
  }

  #statusLine(): string {
    const figures = this.#options.figures();
    const { cluster, notReady, configurationProblems, problems } = figures;
    const what =
      notReady !== undefined
        ? `Not ready: ${notReady}`
        : `Ready: ${(cluster?.nodes.size ?? 1) - 1} peers, revision ${cluster?.revision ?? 0}`;
    const wrong = configurationProblems + problems;
    const notes = [
      ...(figures.frozen ? ['frozen'] : []),
      ...(figures.changeover === 'none' ? [] : ['a change is under way']),
      ...(figures.store?.synced === false ? ['the store is out'] : []),
      ...(wrong === 0 ? [] : [`${wrong} problems, see "selvage status"`]),
    ];
    return [what, ...notes].join('; ').replaceAll('\n', ' ');
  }

  #send(text: string): void {
    const { send = sendUnixDatagram, onProblem } = this.#options;
    if (this.#socket === undefined) return;
    try {
      send(this.#socket, text);
      this.#problemTold = false;
    } catch (error) {
      const full = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (full) this.#after(againMs, () => this.#send(text));
      if (full || this.#problemTold) return;
      this.#problemTold = true;
      onProblem(`cannot tell systemd (${text.split('\n')[0]}): ${(error as Error).message}`);
    }
  }

  #after(delayMs: number, work: () => void): void {
    if (this.#ended) return;
    const timer = this.#options.clock.setTimer(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer);
  }

  #every(periodMs: number, work: () => void): void {
    this.#after(periodMs, () => {
      work();
      this.#every(periodMs, work);
    });
  }
}

/** sd_notify(3): an absolute path, or `@` and an abstract name; other kinds are for virtual machines. */
function socketOf({
  NOTIFY_SOCKET: path,
}: ServiceManagerOptions['environment']): string | undefined {
  return path !== undefined && /^[/@]./.test(path) ? path : undefined;
}

/** sd_watchdog_enabled(3): the time is meant for one process only, if it is named. */
function watchdogOf({ environment, pid }: ServiceManagerOptions): number | undefined {
  const { WATCHDOG_USEC: time = '', WATCHDOG_PID: whose } = environment;
  if (whose !== undefined && whose !== String(pid)) return undefined;
  const usec = /^[1-9]\d{0,15}$/.test(time) ? Number(time) : undefined;
  return usec === undefined ? undefined : usec / 1000;
}
