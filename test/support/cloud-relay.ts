/**
 * A provider's addresses inside a lab's zone: `cloud-relay.js FOLDER ADDRESS…` listens on port 80 of
 * each address and hands every connection on to a socket of that folder, which other namespaces
 * see as well: that of the address and of who asks, else that of the address alone. Prints `ready`.
 */
import { existsSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';

const [, , folder = '', ...addresses] = process.argv;

for (const address of addresses)
  createServer((client) => {
    const own = join(folder, `${address}-${client.remoteAddress ?? ''}.sock`);
    const server = createConnection(existsSync(own) ? own : join(folder, `${address}.sock`));
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    client.on('error', end);
    server.on('error', end);
    client.pipe(server);
    server.pipe(client);
  }).listen(80, address);

process.stdout.write('ready\n');
// Whoever started it holds the other end.
process.stdin.on('end', () => process.exit(0)).resume();
