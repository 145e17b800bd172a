/**
 * A fake of the EC2 API on 127.0.0.1: the Query protocol with its signatures, an account with
 * VPCs, subnets, instances, network interfaces, route tables, security groups, ACLs and tags, and
 * the ways in which the real one is slow, busy, stale or unwilling. What a test does to it besides
 * calls goes through `world` and the knobs.
 */
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describeActions } from './ec2-describe.js';
import { type Principal, authenticate } from './ec2-signature.js';
import type { World } from './ec2-world.js';
import { type Ec2Change, writeActions, writeAnswer } from './ec2-write.js';
import { Ec2Fault, Form, type XmlValue, answerXml, errorXml } from './ec2-wire.js';

export type { Ec2Change } from './ec2-write.js';

export interface FakeEc2Options {
  readonly world: World;
  readonly region?: string;
  readonly principals: readonly Principal[];
  readonly onChange?: (change: Ec2Change) => void;
}

/** What the next calls meet instead of an answer. */
export interface Ec2Trouble {
  /** Default: every action. */
  readonly action?: string;
  /** Calls that meet it; default: all from now on. */
  times?: number;
  readonly kind:
    | 'throttle'
    | 'unavailable'
    | 'internal-error'
    /** Never an answer. */
    | 'hang'
    /** The connection ends in the middle of the answer. */
    | 'cut'
    /** A load balancer's page in place of XML. */
    | 'html'
    | 'redirect'
    /** An answer that does not end. */
    | 'flood'
    | { readonly code: string; readonly status: number };
}

/** No secret is in it: no signature, no token. */
export interface LoggedCall {
  readonly action: string;
  readonly principal: string | undefined;
  readonly parameters: Readonly<Record<string, string>>;
  /** `ok`, or the code of the error. */
  readonly outcome: string;
}

export class FakeEc2 {
  readonly region: string;
  readonly log: LoggedCall[] = [];
  readonly troubles: Ec2Trouble[] = [];
  principals: Principal[];
  /** Milliseconds that every answer takes. */
  latencyMs = 0;
  /** How far EC2's clock is ahead of this machine's. */
  clockMs = 0;
  /** After a change, so many Describe calls still show what was before. */
  staleCalls = 0;
  world: World;
  readonly #onChange: (change: Ec2Change) => void;
  /** `principal action`, or `* action`. */
  readonly #denied = new Set<string>();
  #stale: { readonly world: World; left: number } | undefined;
  #server: Server | undefined;

  constructor(options: FakeEc2Options) {
    this.world = options.world;
    this.region = options.region ?? 'eu-west-1';
    this.principals = [...options.principals];
    this.#onChange = options.onChange ?? ((): void => undefined);
  }

  async start(host = '127.0.0.1', port = 0): Promise<{ readonly url: string }> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    return { url: `http://${host}:${(server.address() as AddressInfo).port}` };
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  deny(action: string, principal = '*'): void {
    this.#denied.add(`${principal} ${action}`);
  }

  allow(action: string, principal = '*'): void {
    this.#denied.delete(`${principal} ${action}`);
  }

