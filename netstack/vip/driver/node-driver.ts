/**
 * All segments of this host: takes control's plan, follows the interfaces, owns what is in the kernel.  The pulse process
 * is this on a loop (daemon/pulse/main.ts).
 */
import { formatIp, type Ip, ipOf } from "../../../base/address.ts";
import type { Log } from "../../../base/log.ts";
import { unreachable } from "../../../base/result.ts";
import type { Tracer } from "../../../base/trace.ts";
import { type Ms, ms } from "../../../base/unit.ts";
import type { Guard } from "../../kernel/fence.ts";
import type { Loop } from "../../kernel/loop.ts";
import type { Link } from "../../kernel/netlink/link.ts";
import { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import { type Change, watch } from "../../kernel/netlink/watch.ts";
import { watchRuleset } from "../../kernel/netlink/watch-ruleset.ts";
import type { Sign } from "../auth.ts";
import type { VipNews, VipPlan } from "../plan.ts";
import { Holdings } from "./holdings.ts";
import { configOf } from "./plan-reader.ts";
import { type LinkView, ownAddresses, SegmentDriver } from "./segment-driver.ts";
import { signing } from "./signing.ts";

export interface NodeParts {
  readonly loop: Loop;
  readonly log: Log;
  /** Larger at each start of this process on this host. */
  readonly incarnation: number;
  readonly tell: (message: VipNews) => void;
  /** Of ARP and neighbour discovery. */
  readonly tracer: Tracer;
}

export class NodeDriver implements Disposable {
  readonly #parts: NodeParts;
  readonly #holdings: Holdings;
  readonly #route = new RouteSocket();
  readonly #segments = new Map<string, SegmentDriver>();
  readonly #indexes = new Map<string, number>();
  readonly #watch: Disposable;
  readonly #ruleset: Disposable;
  #isControlSilent = false;
  #restoring: Disposable | undefined;
  /** Segments that have not finished giving up; undefined while nobody asked. */
  #withdrawing: Set<string> | undefined;
  #plan: VipPlan | undefined;
  /** The guards that were installed last, as text. */
  #guarded = "";
  #guards: readonly Guard[] = [];
  /** Guarded although the plan has them no more. */
  #former: ReadonlySet<Ip> = new Set();
  #virtual: ReadonlySet<Ip> = new Set();
  #sign: Sign = () => new Uint8Array(32);

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#holdings = new Holdings({
      repaired: () => this.#repaired(),
      foreign: (ip) => this.#warn("vip.address-foreign", { address: formatIp(ip) }),
    });
    const swept = this.#holdings.sweep();
    if (swept > 0) parts.tell({ kind: "event", name: "vip.swept", fields: { addresses: swept } });
    // Before anything is listed, so that no change falls between.
    this.#watch = watch(parts.loop, ["links", "addresses"], { changed: (change) => this.#changed(change) });
    this.#ruleset = watchRuleset(parts.loop, { changed: () => this.#guard("rules") });
  }

  plan(plan: VipPlan): void {
    this.#plan = plan;
    // A node without virtual IPs may have no key; what it still has to say about former ones goes under the former key.
    if (plan.segments.length > 0) {
      const key = Buffer.from(plan.key, "hex");
      if (key.length !== 32) throw new TypeError(`a key of ${key.length} octets`);
      this.#sign = signing(key);
    }
    for (const [ifname, segment] of this.#segments) {
      if (plan.segments.some((each) => each.ifname === ifname)) continue;
      segment.feed({ kind: "withdraw", handover: ms(0) });
      segment[Symbol.dispose]();
      this.#segments.delete(ifname);
    }
    // Released first, then unguarded: an address without a guard answers for whoever has it.
    const fresh: string[] = [];
    for (const each of plan.segments) {
      const config = configOf(plan, each, this.#parts.incarnation);
      const transport = { port: each.port, peers: each.peers.map(ipOf) };
      const running = this.#segments.get(each.ifname);
      if (running !== undefined) running.configure(config, transport);
      else {
        fresh.push(each.ifname);
        this.#segments.set(each.ifname, this.#open(each.ifname, config, transport));
      }
    }
    for (const ifname of fresh) {
      const link = this.#route.link(ifname); // before the fence, so that one that takes its place later is seen as new
      if (link !== undefined) this.#indexes.set(ifname, link.index);
    }
    this.#guard("plan");
    for (const ifname of fresh) this.#look(ifname);
  }

  /** Whether control has stopped to speak; called now and then while it has, and when it speaks again. */
  control(silent: boolean): void {
    if (silent !== this.#isControlSilent) this.#warn(silent ? "vip.control-silent" : "vip.control-back", {});
    this.#isControlSilent = silent;
    for (const segment of this.#segments.values()) segment.control(silent);
  }

  /** `withdrawn` is told when nothing here answers any more and successors had their time. */
  withdraw(handover: Ms): void {
    this.#withdrawing ??= new Set(this.#segments.keys());
    for (const segment of this.#segments.values()) segment.feed({ kind: "withdraw", handover });
    this.#finish();
  }

  /** Nothing of ours is left in the kernel. */
  [Symbol.dispose](): void {
    this.#ruleset[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    this.#restoring?.[Symbol.dispose]();
    for (const segment of this.#segments.values()) segment[Symbol.dispose]();
    this.#segments.clear();
    this.#holdings.clear();
    this.#holdings[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #open(
    ifname: string,
    config: ReturnType<typeof configOf>,
    transport: { port: number; peers: readonly Ip[] },
  ): SegmentDriver {
    const { loop, tell, tracer } = this.#parts;
    return new SegmentDriver(
      {
        loop,
        tell,
        tracer,
        holdings: this.#holdings,
        sign: (bytes) => this.#sign(bytes),
        withdrawn: () => {
          this.#withdrawing?.delete(ifname);
          this.#finish();
        },
      },
      config,
      transport,
    );
  }

  #finish(): void {
    if (this.#withdrawing === undefined || this.#withdrawing.size > 0) return;
    this.#withdrawing = undefined;
    this.#parts.tell({ kind: "withdrawn" });
  }

  #guard(why: "plan" | "link" | "rules"): void {
    if (why === "rules" && this.#guarded === "") return; // nothing of ours can be damaged yet
    const planned = (this.#plan?.segments ?? []).flatMap(({ ifname, vips }) =>
      vips.flatMap(({ address4, address6 }) =>
        [address4, address6]
          .filter((each) => each !== undefined)
          .map((each) => ({ ifname, address: ipOf(each.split("/")[0] ?? "") })),
      ),
    );
    // What left the plan and is still served (draining) would answer for its successor, if it were not guarded.
    const wanted = new Set(planned.map(({ address }) => address));
    const former = this.#guards.filter(({ address }) => !wanted.has(address) && this.#holdings.holds(address));
    this.#former = new Set(former.map(({ address }) => address));
    const guards = [...planned, ...former];
    const key = guards.map(({ ifname, address }) => `${ifname} ${address}`).join(",");
    // A plan with another health verdict is no reason to look at every rule in the kernel.
    if (why === "plan" && key === this.#guarded) return;
    this.#guarded = key;
    this.#guards = guards;
    this.#virtual = new Set(guards.map(({ address }) => address));
    const { changed, missing } = this.#holdings.guard(guards);
    if (changed && why === "rules") this.#repaired();
    if (changed) this.#parts.log.debug("vip.fence-installed", { guards: guards.length, missing });
  }

  #changed(change: Change): void {
    switch (change.kind) {
      case "link":
        this.#renamed(change.link);
        if (!this.#segments.has(change.link.name)) return;
        if (!change.gone && this.#isNew(change.link)) this.#guard("link"); // a new interface by an old name has no fence yet
        return this.#look(change.link.name);
      case "address": {
        const { ip, index } = change.address;
        // Own ones come by the hundred when virtual IPs move, and change nothing about how the interface looks.
        if (this.#virtual.has(ip)) {
          if (change.gone && this.#holdings.holds(ip)) this.#restoreSoon();
          else if (change.gone && this.#former.has(ip)) this.#guard("plan");
          return;
        }
        if (!change.gone) this.#restoreSoon(); // perhaps what was refused is possible now
        const link = this.#route.link(index);
        if (link !== undefined && this.#segments.has(link.name)) this.#look(link.name);
        return;
      }
      case "resync":
        this.#indexes.clear();
        this.#guard("link");
        for (const ifname of this.#segments.keys()) this.#look(ifname);
        return this.#restoreSoon();
      case "route":
      case "rule":
      case "neighbour":
        return; // not watched
      default:
        unreachable(change);
    }
  }

  #repaired(): void {
    this.#warn("vip.fence-repaired", {});
  }

  #warn(name: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.tell({ kind: "event", name, fields: { ...fields, level: "warn" } });
  }

  /** Once for all addresses that went together. */
  #restoreSoon(): void {
    const { loop } = this.#parts;
    this.#restoring ??= loop.wakeAt(loop.now(), () => {
      this.#restoring = undefined;
      const { restored, refused } = this.#holdings.restore();
      for (const ip of restored) this.#warn("vip.address-restored", { address: formatIp(ip) });
      if (refused.length === 0) return;
      for (const segment of this.#segments.values()) segment.refused(refused);
    });
  }

  /** An interface that bears another name now is gone for the segment of its former one. */
  #renamed({ name, index }: Link): void {
    for (const [former, known] of this.#indexes) {
      if (known !== index || former === name) continue;
      this.#indexes.delete(former);
      this.#look(former);
    }
  }

  /** A link is told of at every change of its state; only another index is another interface. */
  #isNew({ name, index }: Link): boolean {
    const known = this.#indexes.get(name) === index;
    this.#indexes.set(name, index);
    return !known;
  }

  #look(ifname: string): void {
    this.#segments.get(ifname)?.link(this.#viewOf(ifname));
  }

  #viewOf(ifname: string): LinkView | undefined {
    const link = this.#route.link(ifname);
    if (link?.mac === undefined) return undefined;
    const addresses = this.#route.addresses(link.index).filter((each) => !each.tentative && !each.secondary);
    const own = addresses.map(({ ip }) => ip);
    return {
      ifindex: link.index,
      up: link.up && link.carrier,
      mac: link.mac,
      addresses: ownAddresses(own, (ip) => this.#virtual.has(ip)),
    };
  }
}
