/**
 * WireGuard devices of this host: finding, making, dressing (name, size, addresses, settings) and removing them.  What is
 * ours is known by its alias; a device of somebody else is never touched, whatever its name.
 */
import { type Ip, parseIp, parsePrefix } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { WireguardEngine, WireguardState } from "../../../base/wireguard.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { INTERFACE_ALIAS, INTERFACE_PREFIX, OVERLAY_ADDRESS_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import type { Link } from "../../../netstack/kernel/netlink/link.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { readSysctl, writeSysctl } from "../../../netstack/kernel/sysctl.ts";
import type { WireguardDoor } from "../../../netstack/kernel/wireguard/door.ts";
import { WireguardNetlink } from "../../../netstack/kernel/wireguard/kernel-door.ts";
import { addWireguardLink } from "../../../netstack/kernel/wireguard/link.ts";
import {
  endWireguardGo,
  killWireguardGo,
  lastWords,
  reap,
  socketOf,
  startWireguardGo,
  wireguardGoOf,
} from "../../../netstack/kernel/wireguard/process.ts";
import { widenSockets } from "../../../netstack/kernel/wireguard/socket-buffers.ts";
import { answersAt, UapiDoor } from "../../../netstack/kernel/wireguard/uapi-door.ts";

export type Sighting =
  | { readonly kind: "none" }
  /** `marked`: has our alias.  Without it it is a stranger's, or one that was being made when we died. */
  | { readonly kind: "there"; readonly link: Link; readonly engine: WireguardEngine; readonly marked: boolean }
  /** A TUN whose process does not listen (yet, or any more). */
  | { readonly kind: "mute"; readonly link: Link; readonly marked: boolean }
  | { readonly kind: "other"; readonly why: string };

export interface EngineChoice {
  readonly engine: WireguardEngine;
  readonly why: string;
}

export interface Dress {
  readonly mtu: number;
  /** "10.255.1.1/32" */
  readonly addresses: readonly string[];
}

export class Host implements Disposable {
  readonly route = new RouteSocket();
  readonly #loop: Loop;
  readonly #logs: string | undefined;
  #netlink: WireguardNetlink | undefined;
  /** wireguard-go processes that we started ourselves, with the device of each. */
  readonly #children = new Map<number, string>();
  /** Process → names of its sockets that were made wide. */
  readonly #widened = new Map<number, Set<string>>();
  #kernelLacks: boolean | undefined;

  constructor(loop: Loop, logs: string | undefined) {
    this.#loop = loop;
    this.#logs = logs;
  }

