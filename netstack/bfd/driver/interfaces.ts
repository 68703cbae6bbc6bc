/** Names, indexes and networks of this host's interfaces, as the kernel tells them. */
import { masked, type Prefix } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import type { Loop } from "../../kernel/loop.ts";
import { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import { type Change, watch } from "../../kernel/netlink/watch.ts";

export interface InterfaceEvents {
  /** Its name is another interface's now, or nobody's. */
  renumbered(ifname: string): void;
  /** Addresses changed somewhere. */
  readdressed(): void;
}

export class Interfaces implements Disposable {
  readonly #route = new RouteSocket();
  readonly #names = new Map<number, string>();
  readonly #indexes = new Map<string, number>();
  readonly #watch: Disposable;
  readonly #on: InterfaceEvents;

  constructor(loop: Loop, on: InterfaceEvents) {
    this.#on = on;
    // Before anything is listed, so that no change falls between.
    this.#watch = watch(loop, ["links", "addresses"], { changed: (change) => this.#changed(change) });
    for (const { index, name } of this.#route.links()) this.#set(index, name);
  }

  nameOf(index: number): string | undefined {
    return this.#names.get(index);
  }
  indexOf(name: string): number | undefined {
    return this.#indexes.get(name);
  }
  /** The networks that are on the link itself. */
  networks(ifname: string): readonly Prefix[] {
    const index = this.#indexes.get(ifname);
    if (index === undefined) return [];
    return this.#route
      .addresses(index)
      .map(({ ip, prefixLength }) => ({ ip: masked(ip, prefixLength), length: prefixLength }));
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #changed(change: Change): void {
    switch (change.kind) {
      case "link": {
        const { index, name } = change.link;
        const former = this.#names.get(index);
        if (former !== undefined && (change.gone || former !== name)) this.#unset(index, former);
        if (!change.gone && this.#names.get(index) === undefined) {
          this.#set(index, name);
          this.#on.renumbered(name);
        }
        return;
      }
      case "address":
        return this.#on.readdressed();
      case "resync":
        return this.#resync();
      case "route":
      case "rule":
      case "neighbour":
        return; // not watched
      default:
        unreachable(change);
    }
  }

  #resync(): void {
    const before = new Map(this.#names);
    this.#names.clear();
    this.#indexes.clear();
    for (const { index, name } of this.#route.links()) this.#set(index, name);
    for (const [index, name] of before) if (this.#names.get(index) !== name) this.#on.renumbered(name);
    for (const [index, name] of this.#names) if (!before.has(index)) this.#on.renumbered(name);
    this.#on.readdressed();
  }

  #set(index: number, name: string): void {
    this.#names.set(index, name);
    this.#indexes.set(name, index);
  }

  #unset(index: number, name: string): void {
    this.#names.delete(index);
    if (this.#indexes.get(name) === index) this.#indexes.delete(name);
    this.#on.renumbered(name);
  }
}
