/** What control asks about this machine: its interfaces with their networks and default gateways. */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { masked } from "../base/address.ts";
import { ADDRESS_PROTOCOLS } from "../netstack/kernel/marks.ts";
import { DirtyFlag } from "../netstack/kernel/netlink/dirty.ts";
import { RouteSocket } from "../netstack/kernel/netlink/route-socket.ts";
import type { Host } from "./control.ts";

/** The network namespace that the calling thread is in. */
export function thisHost(): Host {
  const dirty = new DirtyFlag();
  let first = true;
  return {
    changed: () => {
      const changed = dirty.take() || first;
      first = false;
      return changed;
    },
    hostname: hostname(),
    ipv6: () => existsSync("/proc/net/if_inet6"),
    interfaces: () => {
      using route = new RouteSocket();
      const addresses = route.addresses();
      const hops = route
        .routes({ table: MAIN_TABLE })
        .filter(({ destination, type }) => destination.length === 0 && type === "unicast")
        .flatMap((each) => each.hops);
      return route
        .links()
        .filter(({ loopback }) => !loopback)
        .map(({ name, index }) => ({
          name,
          addresses: addresses
            .filter((each) => each.index === index && !ADDRESS_PROTOCOLS.includes(each.protocol))
            .map(({ ip }) => ip),
          networks: addresses
            .filter((each) => each.index === index)
            .map(({ ip, prefixLength }) => ({ ip: masked(ip, prefixLength), length: prefixLength })),
          gateways: [
            ...new Set(hops.flatMap(({ oif, gateway }) => (oif === index && gateway !== undefined ? [gateway] : []))),
          ],
        }));
    },
  };
}

const MAIN_TABLE = 254;