  /** Who runs devices that are made from now on.  The kernel's is tried first; what comes of it is remembered. */
  choose(preference: "auto" | "kernel" | "userspace"): EngineChoice {
    if (preference === "userspace") return { engine: "wireguard-go", why: "the configuration says so" };
    if (preference === "kernel") return { engine: "kernel", why: "the configuration says so" };
    // Asking for the family loads the module, where there is one.
    this.#kernelLacks ??= !this.#family().available;
    if (this.#kernelLacks) return { engine: "wireguard-go", why: "this kernel has no WireGuard" };
    return { engine: "kernel", why: "this kernel has WireGuard" };
  }

  find(ifname: string): Sighting {
    this.#takeLeave();
    const link = this.route.link(ifname);
    if (link === undefined) return { kind: "none" };
    const marked = link.alias === INTERFACE_ALIAS;
    if (link.kind === "wireguard") return { kind: "there", link, engine: "kernel", marked };
    if (link.kind !== "tun") return { kind: "other", why: `${ifname} is a ${link.kind ?? "physical"} interface` };
    return answersAt(socketOf(ifname))
      ? { kind: "there", link, engine: "wireguard-go", marked }
      : { kind: "mute", link, marked };
  }

  /** Devices with our mark that are WireGuard's. */
  ours(): readonly string[] {
    return this.route
      .links()
      .filter(({ name, alias }) => alias === INTERFACE_ALIAS && name.startsWith(INTERFACE_PREFIX))
      .filter(({ kind, name }) => kind === "wireguard" || (kind === "tun" && answersAt(socketOf(name))))
      .map(({ name }) => name);
  }

  /** Run by another engine than the configuration asks for, which this host has. */
  isUnsuited({ engine, marked }: Sighting & { kind: "there" }, wanted: "auto" | "kernel" | "userspace"): boolean {
    if (!marked || wanted === "auto" || (wanted === "kernel") === (engine === "kernel")) return false;
    return wanted === "userspace" || this.#family().available;
  }

  door(ifname: string, engine: WireguardEngine): WireguardDoor {
    if (engine === "wireguard-go") return new UapiDoor(this.#loop, socketOf(ifname));
    return this.#family().door(ifname);
  }

  /** `pid`: it is being made by this process, and will be there soon. */
  make(
    ifname: string,
    preference: "auto" | "kernel" | "userspace",
  ): Result<{ readonly pid: number | undefined }, string> {
    const { engine } = this.choose(preference);
    try {
      if (engine === "kernel") {
        if (addWireguardLink(ifname)) {
          const link = this.route.link(ifname);
          if (link !== undefined) this.mark(link);
          return ok({ pid: undefined });
        }
        this.#kernelLacks = true;
        if (preference === "kernel") return err("this kernel has no WireGuard");
      }
      const started = startWireguardGo(ifname, this.#logOf(ifname));
      if (!started.ok) return started;
      this.#children.set(started.value, ifname);
      return ok({ pid: started.value });
    } catch (cause) {
      if (cause instanceof Fault) return err(cause.message);
      throw cause;
    }
  }

  /** Whether a process that `make` started is over before its device came; and what it said. */
  overBefore(ifname: string, pid: number): string | undefined {
    this.#takeLeave();
    return this.#children.has(pid) ? undefined : (lastWords(this.#logOf(ifname)) ?? "wireguard-go ended at once");
  }

  mark(link: Link): void {
    this.route.changeLink(link.index, { alias: INTERFACE_ALIAS });
  }

  /** Makes the device look as wanted; says what it had to change, which is nothing at a second look. */
  dress(link: Link, dress: Dress): readonly string[] {
    const changed: string[] = [];
    if (link.alias !== INTERFACE_ALIAS) {
      this.mark(link);
      changed.push("alias");
    }
    if (link.mtu !== dress.mtu) {
      this.route.changeLink(link.index, { mtu: dress.mtu });
      changed.push(`mtu ${link.mtu} → ${dress.mtu}`);
    }
    // Answers may come by another tunnel than the one that the route names: loose, not strict (RFC 3704 §2.4).
    const filter = `net/ipv4/conf/${link.name}/rp_filter`;
    const now = readSysctl(filter);
    if (now !== undefined && now !== "2") {
      writeSysctl(filter, "2");
      changed.push("rp_filter");
    }
    changed.push(...this.#address(link, dress.addresses));
    return changed;
  }

  up(link: Link): void {
    this.route.changeLink(link.index, { up: true });
  }

  /** Begins the end of a device; true when nothing is left of it. */
  remove(ifname: string, hard: boolean): boolean {
    const seen = this.find(ifname);
    // One that is still starting has no device yet; it must not come up when nobody looks any more.
    const finished = seen.kind === "there" && seen.marked;
    for (const [pid, name] of this.#children) if (name === ifname && !finished) process.kill(pid, "SIGKILL");
    if (seen.kind === "none" || seen.kind === "other" || !seen.marked) return true;
    if (seen.kind === "there" && seen.engine === "wireguard-go" && !hard && endWireguardGo(ifname)) return false;
    this.route.deleteLink(seen.link.index);
    return this.route.link(ifname) === undefined;
  }

  /** Of a process that hangs; its device goes with it. */
  kill(ifname: string): void {
    killWireguardGo(ifname);
  }

  processOf(ifname: string): number | undefined {
    return wireguardGoOf(ifname);
  }

  /** Its sockets come and go with its port and its device: to be called now and then. */
  widen(pid: number): void {
    const known = this.#widened.get(pid) ?? new Set();
    this.#widened.set(pid, known);
    widenSockets(pid, known);
  }

  [Symbol.dispose](): void {
    this.route[Symbol.dispose]();
    this.#netlink?.[Symbol.dispose]();
  }

  #address(link: Link, wanted: readonly string[]): readonly string[] {
    const want = new Map<Ip, number>();
    for (const text of wanted) {
      const [ip, length] = addressOf(text);
      want.set(ip, length);
    }
    const have = this.route.addresses(link.index);
    const changed: string[] = [];
    for (const [ip, prefixLength] of want) {
      if (have.some((each) => each.ip === ip && each.prefixLength === prefixLength)) continue;
      this.route.addAddress({
        ip,
        prefixLength,
        index: link.index,
        protocol: OVERLAY_ADDRESS_PROTOCOL,
        noPrefixRoute: true,
        noDad: true,
      });
      changed.push(`address ${ip}`);
    }
    for (const { ip, prefixLength, protocol } of have) {
      if (protocol !== OVERLAY_ADDRESS_PROTOCOL || want.get(ip) === prefixLength) continue;
      this.route.deleteAddress(ip, prefixLength, link.index);
      changed.push(`address ${ip}`);
    }
    return changed;
  }

  /** Of those that ended: else they would stay as zombies as long as we live. */
  #takeLeave(): void {
    for (const pid of this.#children.keys()) if (reap(pid) !== 0) this.#children.delete(pid);
  }

  #family(): WireguardNetlink {
    this.#netlink ??= new WireguardNetlink();
    return this.#netlink;
  }

  #logOf(ifname: string): string | undefined {
    return this.#logs === undefined ? undefined : `${this.#logs}/${ifname}.log`;
  }
}

/** Without our mark: made by us, who died before it had it, when it is bare still or has our key already. */
export function isOurs(seen: Sighting & { kind: "there" }, have: WireguardState, privateKey: string): boolean {
  return seen.marked || have.privateKey === privateKey || (have.privateKey === undefined && have.peers.length === 0);
}

/** "10.255.1.1/32": host bits stay. */
function addressOf(text: string): readonly [Ip, number] {
  const ip = parseIp(text.split("/", 1)[0] ?? "");
  const prefix = parsePrefix(text);
  if (!ip.ok || !prefix.ok) throw new TypeError(`not an address with a prefix length: ${text}`);
  return [ip.value, prefix.value.length];
}
