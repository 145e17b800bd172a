/**
 * The nodes of a synthetic fleet and what they write: each has a block, a record, a lease with its
 * sign of life, and a status, in the store under the keys and in the format of real ones. Nothing of
 * the product is modelled here: who reads this is the product itself.
 */
import { fleetKeys } from '../store/fleet/keys.js';
import { defaultLeaseSeconds } from '../config/limits.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import type { AliveValue, BlockValue, RecordValue, StatusValue } from '../store/fleet/records.js';
import { formatVersion } from '../store/fleet/records.js';
import type { Lease } from '../store/kv.js';
import type { MemoryClient, MemoryServer } from '../store/memory-kv.js';
import { fleetName } from './config-text.js';
import type { FleetLayout, FleetZone } from './layout.js';
import type { Random } from './random.js';

export interface Member {
  readonly name: string;
  readonly zone: FleetZone;
  /** Place in the zone that gives its address. */
  readonly place: number;
  /** The one that gives its block. */
  readonly blockPlace: number;
}

export interface FleetOptions {
  readonly layout: FleetLayout;
  readonly nodes: number;
  readonly server: MemoryServer;
  readonly random: Random;
  /** Wall time of the values: that of the simulation. */
  readonly now: () => Date;
}

/** Numbers of a zone that nobody has. */
class FreePlaces {
  #next: number;
  readonly #end: number;
  readonly #returned: number[] = [];

  constructor(used: number, end: number) {
    this.#next = used;
    this.#end = end;
  }

