/** A WAN line: this host, the provider's router, and a server beyond it, each in a namespace; gone when disposed. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createNamespace,
  deleteNamespace,
  inside,
  openNamespace,
  spawnInside,
} from "../../../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../../../netstack/kernel/netlink/route-socket.ts";

let count = 0;

export class Line implements Disposable {
  readonly here: string;
  readonly router: string;
  readonly server: string;
  route!: RouteSocket;
  readonly directory: string;
  readonly #children: ChildProcess[] = [];
  readonly #sockets: RouteSocket[] = [];

  /** `wan` here and `lan` on the router are one cable; `up` on the router and `e0` on the server another. */
  constructor() {
    const prefix = `nv${process.pid}l${count++}`;
    this.here = `${prefix}a`;
    this.router = `${prefix}r`;
    this.server = `${prefix}s`;
    this.directory = mkdtempSync(join(tmpdir(), "nv-line-"));
    try {
      this.#build();
    } catch (cause) {
      this[Symbol.dispose]();
      throw cause;
    }
  }

  #build(): void {
    for (const name of this.names) {
      createNamespace(name);
      // Link-local addresses need no probing here: it would take two seconds.
      inside(name, () => {
        for (const of of ["all", "default"]) writeFileSync(`/proc/sys/net/ipv6/conf/${of}/accept_dad`, "0");
      });
    }
    this.route = this.#socket(this.here);
    const router = this.#socket(this.router);
    this.cable();
    this.#pair(router, "net", this.server, "e0");
    this.ip(this.router, "link set lan up", "link set net up");
    this.ip(this.router, "address add 192.0.2.1/24 dev lan", "address add 198.51.100.1/24 dev net");
    this.ip(this.router, "-6 address add 2001:db8:1::1/64 dev lan", "-6 address add 2001:db8:2::1/64 dev net");
    inside(this.router, () => {
      writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
      writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
    });
    this.ip(this.server, "link set e0 up", "address add 198.51.100.9/24 dev e0");
    this.ip(this.server, "-6 address add 2001:db8:2::9/64 dev e0");
    this.ip(this.server, "route add default via 198.51.100.1", "-6 route add default via 2001:db8:2::1");
  }

  get names(): readonly string[] {
    return [this.here, this.router, this.server];
  }

  /** The cable between here and the router, anew after its interface was deleted. */
  cable(): void {
    this.#pair(this.route, "wan", this.router, "lan");
  }
  /** Switched on, with an address and a default route. */
  connect(): void {
    this.ip(this.here, "link set wan up", "address add 192.0.2.10/24 dev wan");
    this.ip(this.here, "route add default via 192.0.2.1 proto dhcp metric 100");
    this.carrier();
  }
  /** A kernel worker passes carrier on; until then nothing comes through. */
  carrier(): void {
    while (this.route.link("wan")?.operState !== "up") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  ip(namespace: string, ...commands: readonly string[]): void {
    for (const command of commands)
      inside(namespace, () => execFileSync("ip", command.split(" "), { stdio: ["ignore", "ignore", "pipe"] }));
  }
  run(command: string, ...args: readonly string[]): void {
    execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  }
  nft(namespace: string, ruleset: string): void {
    inside(namespace, () => execFileSync("nft", ["-f", "-"], { input: ruleset, stdio: ["pipe", "ignore", "pipe"] }));
  }
  /** A program in the foreground, ended with the line. */
  start(namespace: string, command: string, ...args: readonly string[]): ChildProcess {
    const child = spawnInside(namespace, command, args, { stdio: "ignore" });
    this.#children.push(child);
    return child;
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill("SIGKILL");
    for (const socket of this.#sockets) socket[Symbol.dispose]();
    for (const name of this.names) deleteNamespace(name);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #socket(namespace: string): RouteSocket {
    const socket = inside(namespace, () => new RouteSocket());
    this.#sockets.push(socket);
    return socket;
  }
  #pair(route: RouteSocket, name: string, namespace: string, other: string): void {
    const there = openNamespace(namespace);
    try {
      route.addVeth(name, { name: other, namespaceFd: there });
    } finally {
      closeSync(there);
    }
  }
}
