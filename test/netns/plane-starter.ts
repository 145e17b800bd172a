/**
 * Plays an agent in a process of its own, to be killed: gives a plane its configuration (as JSON in
 * the first argument: socket path, command, spec), says so, and lives on until then.
 */
import { userspacePlane } from '../../tunnel/userspace/client.js';
import { specFromJson } from '../../tunnel/userspace/spec-json.js';

const { socketPath, command, spec } = JSON.parse(process.argv[2]!) as {
  socketPath: string;
  command: [string, ...string[]];
  spec: unknown;
};
const status = await userspacePlane({ socketPath, start: { command } }).ensure(specFromJson(spec));
process.stdout.write(`${status.pid}\n`);
setInterval(() => undefined, 1000);