  take(): number | undefined {
    if (this.#next < this.#end) return this.#next++;
    return this.#returned.shift();
  }

  give(place: number): void {
    this.#returned.push(place);
  }
}

export const leaseOfFleetSeconds = defaultLeaseSeconds;

/** Part of churn; the rest leaves. */
const joining = 0.5;

interface ZoneState {
  readonly zone: FleetZone;
  readonly client: MemoryClient;
  readonly addresses: FreePlaces;
  readonly blocks: FreePlaces;
}

export class SyntheticFleet {
  readonly keys: FleetKeys = fleetKeys(fleetName);
  readonly #options: FleetOptions;
  readonly #zones = new Map<string, ZoneState>();
  /** In an order in which one can be drawn and taken out. */
  readonly #members: Member[] = [];
  readonly #leases = new Map<string, Lease>();
  readonly #kept = new Set<string>();
  readonly #operator: MemoryClient;
  #count = 0;
  #config = 0;
  #changes = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    const { layout, nodes, server } = options;
    this.#operator = server.client('memory://simulation');
    const perZone = layout.zones.map((_, index) =>
      Math.ceil((nodes - index) / layout.zones.length),
    );
    layout.zones.forEach((zone, index) =>
      this.#zones.set(zone.name, {
        zone,
        client: server.client('memory://simulation'),
        addresses: new FreePlaces(perZone[index]!, zone.places),
        blocks: new FreePlaces(perZone[index]!, zone.places),
      }),
    );
    for (let i = 0; i < nodes; i++) {
      const place = Math.floor(i / layout.zones.length);
      const zone = layout.zones[i % layout.zones.length]!;
      this.#members.push({ name: this.#nextName(), zone, place, blockPlace: place });
    }
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /**
   * Keys that were made, changed or removed so far and that agents watch: what one watcher is to be
   * told of, and nothing else.
   */
  get changes(): number {
    return this.#changes;
  }

  /** Every node's keys, in the order of the keys, which the engine takes fastest. */
  async populate(onProgress: (done: number) => void): Promise<void> {
    const members = this.#members;
    let done = 0;
    const each = async (write: (member: Member) => Promise<void>): Promise<void> => {
      for (const member of members) {
        await write(member);
        if (++done % 4096 === 0) onProgress(done / 4);
      }
    };
    await each((member) => this.#live(member));
    const byBlock = [...members].sort((a, b) => (blockKey(a) < blockKey(b) ? -1 : 1));
    for (const member of byBlock) await this.#claim(member);
    await each((member) => this.#record(member));
    await each((member) => this.#status(member));
  }

  /** A new version of the configuration. */
  async configure(text: string): Promise<void> {
    this.#config++;
    this.#changes++;
    await this.#operator.put(
      this.keys.config(this.#config),
      JSON.stringify({
        version: formatVersion,
        text,
        at: this.#options.now().toISOString(),
        by: 'simulation',
      }),
    );
  }

  /** As agents do when their kernels follow a new version. */
  async tellAll(): Promise<void> {
    for (const member of this.#members) await this.#status(member);
  }

  /** A new node of any zone; undefined when all of them are full. */
  async #join(): Promise<Member | undefined> {
    const zones = [...this.#zones.values()];
    const first = this.#options.random.below(zones.length);
    for (let i = 0; i < zones.length; i++) {
      const { zone, addresses, blocks } = zones[(first + i) % zones.length]!;
      const place = addresses.take();
      if (place === undefined) continue;
      const blockPlace = blocks.take();
      if (blockPlace === undefined) {
        addresses.give(place);
        continue;
      }
      const member = { name: this.#nextName(), zone, place, blockPlace };
      this.#members.push(member);
      await this.#claim(member);
      await this.#record(member);
      await this.#live(member);
      await this.#status(member);
      return member;
    }
    return undefined;
  }

  async #leave(member: Member): Promise<void> {
    this.#members.splice(this.#members.indexOf(member), 1);
    // Record, sign of life and block.
    this.#changes += 3;
    await this.#operator.delete(this.keys.record(member.name));
    await this.#leases.get(member.name)?.revoke();
    this.#leases.delete(member.name);
    await this.#operator.delete(blockKeyOf(this.keys, member));
    const state = this.#zones.get(member.zone.name)!;
    state.addresses.give(member.place);
    state.blocks.give(member.blockPlace);
  }

  /** It has another address and the same block; undefined when its zone has no address left. */
  async #move(member: Member): Promise<Member | undefined> {
    const { addresses } = this.#zones.get(member.zone.name)!;
    const place = addresses.take();
    if (place === undefined) return undefined;
    addresses.give(member.place);
    const moved = { ...member, place };
    this.#members[this.#members.indexOf(member)] = moved;
    await this.#record(moved);
    return moved;
  }

  /** This one neither leaves nor moves. */
  keep(name: string): void {
    this.#kept.add(name);
  }

  /** One node of all comes or leaves. */
  async churn(): Promise<void> {
    if (this.#options.random.next() < joining) await this.#join();
    else await this.#leave(this.#drawn());
  }

  /** One node gets another address and keeps its block. */
  async readdress(): Promise<void> {
    await this.#move(this.#drawn());
  }

  /** The zone is cut off: its leases end by themselves. */
  lose(zone: FleetZone): void {
    this.#zones.get(zone.name)!.client.cut();
    this.#changes += this.#members.filter((member) => member.zone.name === zone.name).length;
  }

  /** It is back, and its agents register again. */
  async restore(zone: FleetZone): Promise<void> {
    this.#zones.get(zone.name)!.client.join();
    for (const member of this.#members)
      if (member.zone.name === zone.name) {
        await this.#live(member);
        await this.#status(member);
      }
  }

  #drawn(): Member {
    for (;;) {
      const member = this.#members[this.#options.random.below(this.#members.length)]!;
      if (!this.#kept.has(member.name)) return member;
    }
  }

  #nextName(): string {
    return `n${String(this.#count++).padStart(6, '0')}`;
  }

  async #claim(member: Member): Promise<void> {
    this.#changes++;
    const value: BlockValue = {
      version: formatVersion,
      node: member.name,
      at: this.#options.now().toISOString(),
    };
    await this.#operator.put(blockKeyOf(this.keys, member), JSON.stringify(value));
  }

  async #record(member: Member): Promise<void> {
    this.#changes++;
    const { zone, name } = member;
    const value: RecordValue = {
      version: formatVersion,
      node: {
        name,
        zone: zone.name,
        address: zone.address(member.place),
        overlay: zone.block(member.blockPlace),
      },
    };
    await this.#operator.put(this.keys.record(name), JSON.stringify(value));
  }

  async #live(member: Member): Promise<void> {
    this.#changes++;
    const { client } = this.#zones.get(member.zone.name)!;
    const lease = await client.lease(leaseOfFleetSeconds);
    this.#leases.set(member.name, lease);
    const value: AliveValue = {
      version: formatVersion,
      instance: lease.id,
      since: this.#options.now().toISOString(),
    };
    await client.put(this.keys.alive(member.name), JSON.stringify(value), { lease });
  }

  async #status(member: Member): Promise<void> {
    const { client } = this.#zones.get(member.zone.name)!;
    const lease = this.#leases.get(member.name);
    if (lease === undefined) return;
    const value: StatusValue = {
      version: formatVersion,
      release: 'simulation',
      config: this.#config,
      receives: [],
      sends: [],
      ready: true,
      problems: [],
      at: this.#options.now().toISOString(),
    };
    await client.put(this.keys.status(member.name), JSON.stringify(value), { lease });
  }
}

function blockKey(member: Member): string {
  return member.zone.block(member.blockPlace);
}

/** See `FleetKeys.block`, which asks for a parsed prefix. */
function blockKeyOf(keys: FleetKeys, member: Member): string {
  return keys.blocks + blockKey(member).replace('/', '_');
}
