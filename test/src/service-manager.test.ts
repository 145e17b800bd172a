/** What systemd is told, over real sockets where it matters; time is moved by the test. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { AgentFigures } from '../../src/agent/figures.js';
import { Liveness, stuckAfterMs } from '../../src/agent/liveness.js';
import { ServiceManager, startPatienceMs } from '../../src/agent/service-manager.js';
import { sendUnixDatagram } from '../../tunnel/native/unix-datagram.js';
import { figures, passReport } from '../support/figures.js';
import { ManualClock } from '../support/manual-clock.js';

class Bench {
  readonly clock = new ManualClock();
  readonly liveness = new Liveness({ nowMs: () => this.clock.now() });
  readonly sent: string[] = [];
  readonly problems: string[] = [];
  readonly manager: ServiceManager;
  now: AgentFigures = figures({ notReady: 'the first pass is under way' });
  refuse: Error | undefined;

  constructor(environment: Record<string, string | undefined>) {
    this.manager = new ServiceManager({
      environment,
      pid: 77,
      clock: this.clock,
      liveness: this.liveness,
      figures: () => this.now,
      onProblem: (problem) => this.problems.push(problem),
      send: (_path, text) => {
        if (this.refuse !== undefined) throw this.refuse;
        this.sent.push(text);
      },
    });
  }

  passed(now: AgentFigures): void {
    this.now = now;
    this.liveness.passed(passReport());
    this.manager.passed();
  }

  count(word: string): number {
    return this.sent.filter((text) => text.startsWith(word)).length;
  }
}

const socket = { NOTIFY_SOCKET: '/run/systemd/notify' };

t.test('ready is told once, by the first pass that leaves nothing to be done', async (t) => {
  const bench = new Bench({ ...socket });
  bench.manager.start();
  bench.passed(figures({ notReady: 'EPERM' }));
  t.equal(bench.count('READY=1'), 0);
  bench.passed(figures());
  bench.passed(figures());
  await bench.clock.advance(startPatienceMs * 2);
  t.same(
    bench.sent.filter((text) => text.startsWith('READY=1')),
    ['READY=1\nSTATUS=Ready: 1 peers, revision 1'],
  );
});

t.test('who waits for the unit does not wait for a store that is out', async (t) => {
  const bench = new Bench({ ...socket });
  bench.now = figures({ cluster: undefined, notReady: 'no configuration from etcd://x yet' });
  bench.manager.start();
  await bench.clock.advance(startPatienceMs - 1);
  t.equal(bench.count('READY=1'), 0);
  await bench.clock.advance(2);
  t.equal(bench.sent.at(-1), 'READY=1\nSTATUS=Not ready: no configuration from etcd://x yet');
});

t.test('the status line follows, one message a change', async (t) => {
  const bench = new Bench({ ...socket });
  bench.manager.start();
  bench.passed(figures());
  await bench.clock.advance(60_000);
  t.equal(bench.sent.length, 1);
  bench.now = figures({
    frozen: true,
    changeover: 'waiting',
    store: { synced: false },
    problems: 2,
    configurationProblems: 1,
  });
  await bench.clock.advance(60_000);
  t.same(bench.sent.slice(1), [
    'STATUS=Ready: 1 peers, revision 1; frozen; a change is under way; the store is out; 3 problems, see "selvage status"',
  ]);
});

t.test('the watchdog is fed while passes end, and not by an agent that is stuck', async (t) => {
  const bench = new Bench({ ...socket, WATCHDOG_USEC: '90000000', WATCHDOG_PID: '77' });
  bench.manager.start();
  t.equal(bench.count('WATCHDOG=1'), 1, 'at once');
  await bench.clock.advance(stuckAfterMs);
  t.equal(bench.count('WATCHDOG=1'), 5, 'twice in the time that is given');
  t.equal(bench.liveness.problem, undefined);
  await bench.clock.advance(300_000);
  t.equal(bench.count('WATCHDOG=1'), 5);
  t.match(bench.liveness.problem, /^no pass has ended for 480 s/);
  bench.passed(figures());
  await bench.clock.advance(45_000);
  t.equal(bench.count('WATCHDOG=1'), 6, 'again when one has ended');
});

t.test('a watchdog of another process, or none, is not fed', async (t) => {
  for (const environment of [
    { ...socket, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '78' },
    { ...socket, WATCHDOG_USEC: '0' },
    { ...socket, WATCHDOG_USEC: 'soon' },
    { ...socket },
    { WATCHDOG_USEC: '1000000' },
  ]) {
    const bench = new Bench(environment);
    bench.manager.start();
    await bench.clock.advance(10_000);
    t.equal(bench.count('WATCHDOG=1'), 0, JSON.stringify(environment));
  }
});

t.test('what the agent starts cannot speak in its name', (t) => {
  const environment = { ...socket, WATCHDOG_USEC: '1', WATCHDOG_PID: '77', PATH: '/bin' };
  new Bench(environment);
  t.same(environment, { PATH: '/bin' });
  t.end();
});

t.test('reloading ends with ready, and stopping ends everything', async (t) => {
  const bench = new Bench({ ...socket, WATCHDOG_USEC: '2000000' });
  bench.manager.start();
  bench.passed(figures());
  bench.manager.reloading();
  t.match(bench.sent.at(-1), /^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=/);
  bench.manager.reloaded();
  t.match(bench.sent.at(-1), /^READY=1\n/);
  bench.manager.stopping();
  t.match(bench.sent.at(-1), /^STOPPING=1\n/);
  const { length } = bench.sent;
  bench.now = figures({ frozen: true });
  await bench.clock.advance(60_000);
  t.equal(bench.sent.length, length);
});

t.test('a full queue is tried again; another failure is told once', async (t) => {
  const bench = new Bench({ ...socket });
  bench.refuse = Object.assign(new Error('full'), { code: 'EAGAIN' });
  bench.manager.start();
  bench.passed(figures());
  await bench.clock.advance(1_000);
  bench.refuse = undefined;
  await bench.clock.advance(1_000);
  t.equal(bench.count('READY=1'), 1);
  t.same(bench.problems, []);
  bench.refuse = Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
  for (const frozen of [true, false, true]) {
    bench.now = figures({ frozen });
    await bench.clock.advance(5_000);
  }
  t.same(bench.problems, ['cannot tell systemd (STATUS=Ready: 1 peers, revision 1; frozen): gone']);
});

/** Takes datagrams as systemd does, and says who sent them. */
const receiver = `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('bound', flush=True)
data, extra, _, _ = s.recvmsg(4096, 1024)
print(struct.unpack('3i', extra[0][2])[0], data, flush=True)
`;

t.test('datagrams reach sockets of both kinds, from this very process', async (t) => {
  // Such a name has room for a hundred bytes.
  const folder = mkdtempSync(join(tmpdir(), 'selvage-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'notify');
  for (const name of [file, `@selvage-test-${process.pid}`]) {
    const child = spawn('/usr/bin/python3', ['-c', receiver, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    let out = '';
    for await (const chunk of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
      const bound = out === '';
      out += chunk;
      if (bound) sendUnixDatagram(name, 'READY=1\nSTATUS=grüezi');
    }
    t.equal(out, `bound\n${process.pid} b'READY=1\\nSTATUS=gr\\xc3\\xbcezi'\n`, name);
  }
  t.throws(() => sendUnixDatagram(join(file, 'x'), 'x'), { code: 'ENOTDIR' });
  t.throws(() => sendUnixDatagram('@selvage-nobody', 'x'), { code: 'ECONNREFUSED' });
  t.throws(() => sendUnixDatagram(`/${'x'.repeat(200)}`, 'x'), { code: 'ENAMETOOLONG' });
});
