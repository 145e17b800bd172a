/**
 * The userspace data plane's process: `node dist/src/plane/main.js --socket PATH`.
 *
 * It starts with the configuration it had before, if there is a state file, and then listens to the
 * agent. It needs CAP_NET_ADMIN (TUN device, socket buffers) and CAP_NET_RAW, and no more. SIGTERM
 * ends it and leaves the device and its routes for a successor; the agent's `stop` removes them.
 */
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { PlaneService } from './service.js';

const usage = `Usage: main.js --socket PATH [--log-level LEVEL]

Carries IP-in-IP packets between a TUN device and the underlay, as the agent configures it
through the unix socket PATH.
`;

/** For the last answer to leave the socket. */
const exitDelayMs = 50;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      socket: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  if (values.socket === undefined) throw new Error(`--socket is missing\n${usage}`);
  const destination = pino.destination({ sync: true });
  const log = pino({ name: 'selvage-plane', level: values['log-level'] }, destination);
  const service = new PlaneService({
    socketPath: values.socket,
    log,
    ended: () => setTimeout(() => process.exit(0), exitDelayMs),
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      service.stop('keep');
      process.exit(0);
    });
  }
  await service.start();
}

main().catch((error: unknown) => {
  process.stderr.write(`selvage plane: ${(error as Error).message}\n`);
  process.exit(1);
});
