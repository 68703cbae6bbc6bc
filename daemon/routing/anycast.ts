/**
 * Addresses that routers are told of, on `lo` (IPv4 /32, IPv6 /128), marked as ours (marks.ts).  An address is there
 * before it is announced, and stays for a while after it was withdrawn: what is on its way to us still finds it.
 *
 * A restart takes over what it finds; what nobody wants any more goes.  What a stranger takes away is put back, and what
 * a stranger has put there is used and left to him.
 */
import { bitsOf, formatIp, type Ip, isIpv4 } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { after, ms } from "../../base/unit.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { ROUTED_ADDRESS_PROTOCOL } from "../../netstack/kernel/marks.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { watch } from "../../netstack/kernel/netlink/watch.ts";

export interface AnycastParts {
  readonly loop: Loop;
  readonly warn: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  /** An address could be bound, or could not, that was the other way before. */
  readonly moved: () => void;
}

export class Anycast implements Disposable {
  readonly #parts: AnycastParts;
  readonly #route = new RouteSocket();
  readonly #watch: Disposable;
  readonly #index: number;
  readonly #wanted = new Map<Ip, Binding>();
  /** Not wanted any more, still there: until when. */
  readonly #leaving = new Map<Ip, Disposable>();
  #restoring: Disposable | undefined;
  /** How many addresses an earlier life had left: this host went on forwarding. */
  readonly found: number;

  constructor(parts: AnycastParts) {
    this.#parts = parts;
    this.#index = this.#route.indexOf("lo");
    this.#watch = watch(parts.loop, ["addresses"], {
      changed: (change) => {
        if (change.kind === "resync") this.#restoreSoon();
        else if (change.kind === "address" && this.#concerns(change.address.ip, change.gone)) this.#restoreSoon();
      },
    });
    const left = this.#ours();
    this.found = left.length;
    for (const ip of left) this.#leave(ip);
  }

  /** Binds what is new at once.  The rest leaves in a while: see `LEAVE_AFTER`. */
  want(addresses: readonly Ip[]): void {
    for (const ip of addresses) {
      if (this.#wanted.has(ip)) continue;
      this.#leaving.get(ip)?.[Symbol.dispose]();
      this.#leaving.delete(ip);
      this.#wanted.set(ip, this.#bind(ip));
    }
    for (const [ip, { foreign }] of this.#wanted) {
      if (addresses.includes(ip)) continue;
      this.#wanted.delete(ip);
      if (!foreign) this.#leave(ip);
    }
  }

  /** Why it is not on `lo`; undefined: it is. */
  hindrance(ip: Ip): string | undefined {
    const binding = this.#wanted.get(ip);
    return binding === undefined ? "not wanted" : binding.why;
  }

  /** Nothing of ours stays, at once. */
  clear(): void {
    const ours = new Set(this.#ours());
    for (const ip of this.#leaving.keys()) this.#unbind(ip, ours);
    for (const [ip, { foreign }] of this.#wanted) if (!foreign) this.#unbind(ip, ours);
    this.#wanted.clear();
  }

  /** What is bound stays. */
  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#restoring?.[Symbol.dispose]();
    for (const timer of this.#leaving.values()) timer[Symbol.dispose]();
    this.#leaving.clear();
    this.#route[Symbol.dispose]();
  }

  #ours(): readonly Ip[] {
    return this.#route
      .addresses(this.#index)
      .filter(({ protocol }) => protocol === ROUTED_ADDRESS_PROTOCOL)
      .map(({ ip }) => ip);
  }

  #bind(ip: Ip): Binding {
    const address = { ip, prefixLength: bitsOf(ip), index: this.#index, protocol: ROUTED_ADDRESS_PROTOCOL };
    try {
      // Many hosts have it: the kernel would call that a duplicate.
      if (this.#route.addAddress(isIpv4(ip) ? address : { ...address, noDad: true })) return BOUND;
      const there = this.#route.addresses(this.#index).find((each) => each.ip === ip);
      if (there === undefined) return { why: "it is on another interface", foreign: true };
      if (there.protocol === ROUTED_ADDRESS_PROTOCOL) return BOUND;
      this.#parts.warn("vip.address-foreign", { address: formatIp(ip) });
      return { why: undefined, foreign: true };
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#parts.warn("vip.address-refused", { address: formatIp(ip), why: cause.message });
      return { why: cause.message, foreign: false };
    }
  }

  #leave(ip: Ip): void {
    const { loop } = this.#parts;
    this.#leaving.set(
      ip,
      loop.wakeAt(after(loop.now(), LEAVE_AFTER), () => this.#unbind(ip, new Set(this.#ours()))),
    );
  }
  /** The kernel would take the mark of an address for no matter: one that a stranger has replaced since is his. */
  #unbind(ip: Ip, ours: ReadonlySet<Ip>): void {
    this.#leaving.get(ip)?.[Symbol.dispose]();
    this.#leaving.delete(ip);
    if (ours.has(ip)) this.#route.deleteAddress(ip, bitsOf(ip), this.#index);
  }

  #concerns(ip: Ip, gone: boolean): boolean {
    const binding = this.#wanted.get(ip);
    // One that goes has to come back; one that comes elsewhere perhaps makes room for what was refused.
    return binding !== undefined && (gone || binding.why !== undefined);
  }

  #restoreSoon(): void {
    const { loop } = this.#parts;
    this.#restoring ??= loop.wakeAt(loop.now(), () => {
      this.#restoring = undefined;
      this.#restore();
    });
  }
  #restore(): void {
    const there = new Set(this.#route.addresses(this.#index).map(({ ip }) => ip));
    let moved = false;
    for (const [ip, before] of this.#wanted) {
      if (there.has(ip) && before.why === undefined) continue;
      const now = this.#bind(ip);
      this.#wanted.set(ip, now);
      if (now.why === undefined) this.#parts.warn("vip.address-restored", { address: formatIp(ip) });
      moved ||= (now.why === undefined) !== (before.why === undefined);
    }
    if (moved) this.#parts.moved();
  }
}

interface Binding {
  readonly why: string | undefined;
  /** Somebody else's. */
  readonly foreign: boolean;
}

const BOUND: Binding = { why: undefined, foreign: false };

/** From the withdrawal on: routers have long stopped to send here then, slow ones too. */
const LEAVE_AFTER = ms(3000);
