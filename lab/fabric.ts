/** Faults on cables and switches: cut ends, silent ends, drops between ports.  Each takes effect before the call returns. */
import { inside } from "../netstack/kernel/namespace.ts";
import { RouteSocket } from "../netstack/kernel/netlink/route-socket.ts";
import { Nftables } from "../netstack/kernel/nftables.ts";
import { type FabricFilter, fabricRules } from "./commands.ts";
import { fabricPort, type Port } from "./description.ts";

/** "carrier": the port goes down, as when the plug is pulled; "silent": the light stays on, nothing passes. */
export type Cut = "carrier" | "silent";

export interface Drop {
  readonly from: Port;
  readonly to: Port;
  /** nft expression of the bridge family, for instance "udp dport 9477" or "ether type arp"; all frames by default. */
  readonly match?: string;
}

export interface Faults {
  /** Interrupts the cable from `port`. */
  cut(port: Port, how?: Cut): void;
  restore(port: Port): void;
  /** Drops what goes from one port of a switch to another and matches, until disposed. */
  drop(drop: Drop): Disposable;
  /** Only ports of the same group of a switch reach each other, until disposed. */
  partition(groups: readonly (readonly Port[])[]): Disposable;
}

/** `ends`: every port, and whether a bridge carries it (the end of an impaired link is the relay's). */
export function faultsIn(
  namespace: string,
  ends: ReadonlyMap<Port, boolean>,
): { readonly faults: Faults; close: () => void } {
  const silent = new Set<string>();
  const drops = new Set<FabricFilter["drops"][number]>();
  const down = new Set<string>();
  const { route, nft } = inside(namespace, () => ({ route: new RouteSocket(), nft: new Nftables() }));

  const known = (port: Port, bridged: boolean): string => {
    const isBridged = ends.get(port);
    if (isBridged === undefined) throw new TypeError(`lab: no port ${port}`);
    if (bridged && !isBridged) throw new TypeError(`lab: ${port} is on an impaired link; use its blackhole`);
    return fabricPort(port);
  };
  const write = (): void => {
    const rules = fabricRules({ silent: [...silent], drops: [...drops] });
    inside(namespace, () => nft.transaction(rules));
  };
  const dropping = (added: readonly Drop[]): Disposable => {
    const rules = added.map((each) => ({
      from: known(each.from, true),
      to: known(each.to, true),
      match: each.match ?? "",
    }));
    for (const rule of rules) drops.add(rule);
    write();
    return {
      [Symbol.dispose]() {
        if (rules.filter((rule) => drops.delete(rule)).length > 0) write();
      },
    };
  };

  const faults: Faults = {
    cut(port, how = "carrier") {
      const name = known(port, how === "silent");
      if (how === "carrier") {
        route.changeLink(name, { up: false });
        down.add(name);
      } else {
        silent.add(name);
        write();
      }
    },
    restore(port) {
      const name = known(port, false);
      if (silent.delete(name)) write();
      if (down.delete(name)) route.changeLink(name, { up: true });
    },
    drop: (drop) => dropping([drop]),
    partition(groups) {
      const rules = groups.flatMap((group) =>
        group.flatMap((from) =>
          groups.filter((other) => other !== group).flatMap((other) => other.map((to) => ({ from, to }))),
        ),
      );
      return dropping(rules);
    },
  };
  return {
    faults,
    close() {
      route[Symbol.dispose]();
      nft[Symbol.dispose]();
    },
  };
}
