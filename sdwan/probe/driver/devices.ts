/** Devices of this host by name, as the kernel tells them: there or not, up, with or without a carrier. */
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { Link } from "../../../netstack/kernel/netlink/link.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import type { Counters } from "../../../netstack/kernel/netlink/statistics.ts";
import { watch } from "../../../netstack/kernel/netlink/watch.ts";
import type { Device } from "../path-life.ts";

export interface KernelDevice extends Device {
  readonly index: number;
}

export class Devices implements Disposable {
  readonly #route = new RouteSocket();
  readonly #byIndex = new Map<number, Link>();
  readonly #byName = new Map<string, KernelDevice>();
  readonly #watch: Disposable;
  readonly #changed: (ifname: string) => void;

  /** `changed` is called when what `of` says of a name is not what it was. */
  constructor(loop: Loop, changed: (ifname: string) => void) {
    this.#changed = changed;
    // Before anything is listed, so that no change falls between.
    this.#watch = watch(loop, ["links"], {
      changed: (change) => {
        if (change.kind === "link") this.#put(change.link, change.gone);
        if (change.kind === "resync") this.#list();
      },
    });
    this.#list();
  }

  of(ifname: string): KernelDevice | undefined {
    return this.#byName.get(ifname);
  }

  /** What it has carried; undefined: it is gone. */
  counters(index: number): Counters | undefined {
    return this.#route.counters(index);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #list(): void {
    const gone = new Map(this.#byIndex);
    for (const link of this.#route.links()) {
      gone.delete(link.index);
      this.#put(link, false);
    }
    for (const link of gone.values()) this.#put(link, true);
  }

  #put(link: Link, gone: boolean): void {
    const former = this.#byIndex.get(link.index)?.name;
    if (gone) this.#byIndex.delete(link.index);
    else this.#byIndex.set(link.index, link);
    if (former !== undefined && (gone || former !== link.name)) this.#set(former, undefined, link.index);
    const { index, up, carrier } = link;
    if (!gone) this.#set(link.name, { index, up, carrier }, index);
  }

  #set(ifname: string, device: KernelDevice | undefined, index: number): void {
    const before = this.#byName.get(ifname);
    // The name may be another device's by now.
    if (device === undefined && before?.index !== index) return;
    if (device === undefined) this.#byName.delete(ifname);
    else this.#byName.set(ifname, device);
    const same = before?.index === device?.index && before?.up === device?.up && before?.carrier === device?.carrier;
    if (!same) this.#changed(ifname);
  }
}
