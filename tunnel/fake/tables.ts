/**
 * The tables of the kernel in memory, with its rules: what it refuses and in which words, and what
 * goes along when something else goes.
 *
 * Each rule was seen on Linux 6.18 first; the contract suite runs the same cases on both. The ones
 * that surprise:
 * - a device going down, or losing its last IPv4 address, loses all its IPv4 routes and neighbours,
 *   and the routes without a notification;
 * - a new MAC costs a device all its neighbours;
 * - IPv6 routes follow their device's MTU: down when theirs no longer fits, and up when theirs was
 *   the same as the device's (rt6_mtu_change_route of net/ipv6/route.c);
 * - an MTU below 1280 takes IPv6 off the device: addresses, routes, neighbours;
 * - deleting an address removes the IPv4 routes that prefer it as a source, while IPv6 routes stay
 *   and lose their preferred source.
 */
import { type Address, isLinkLocal } from '../../encap/address.js';
import { prefixOf } from '../../encap/prefix.js';
import type {
  AddressObject,
  FdbObject,
  KernelChange,
  KernelEvent,
  KernelState,
  LinkObject,
  NeighbourObject,
  Op,
  OwnLink,
  RouteObject,
  RouteTarget,
} from '../kernel.js';
import { bestRoute } from '../best-route.js';
import { objectKey } from '../kernel.js';
import { needsRecreate } from '../link-kinds/index.js';
import { type Refusal, cannotChange, deviceOf, isTwin, macOf, refuse } from './refusals.js';

export type ChangedType = Extract<KernelEvent, { kind: 'changed' }>['type'];
/** Announces a change; equal ones may be announced more than once. */
export type Announce = (
  type: ChangedType,
  device: string | undefined,
  change?: KernelChange,
) => void;

/** linux/rtnetlink.h: made by the kernel itself. */
const RTPROT_KERNEL = 2;
const RT_TABLE_MAIN = 254;
/** RFC 8200 section 5: less than this and IPv6 leaves the device. */
const ipv6MinimumMtu = 1280;
const vxlanHeadroom = { 4: 50, 6: 70 } as const;
/** Files that every device has below net/ipv4/conf and net/ipv6/conf; all begin as 0. */
const deviceSysctl = /^net\/ipv[46]\/conf\/([^/]+)\/[a-z0-9_]+$/;

export class FakeTables {
  readonly links = new Map<string, LinkObject>();
  readonly addresses = new Map<string, AddressObject>();
  readonly neighbours = new Map<string, NeighbourObject>();
  readonly fdb = new Map<string, FdbObject>();
  readonly routes = new Map<string, RouteObject>();
  readonly sysctls = new Map<string, string>();
  readonly #kinds: ReadonlySet<OwnLink['kind']>;
  readonly #announce: Announce;

  constructor(kinds: ReadonlySet<OwnLink['kind']>, announce: Announce) {
    this.#kinds = kinds;
    this.#announce = announce;
  }

  state(): KernelState {
    return {
      links: [...this.links.values()],
      addresses: [...this.addresses.values()],
      neighbours: [...this.neighbours.values()],
      fdb: [...this.fdb.values()],
      routes: [...this.routes.values()],
    };
  }

  run(op: Op): Refusal | undefined {
    const { object, verb } = op;
    switch (object.type) {
      case 'link':
        return verb === 'set' ? this.#setLink(object) : this.deleteLink(object.name);
      case 'address':
        return verb === 'set' ? this.#setAddress(object) : this.#deleteAddress(object);
      case 'neighbour':
        return verb === 'set' ? this.#setNeighbour(object) : this.#drop('neighbours', object);
      case 'fdb':
        return verb === 'set' ? this.#setFdb(object) : this.#drop('fdb', object);
      case 'route':
        if (verb === 'delete') return this.#deleteRoute(object);
        if (op.exclusive === true && this.routes.has(objectKey(object))) return refuse('EEXIST');
        return this.#setRoute(object);
      case 'sysctl':
        if (verb === 'delete') return refuse('EOPNOTSUPP');
        return this.#setSysctl(object.path, object.value);
    }
  }

