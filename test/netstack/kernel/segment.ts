/** Hosts on one bridge, each in a namespace of its own; gone when disposed. */

import { closeSync, writeFileSync } from "node:fs";
import { type Ip, isIpv4 } from "../../../base/address.ts";
import {
  createNamespace,
  deleteNamespace,
  inside,
  listNamespaces,
  openNamespace,
} from "../../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";

let count = 0;

export interface Host {
  readonly namespace: string;
  readonly route: RouteSocket;
  readonly index: number;
  /** Runs a synchronous function in the host's namespace. */
  do<T>(run: () => T): T;
}

export class Segment implements Disposable {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly #hub: string;
  readonly #names: string[] = [];

  /** Hosts by name, with their addresses (/24 and /64); each has one interface, `e0`. */
  constructor(hosts: Readonly<Record<string, readonly Ip[]>>) {
    const prefix = `nv${process.pid}x${count++}`;
    const made = new Map<string, Host>();
    this.hosts = made;
    this.#hub = `${prefix}hub`;
    try {
      this.#namespace(this.#hub);
      using bridge = inside(this.#hub, () => new RouteSocket());
      bridge.addBridge("br0");
      bridge.changeLink("br0", { up: true });
      for (const [name, addresses] of Object.entries(hosts)) {
        const namespace = this.#namespace(`${prefix}${name}`);
        // Link-local addresses of these interfaces need no probing: it would take them two seconds. The larger one counts.
        inside(namespace, () => {
          for (const scope of ["all", "default"]) writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/accept_dad`, "0");
        });
        const route = inside(namespace, () => new RouteSocket());
        const host = { namespace, route, do: <T>(run: () => T): T => inside(namespace, run) };
        made.set(name, { ...host, index: this.attach(name, host, "e0", addresses) });
      }
    } catch (cause) {
      this[Symbol.dispose]();
      throw cause;
    }
  }

  /** A further interface of a host, on this segment's bridge; returns its index. */
  attach(port: string, host: Omit<Host, "index">, ifname: string, addresses: readonly Ip[]): number {
    using bridge = inside(this.#hub, () => new RouteSocket());
    const there = openNamespace(host.namespace);
    try {
      bridge.addVeth(`p${port}`, { name: ifname, namespaceFd: there });
    } finally {
      closeSync(there);
    }
    bridge.changeLink(`p${port}`, { up: true, master: bridge.indexOf("br0") });
    host.route.changeLink(ifname, { up: true });
    // Carrier is passed on by a kernel worker; before that, frames are dropped.
    const lower = bridge.indexOf(`p${port}`);
    while (host.route.link(ifname)?.operState !== "up" || bridge.link(lower)?.operState !== "up") {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
    const index = host.route.indexOf(ifname);
    for (const ip of addresses) host.route.addAddress({ ip, prefixLength: isIpv4(ip) ? 24 : 64, index, noDad: true });
    return index;
  }

  /** What a host sends or shall get by this port is lost, and its carrier stays. */
  swallow(port: string, swallowed: boolean): void {
    using bridge = inside(this.#hub, () => new RouteSocket());
    bridge.changeLink(`p${port}`, { master: swallowed ? 0 : bridge.indexOf("br0") });
  }

  host(name: string): Host {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  [Symbol.dispose](): void {
    for (const host of this.hosts.values()) host.route[Symbol.dispose]();
    for (const name of this.#names.splice(0)) deleteNamespace(name);
  }

  #namespace(name: string): string {
    createNamespace(name);
    this.#names.push(name);
    return name;
  }
}

/** Why tests that build networks cannot run here; undefined when they can. */
export const UNABLE: string | undefined = process.getuid?.() === 0 ? undefined : "needs root";

/** Removes what a killed run of these tests left behind. */
export function sweep(): void {
  for (const name of listNamespaces()) {
    const owner = /^nv([0-9]+)x/.exec(name)?.[1];
    if (owner === undefined) continue;
    try {
      process.kill(Number(owner), 0);
    } catch {
      deleteNamespace(name);
    }
  }
}
