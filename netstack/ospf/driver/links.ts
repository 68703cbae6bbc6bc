/** Interfaces of this host as an OSPF router sees them; netlink tells every change, nothing polls. */
import { unreachable } from "../../../base/result.ts";
import type { Loop } from "../../kernel/loop.ts";
import { ADDRESS_PROTOCOLS } from "../../kernel/marks.ts";
import type { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import { type Change, watch } from "../../kernel/netlink/watch.ts";
import type { Link } from "../event.ts";

export interface LinkWatcher {
  link(link: Link): void;
  gone(ifname: string): void;
  /** Something changed that may have cost routes: the kernel drops those of a link or an address that goes. */
  shaken(): void;
}

export class Links implements Disposable {
  readonly #route: RouteSocket;
  readonly #on: LinkWatcher;
  readonly #watch: Disposable;
  /** What was told last, as text. */
  readonly #told = new Map<string, string>();
  readonly #names = new Map<number, string>();

  /** `all` must follow: the watch is open before anything is listed, so that no change falls between. */
  constructor(loop: Loop, route: RouteSocket, on: LinkWatcher) {
    this.#route = route;
    this.#on = on;
    const changed = (change: Change): void => this.#changed(change);
    this.#watch = watch(loop, ["links", "addresses"], { changed });
  }

  /** Looks at everything. */
  all(): void {
    const there = this.#route.links();
    for (const ifname of this.#told.keys()) if (!there.some(({ name }) => name === ifname)) this.#gone(ifname);
    for (const { name, index } of there) {
      this.#names.set(index, name);
      this.#look(name);
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #changed(change: Change): void {
    this.#on.shaken();
    switch (change.kind) {
      case "link": {
        const { index, name } = change.link;
        const before = this.#names.get(index);
        if (before !== undefined && before !== name) this.#gone(before);
        this.#names.set(index, name);
        if (change.gone) {
          this.#names.delete(index);
          return this.#gone(name);
        }
        return this.#look(name);
      }
      case "address": {
        const name = this.#names.get(change.address.index);
        return name === undefined ? undefined : this.#look(name);
      }
      case "resync":
        return this.all();
      case "route":
      case "rule":
      case "neighbour":
        return; // not watched
      default:
        return unreachable(change);
    }
  }

  #look(ifname: string): void {
    const link = this.#route.link(ifname);
    if (link === undefined) return this.#gone(ifname);
    const addresses = this.#route
      .addresses(link.index)
      .filter((each) => !each.tentative && !each.dadFailed && !ADDRESS_PROTOCOLS.includes(each.protocol))
      .map(({ ip, prefixLength: length, peer }) => (peer === undefined ? { ip, length } : { ip, length, peer }));
    const { index: ifindex, loopback, mtu } = link;
    const seen: Link = { ifname, ifindex, up: link.up && link.carrier, loopback, mtu, addresses };
    const text = JSON.stringify(seen);
    if (this.#told.get(ifname) === text) return;
    this.#told.set(ifname, text);
    this.#on.link(seen);
  }

  #gone(ifname: string): void {
    if (this.#told.delete(ifname)) this.#on.gone(ifname);
  }
}
