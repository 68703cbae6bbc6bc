/** Faults on cables and switches: cut ends, silent ends, drops between ports. */
import { type FabricFilter, fabricRules } from "./commands.ts";
import { fabricPort, type Port } from "./description.ts";
import type { Host } from "./host.ts";

/** "carrier": the port goes down, as when the plug is pulled; "silent": the light stays on, nothing passes. */
export type Cut = "carrier" | "silent";

export interface Drop {
  readonly from: Port;
  readonly to: Port;
  /** nft expression of the bridge family, for instance "udp dport 1985" or "ether type arp"; all frames by default. */
  readonly match?: string;
}

export interface Fabric {
  cut(port: Port, how?: Cut): Promise<void>;
  restore(port: Port): Promise<void>;
  drop(drop: Drop): Promise<AsyncDisposable>;
  partition(groups: readonly (readonly Port[])[]): Promise<AsyncDisposable>;
}

/** `ends`: every port and the bridged link it belongs to; "" marks the end of an impaired link, which no bridge sees. */
export function fabricOf(fabric: Host, ends: ReadonlyMap<Port, string>): Fabric {
  const silent = new Set<string>();
  const drops = new Set<FabricFilter["drops"][number]>();
  const down = new Set<string>();
  const known = (port: Port, bridged: boolean): string => {
    const link = ends.get(port);
    if (link === undefined) throw new TypeError(`lab: no port ${port}`);
    if (bridged && link === "") throw new TypeError(`lab: ${port} is on an impaired link; use its blackhole`);
    return fabricPort(port);
  };
  // Changes come one after another, so that the last one asked for is the one in force.
  let last: Promise<unknown> = Promise.resolve();
  const inOrder = (change: () => Promise<unknown>): Promise<void> => {
    const next = last.then(change).then(() => undefined);
    last = next.catch(() => undefined);
    return next;
  };
  const write = (): Promise<void> =>
    inOrder(() => fabric.exec("nft", ["-f", "-"], { input: fabricRules({ silent: [...silent], drops: [...drops] }) }));
  const set = (name: string, state: "up" | "down"): Promise<void> =>
    inOrder(() => fabric.exec("ip", ["link", "set", name, state]));
  const dropping = async (added: readonly Drop[]): Promise<AsyncDisposable> => {
    const rules = added.map((each) => ({
      from: known(each.from, true),
      to: known(each.to, true),
      match: each.match ?? "",
    }));
    for (const rule of rules) drops.add(rule);
    await write();
    return {
      async [Symbol.asyncDispose]() {
        if (rules.filter((rule) => drops.delete(rule)).length > 0) await write();
      },
    };
  };

  return {
    async cut(port, how = "carrier") {
      const name = known(port, how === "silent");
      if (how === "carrier") {
        down.add(name);
        return await set(name, "down");
      }
      silent.add(name);
      await write();
    },
    async restore(port) {
      const name = known(port, false);
      if (silent.delete(name)) await write();
      if (down.delete(name)) await set(name, "up");
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
}
