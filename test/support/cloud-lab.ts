/**
 * A lab with clouds: the metadata services and APIs of its providers, as fakes, at the addresses at
 * which agents ask for them, inside the lab's own zones.
 *
 *     node n.aws-1 ── zone z.az-a: 169.254.169.254, .250, … ── sockets in a folder ── the fakes here
 *
 * What the fakes are told, by agents or by a test, changes what the lab's underlay really drops.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { type Server, createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { realAgent } from '../../src/lab/agents.js';
import type { AgentCommand } from '../../src/lab/agents.js';
import type { Lab } from '../../src/lab/lab.js';
import { command } from '../../src/lab/shell.js';

export const cloudAddresses = {
  /** As every provider has it. */
  metadata: '169.254.169.254',
  ec2: '169.254.169.250',
  compute: '169.254.169.251',
  arm: '169.254.169.252',
} as const;

/** Where this lab's clouds are found, by the variables that are conventional for each. */
export const cloudVariables: readonly string[] = [
  `AWS_ENDPOINT_URL_EC2=http://${cloudAddresses.ec2}`,
  `GCE_METADATA_HOST=${cloudAddresses.metadata}`,
  `CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=http://${cloudAddresses.compute}/compute/v1/`,
  `SELVAGE_AZURE_ENDPOINT=http://${cloudAddresses.arm}`,
  // Whatever machine this really is: the file says where each node is.
  'SELVAGE_DMI_DIR=/nonexistent',
];

/** The real agent, pointed at the lab's own clouds. */
export const cloudAgent: AgentCommand = (launch) => {
  const argv = realAgent(launch);
  return argv && ['env', ...cloudVariables, ...argv];
};

export class CloudDoors {
  readonly #folder: string;
  readonly #servers: Server[] = [];
  readonly #relays: ChildProcess[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** What answers at an address: for everybody, or for one node's address alone. */
  async serve(
    address: string,
    to: { readonly url: string; readonly client?: string },
  ): Promise<void> {
    const { port } = new URL(to.url);
    const name = to.client === undefined ? address : `${address}-${to.client}`;
    const server = createServer((from) => {
      const fake = createConnection(Number(port), '127.0.0.1');
      const end = (): void => {
        from.destroy();
        fake.destroy();
      };
      from.on('error', end);
      fake.on('error', end);
      from.pipe(fake);
      fake.pipe(from);
    });
    await new Promise<void>((resolve) =>
      server.listen(join(this.#folder, `${name}.sock`), resolve),
    );
    this.#servers.push(server);
  }

  /** Opens the addresses in the namespace of a zone. */
  async open(namespace: string): Promise<void> {
    const addresses = Object.values(cloudAddresses);
    for (const address of addresses)
      await command(['ip', 'addr', 'add', `${address}/32`, 'dev', 'lo'], { namespace });
    const program = fileURLToPath(new URL('cloud-relay.js', import.meta.url));
    const relay = spawn(
      'ip',
      ['netns', 'exec', namespace, process.execPath, program, this.#folder, ...addresses],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    this.#relays.push(relay);
    await new Promise<void>((resolve, reject) => {
      relay.stdout.once('data', () => resolve());
      relay.once('exit', (code) => reject(new Error(`the relay ended with ${code}`)));
    });
  }

  async close(): Promise<void> {
    for (const relay of this.#relays) relay.stdin?.end();
    await Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Runs one after another: what changes the underlay twice at a time would mix both states up. */
export function inOrder<T>(work: (item: T) => Promise<void>): {
  readonly add: (item: T) => void;
  readonly settled: () => Promise<void>;
} {
  let last: Promise<void> = Promise.resolve();
  return {
    add: (item) => {
      last = last.then(() => work(item));
    },
    settled: () => last,
  };
}

export function macOf(lab: Pick<Lab, 'plan'>, node: string): string {
  return lab.plan.nodes.find((entry) => entry.name === node)!.mac;
}