  /** Adds or changes a device that is none of ours, as `ip link` would. */
  setForeignLink(link: LinkObject): void {
    this.#storeLink(link);
  }

  deleteLink(name: string): undefined {
    if (!this.links.has(name)) return;
    this.#strip(name, [4, 6]);
    for (const [key, entry] of this.fdb) if (entry.device === name) this.fdb.delete(key);
    for (const [key, entry] of this.addresses)
      if (entry.device === name) this.addresses.delete(key);
    for (const path of this.sysctls.keys())
      if (deviceSysctl.exec(path)?.[1] === name) this.sysctls.delete(path);
    this.links.delete(name);
    for (const type of ['fdb', 'link', 'neighbour', 'address', 'netconf'] as const)
      this.#announce(type, name);
  }

  /** An address that brings its connected route with it, as `ip addr` makes them. */
  addConnected(object: AddressObject): Refusal | undefined {
    const refused = this.#setAddress(object);
    const { address, length } = object.address;
    if (refused !== undefined || length === address.bytes.length * 8) return refused;
    const route: RouteObject = {
      type: 'route',
      prefix: prefixOf(address, length),
      table: RT_TABLE_MAIN,
      metric: address.family === 4 ? 0 : 256,
      protocol: RTPROT_KERNEL,
      target: {
        kind: 'unicast',
        device: object.device,
        gateway: undefined,
        onlink: false,
        mtu: undefined,
        preferredSource: address.family === 4 ? address : undefined,
      },
    };
    this.routes.set(objectKey(route), route);
    this.#announce('route', object.device);
    return undefined;
  }

  /** Undefined when there is no such file. */
  readSysctl(path: string): string | undefined {
    const device = deviceSysctl.exec(path)?.[1];
    if (device === undefined) return this.sysctls.get(path);
    const exists = device === 'all' || device === 'default' || this.links.has(device);
    return exists ? (this.sysctls.get(path) ?? this.#inherited(path)) : undefined;
  }

  /** A device forwards unless told otherwise when the host as a whole does. */
  #inherited(path: string): string {
    const own = /^net\/(ipv[46])\/conf\/[^/]+\/forwarding$/.exec(path);
    const host = own?.[1] === 'ipv4' ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
    return (own !== null && path !== host ? this.sysctls.get(host) : undefined) ?? '0';
  }

  /** Longest prefix, then lowest metric, of the main table. */
  match(destination: Address): RouteObject | undefined {
    return bestRoute(this.routes.values(), { address: destination, table: RT_TABLE_MAIN });
  }

  /** The device that has this address. */
  ownerOf(address: Address): string | undefined {
    for (const own of this.addresses.values())
      if (own.address.address.text === address.text) return own.device;
    return undefined;
  }

  #setLink(link: Exclude<LinkObject, { kind: 'other' }>): Refusal | undefined {
    if (link.name.length > 15) return refuse('ERANGE', 'Attribute failed policy validation');
    const actual = this.links.get(link.name);
    const parent = link.kind === 'vxlan' ? link.parent : undefined;
    if (parent !== undefined && !this.links.has(parent)) return refuse('ENODEV');
    if (actual === undefined) {
      if (!this.#kinds.has(link.kind)) return refuse('EOPNOTSUPP', 'Unknown device type');
      const twin = [...this.links.values()].some((other) => isTwin(other, link));
      if (twin) return refuse('EEXIST', 'A VXLAN device with the specified VNI already exists');
    } else {
      if (actual.kind !== link.kind) return refuse('EEXIST');
      const [fixed] = needsRecreate(actual, link);
      if (fixed !== undefined) return refuse('EOPNOTSUPP', cannotChange(fixed));
    }
    if (link.mtu < 68 || link.mtu > 65535)
      return refuse('EINVAL', 'MTU must be between 68 and 65535');
    if (link.kind === 'vxlan' && parent !== undefined) {
      const room = this.links.get(parent)!.mtu - vxlanHeadroom[link.local.family];
      if (link.mtu > room) return refuse('EINVAL');
    }
    this.#storeLink(link);
    return undefined;
  }