  /** Calls of an action so far, or all that are in the log. */
  calls(action?: string): readonly LoggedCall[] {
    return this.log.filter((call) => action === undefined || call.action === action);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const form = new Form(request.method === 'POST' ? body : (request.url ?? '').split('?')[1]!);
    const action = form.text('Action') ?? '';
    const requestId = randomUUID();
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
    response.setHeader('Date', new Date(this.#now()).toUTCString());
    response.setHeader('Content-Type', 'text/xml;charset=UTF-8');
    let principal: Principal | undefined;
    const logged = (outcome: string): void => {
      const parameters = Object.fromEntries(form.entries());
      this.log.push({ action, principal: principal?.name, parameters, outcome });
    };
    try {
      const trouble = this.#trouble(action);
      if (trouble !== undefined && this.#meet(trouble, response)) return logged('no answer');
      principal = authenticate(
        {
          method: request.method ?? '',
          target: request.url ?? '',
          headers: request.headers,
          body,
        },
        { principals: this.principals, region: this.region, nowMs: this.#now() },
      );
      const answer = this.#answer(action, form, principal);
      logged('ok');
      response.end(answerXml(action, { requestId, ...answer }));
    } catch (error) {
      const fault =
        error instanceof Ec2Fault
          ? error
          : new Ec2Fault('InternalError', 'An internal error has occurred', 500);
      logged(fault.code);
      response.statusCode = fault.status;
      response.end(errorXml(fault, requestId));
    }
  }

  #answer(action: string, form: Form, principal: Principal): Readonly<Record<string, XmlValue>> {
    if (form.text('Version') !== '2016-11-15')
      throw new Ec2Fault(
        'InvalidAction',
        `The action ${action} is not valid for this web service.`,
      );
    const describe = Object.hasOwn(describeActions, action) ? describeActions[action] : undefined;
    const write = Object.hasOwn(writeActions, action) ? writeActions[action] : undefined;
    if (describe === undefined && write === undefined)
      throw new Ec2Fault(
        'InvalidAction',
        `The action ${action} is not valid for this web service.`,
      );
    write?.check(form);
    if (this.#denied.has(`* ${action}`) || this.#denied.has(`${principal.name} ${action}`))
      throw new Ec2Fault(
        'UnauthorizedOperation',
        `You are not authorized to perform this operation. Encoded authorization failure message: ${Buffer.from(`${principal.name} ${action}`).toString('base64url')}`,
        403,
      );
    if (form.flag('DryRun') === true)
      throw new Ec2Fault(
        'DryRunOperation',
        'Request would have succeeded, but DryRun flag is set.',
        412,
      );
    if (describe !== undefined) return describe(this.#visible(), form);
    const before = this.staleCalls > 0 ? structuredClone(this.world) : undefined;
    const changes = write!.run(this.world, form);
    if (before !== undefined)
      this.#stale = { world: this.#stale?.world ?? before, left: this.staleCalls };
    for (const change of changes) this.#onChange(change);
    return writeAnswer;
  }

  /** Describe reads a copy that lags behind. */
  #visible(): World {
    const stale = this.#stale;
    if (stale === undefined) return this.world;
    if (stale.left-- > 0) return stale.world;
    this.#stale = undefined;
    return this.world;
  }

  #trouble(action: string): Ec2Trouble['kind'] | undefined {
    const found = this.troubles.find(
      (one) => (one.action ?? action) === action && (one.times ?? 1) > 0,
    );
    if (found === undefined) return undefined;
    if (found.times !== undefined) found.times--;
    return found.kind;
  }

  /** True: there was no answer of EC2's, and nothing more is to be done. */
  #meet(kind: Ec2Trouble['kind'], response: ServerResponse): boolean {
    if (typeof kind === 'object') throw new Ec2Fault(kind.code, 'Told to', kind.status);
    switch (kind) {
      case 'throttle':
        throw new Ec2Fault('RequestLimitExceeded', 'Request limit exceeded.', 503);
      case 'unavailable':
        throw new Ec2Fault(
          'Unavailable',
          'The service is unavailable. Please try again shortly.',
          503,
        );
      case 'internal-error':
        throw new Ec2Fault('InternalError', 'An internal error has occurred', 500);
      case 'hang':
        return true;
      case 'cut':
        response.setHeader('Content-Length', '4096');
        response.write('<?xml version="1.0" encoding="UTF-8"?>\n<DescribeNetworkInterf');
        setImmediate(() => response.destroy());
        return true;
      case 'html':
        response.statusCode = 502;
        response.end('<html><body>Bad Gateway</body></html>');
        return true;
      case 'redirect':
        response.statusCode = 302;
        response.setHeader('Location', 'http://127.0.0.1:1/elsewhere');
        response.end();
        return true;
      case 'flood':
        flood(response);
        return true;
    }
  }

  #now(): number {
    return Date.now() + this.clockMs;
  }
}

function flood(response: ServerResponse): void {
  const chunk = Buffer.alloc(1024 * 1024, 'a');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  response.on('close', () => response.off('drain', more));
  response.on('error', () => undefined);
  more();
}
