/**
 * The fence around virtual IPs: the kernel itself refuses to answer for, announce, receive or send from an address that
 * this host does not hold a living lease for (fence-rules.ts says how).  `renew` is the lease: when nobody calls it, the
 * address falls silent by itself, with no process of ours alive.
 *
 * Order for a caller: `install` (at start and at each change of links or configuration), then `renew`, then add the
 * address to the interface, then announce.  To give up: `drain` or `forget` first, then everything else.
 *
 * Limits: timeouts are counted in jiffies (4 ms at HZ=250, 10 ms at HZ=100) of a clock that stands still while a whole
 * virtual machine is paused, so a paused machine resumes with what was left of its lease.
 */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp } from "../../base/address.ts";
import { type Ms, ms } from "../../base/unit.ts";
import {
  type Guard,
  guardSets,
  type Have,
  type Living,
  planFence,
  removalScript,
  setRef,
  setsOf,
} from "./fence-plan.ts";
import { type Family, LONGEST_HANDOVER } from "./fence-rules.ts";
import { VIP_TABLE } from "./marks.ts";
import { type Element, encodeBatch, removal, renewal, type SetRef } from "./netlink/nftables-elements.ts";
import { hex } from "./netlink/octets.ts";
import { RouteSocket } from "./netlink/route-socket.ts";
import { SetSocket } from "./netlink/set-socket.ts";
import { Nftables } from "./nftables.ts";

export type { Guard, Living } from "./fence-plan.ts";

export interface Installed {
  /** Something had to be done; a second call in a row says false. */
  readonly changed: boolean;
  /** Interfaces that do not exist now: call again when they appear, before an address is put on them. */
  readonly missing: readonly string[];
}

/** A flow's way back after a graceful move: packets for `address` of older flows go to `previous`. */
export interface Handover {
  readonly address: Ip;
  /** The previous owner's own address on the same link, of the same family. */
  readonly previous: Ip;
}

export class Fence implements Disposable {
  readonly #nft: Nftables;
  readonly #sets: SetSocket;
  readonly #route: RouteSocket;
  #renewal: { readonly key: string; readonly batch: Uint8Array } | undefined;

  /** For the network namespace that the calling thread is in. */
  constructor() {
    this.#nft = new Nftables();
    this.#sets = new SetSocket();
    this.#route = new RouteSocket();
  }

  /** Makes the fence as wanted: idempotent, repairs what others damaged, keeps living leases. */
  install(guards: readonly Guard[]): Installed {
    const names = [...new Set(guards.map((guard) => guard.ifname))];
    const present = names.filter((name) => this.#route.link(name) !== undefined);
    const { script, changes } = planFence({ guards, present }, this.#have());
    if (script !== "") this.#nft.transaction(script);
    this.#sets.apply(changes);
    return {
      changed: script !== "" || changes.length > 0,
      missing: names.filter((name) => !present.includes(name)),
    };
  }

  /** The lease: the addresses answer for `lease` from now.  Called at every heartbeat; some 25 µs for four addresses. */
  renew(addresses: readonly Ip[], lease: Ms): void {
    if (addresses.length === 0) return;
    const key = `${lease} ${addresses.join(" ")}`;
    if (this.#renewal?.key !== key) {
      const changes = groups("owned", addresses, lease).flatMap(([set, elements]) => renewal(set, elements));
      this.#renewal = { key, batch: encodeBatch(changes) };
    }
    this.#sets.send(this.#renewal.batch);
  }

  /** From now these addresses are not announced or answered for, but their flows go on for `span`. */
  drain(addresses: readonly Ip[], span: Ms): void {
    this.#sets.apply([
      ...groups("owned", addresses).flatMap(([set, elements]) => removal(set, elements)),
      ...groups("draining", addresses, span).flatMap(([set, elements]) => renewal(set, elements)),
    ]);
  }

  /** From now these addresses are silent here. */
  forget(addresses: readonly Ip[]): void {
    this.#sets.apply(
      (["owned", "draining"] as const).flatMap((name) =>
        groups(name, addresses).flatMap(([set, elements]) => removal(set, elements)),
      ),
    );
    const away = addresses.map((address) => ({ address, previous: address }));
    this.#sets.replace(handoverElements(away).map(([set, elements]) => ({ kind: "delete", set, elements })));
  }

  /** For `span`, TCP flows that began at the previous owner are passed back to it.  Call before the address is announced. */
  handover(moves: readonly Handover[], span: Ms): void {
    if (span > LONGEST_HANDOVER) throw new TypeError(`a handover of ${span} ms`);
    this.#sets.replace(handoverElements(moves, span).map(([set, elements]) => ({ kind: "add", set, elements })));
  }

  /** What the kernel holds now: leases, addresses draining, handovers. */
  observe(): readonly Living[] {
    return [...this.#living("ip", "4"), ...this.#living("ip6", "6")];
  }

  /** Takes the whole fence away: every address that is configured answers again. */
  remove(): void {
    this.#nft.transaction(removalScript());
  }

  [Symbol.dispose](): void {
    this.#nft[Symbol.dispose]();
    this.#sets[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #have(): Have {
    const tables = this.#sets.tables().filter((table) => table.name === VIP_TABLE);
    const families = new Set<string>(tables.map((table) => table.family));
    const places = [...guardSets([]).keys()].filter((place) => families.has(place.split(" ")[0] ?? ""));
    return {
      tables,
      chains: this.#sets.chains(),
      rules: this.#sets.rules(),
      guarded: new Map(
        places.map((place) => {
          const [family = "", name = ""] = place.split(" ");
          return [place, this.#sets.elements(setRef(family as Family, name)).map((each) => hex(each.key))];
        }),
      ),
      living: this.observe(),
    };
  }

  #living(family: "ip" | "ip6", digit: "4" | "6"): readonly Living[] {
    return (["owned", "draining", "handover"] as const).flatMap((set) =>
      this.#sets.elements(setRef(family, `${set}${digit}`)).map((each) => ({
        set,
        address: ipOfOctets(each.key),
        timeout: each.timeout ?? ms(0),
        left: each.expires ?? ms(0),
        ...(each.data === undefined ? {} : { to: ipOfOctets(each.data) }),
      })),
    );
  }
}

/** The elements that addresses become, by the set that they go into. */
function groups(set: Living["set"], addresses: readonly Ip[], timeout?: Ms): readonly Group[] {
  const bySet = new Map<string, [SetRef, Element[]]>();
  for (const address of addresses) {
    for (const ref of setsOf(set, address)) {
      const group = bySet.get(`${ref.family} ${ref.name}`) ?? [ref, []];
      group[1].push({ key: octetsOfIp(address), ...(timeout === undefined ? {} : { timeout }) });
      bySet.set(`${ref.family} ${ref.name}`, group);
    }
  }
  return [...bySet.values()];
}

function handoverElements(moves: readonly Handover[], timeout?: Ms): readonly Group[] {
  return moves.flatMap(({ address, previous }): readonly Group[] => {
    if (isIpv4(address) !== isIpv4(previous)) throw new TypeError("a handover between address families");
    const element = { key: octetsOfIp(address), ...(timeout === undefined ? {} : { timeout }) };
    const [family, digit] = isIpv4(address) ? (["ip", "4"] as const) : (["ip6", "6"] as const);
    return [
      [setRef(family, `handover${digit}`), [{ ...element, data: octetsOfIp(previous) }]],
      [setRef(family, `moving${digit}`), [{ ...element, goto: "moving" }]],
    ];
  });
}

type Group = readonly [SetRef, readonly Element[]];