  #storeLink(link: LinkObject): void {
    const before = this.links.get(link.name);
    this.links.set(link.name, link);
    this.#announce('link', link.name);
    if (before === undefined) this.#announce('netconf', link.name);
    else if (macOf(before) !== macOf(link)) this.#dropNeighbours(link.name, [4, 6]);
    if (before !== undefined) this.#followMtu(link.name, { before: before.mtu, after: link.mtu });
    if (before?.up === true && !link.up) this.#strip(link.name, [4, 6]);
    else if (before !== undefined && before.mtu >= ipv6MinimumMtu && link.mtu < ipv6MinimumMtu)
      this.#strip(link.name, [6]);
  }

  #followMtu(device: string, mtu: { readonly before: number; readonly after: number }): void {
    for (const [key, route] of this.routes) {
      const { target } = route;
      if (route.prefix.family !== 6 || target.kind !== 'unicast' || target.device !== device)
        continue;
      if (target.mtu === undefined || (target.mtu < mtu.after && target.mtu !== mtu.before))
        continue;
      this.routes.set(key, { ...route, target: { ...target, mtu: mtu.after } });
    }
  }

  /** Takes routes, neighbours and IPv6 addresses off a device; IPv4 routes go without a word. */
  #strip(device: string, families: readonly (4 | 6)[]): void {
    for (const family of families) {
      for (const [key, route] of this.routes)
        if (route.prefix.family === family && deviceOf(route.target) === device) {
          this.routes.delete(key);
          if (family === 6) this.#announce('route', device, { verb: 'delete', object: route });
        }
    }
    this.#dropNeighbours(device, families);
    if (!families.includes(6)) return;
    for (const [key, own] of this.addresses)
      if (own.device === device && own.address.address.family === 6) {
        this.addresses.delete(key);
        this.#announce('address', device);
      }
  }

  #dropNeighbours(device: string, families: readonly (4 | 6)[]): void {
    for (const [key, entry] of this.neighbours) {
      if (entry.device !== device || !families.includes(entry.address.family)) continue;
      this.neighbours.delete(key);
      this.#announce('neighbour', device, { verb: 'delete', object: entry });
    }
  }

  #setAddress(object: AddressObject): Refusal | undefined {
    const link = this.links.get(object.device);
    if (link === undefined) return refuse('ENODEV');
    if (object.address.address.family === 6 && link.mtu < ipv6MinimumMtu) return refuse('EINVAL');
    this.addresses.set(objectKey(object), object);
    this.#announce('address', object.device);
    return undefined;
  }

  #deleteAddress(object: AddressObject): undefined {
    const { device } = object;
    if (!this.addresses.delete(objectKey(object))) return;
    this.#announce('address', device);
    const gone = object.address.address;
    for (const [key, route] of this.routes) {
      const { target } = route;
      if (target.kind !== 'unicast' || target.preferredSource?.text !== gone.text) continue;
      if (this.ownerOf(gone) !== undefined) continue;
      if (gone.family === 4) this.routes.delete(key);
      else this.routes.set(key, { ...route, target: { ...target, preferredSource: undefined } });
    }
    const isLast = ![...this.addresses.values()].some(
      (own) => own.device === device && own.address.address.family === 4,
    );
    if (gone.family === 4 && isLast) this.#strip(device, [4]);
  }

  #setNeighbour(object: NeighbourObject): Refusal | undefined {
    const link = this.links.get(object.device);
    if (link === undefined) return refuse('ENODEV');
    if (object.address.family === 6 && link.mtu < ipv6MinimumMtu)
      return refuse('EINVAL', 'IPv6 is disabled on this device');
    this.neighbours.set(objectKey(object), object);
    this.#announce('neighbour', object.device, { verb: 'set', object });
    return undefined;
  }

  #setFdb(object: FdbObject): Refusal | undefined {
    const link = this.links.get(object.device);
    if (link === undefined) return refuse('ENODEV');
    if (link.kind !== 'vxlan') return refuse('EOPNOTSUPP');
    if (link.local.family !== object.remote.family) return refuse('EAFNOSUPPORT');
    this.fdb.set(objectKey(object), object);
    this.#announce('fdb', object.device, { verb: 'set', object });
    return undefined;
  }

  #drop(table: 'neighbours' | 'fdb', object: NeighbourObject | FdbObject): undefined {
    if (this[table].delete(objectKey(object)))
      this.#announce(object.type, object.device, { verb: 'delete', object });
  }

  #setRoute(route: RouteObject): Refusal | undefined {
    const { target } = route;
    if (target.kind === 'other') return refuse('EINVAL', 'a route of another make');
    if (target.kind === 'unicast') {
      const refused = this.#checkNextHop(route, target);
      if (refused !== undefined) return refused;
    }
    const key = objectKey(route);
    this.routes.set(key, route);
    this.#announce('route', deviceOf(target), { verb: 'set', object: route });
    return undefined;
  }

  #checkNextHop(
    route: RouteObject,
    target: Extract<RouteTarget, { kind: 'unicast' }>,
  ): Refusal | undefined {
    const { family } = route.prefix;
    const { gateway, device } = target;
    const link = this.links.get(device);
    if (link === undefined) return refuse('ENODEV');
    if (family === 6 && link.mtu < ipv6MinimumMtu) return refuse('ENODEV');
    if (!link.up)
      return refuse(
        'ENETDOWN',
        family === 4 && gateway === undefined
          ? 'Device for nexthop is not up'
          : 'Nexthop device is not up',
      );
    const source = target.preferredSource;
    if (source !== undefined && this.ownerOf(source) === undefined)
      return refuse('EINVAL', family === 4 ? 'Invalid prefsrc address' : 'Invalid source address');
    if (gateway === undefined) return undefined;
    if (this.ownerOf(gateway) !== undefined)
      return refuse(
        'EINVAL',
        family === 4 ? 'Nexthop has invalid gateway' : 'Gateway can not be a local address',
      );
    const isDirect = (): boolean => {
      const towards = this.match(gateway)?.target;
      return (
        towards?.kind === 'unicast' && towards.gateway === undefined && towards.device === device
      );
    };
    if (family === 4)
      return target.onlink || isDirect()
        ? undefined
        : refuse('ENETUNREACH', 'Nexthop has invalid gateway');
    if (isLinkLocal(gateway)) return undefined;
    if (!target.onlink) return isDirect() ? undefined : refuse('EHOSTUNREACH');
    const towards = this.match(gateway);
    const elsewhere =
      towards !== undefined && towards.prefix.length > 0 && deviceOf(towards.target) !== device;
    return elsewhere
      ? refuse('EINVAL', 'Nexthop has invalid gateway or device mismatch')
      : undefined;
  }

  #deleteRoute(route: RouteObject): undefined {
    const key = objectKey(route);
    const actual = this.routes.get(key);
    // The protocol is part of what a deletion names: somebody else's route is not found.
    if (actual?.protocol !== route.protocol) return;
    this.routes.delete(key);
    this.#announce('route', deviceOf(actual.target), { verb: 'delete', object: actual });
  }

  #setSysctl(path: string, value: string): Refusal | undefined {
    const current = this.readSysctl(path);
    if (current === undefined) return refuse('ENOENT');
    if (!/^-?\d+$/.test(value) && /^-?\d+$/.test(current)) return refuse('EINVAL');
    if (current === value) return undefined;
    this.sysctls.set(path, value);
    this.#announce('netconf', deviceSysctl.exec(path)?.[1]);
    return undefined;
  }
}
