/**
 * Two hosts that announce one virtual IP to a router, which spreads flows over both; a client behind the router; backends
 * on a segment of their own.  The router's cable ends at a switch, so a host that disappears leaves its carrier up.
 */
import { type Description, describe } from "../description.ts";

export const ANYCAST4 = "192.0.2.100";
export const ANYCAST6 = "2001:db8::100";
export const ROUTER4 = "10.0.0.254";
export const ROUTER6 = "fd00::fe";
export const HOSTS = ["a", "b"] as const;
export type AnycastHost = (typeof HOSTS)[number];
export const BACKENDS = ["b1", "b2"] as const;

/** The host's address towards the router. */
export function front(host: AnycastHost): { readonly v4: string; readonly v6: string } {
  const n = host === "a" ? 1 : 2;
  return { v4: `10.0.0.${n}`, v6: `fd00::${n}` };
}

export function anycast(): Description {
  return describe({
    hosts: {
      client: {
        interfaces: { eth0: ["10.9.0.1/24", "fd09::1/64"] },
        routes: [
          { to: "default", via: "10.9.0.254" },
          { to: "default", via: "fd09::fe" },
        ],
      },
      r: {
        forwards: true,
        interfaces: { eth0: [`${ROUTER4}/24`, `${ROUTER6}/64`], eth1: ["10.9.0.254/24", "fd09::fe/64"] },
        // Flows, not hosts, are what is spread.
        sysctl: { "net.ipv4.fib_multipath_hash_policy": "1", "net.ipv6.fib_multipath_hash_policy": "1" },
      },
      a: edge("a"),
      b: edge("b"),
      b1: { interfaces: { eth0: ["10.78.0.11/24"] } },
      b2: { interfaces: { eth0: ["10.78.0.12/24"] } },
    },
    switches: ["front", "back"],
    links: [
      { from: "client:eth0", to: "r:eth1" },
      { from: "r:eth0", to: "front" },
      { from: "a:eth0", to: "front" },
      { from: "b:eth0", to: "front" },
      { from: "a:eth1", to: "back" },
      { from: "b:eth1", to: "back" },
      ...BACKENDS.map((name) => ({ from: `${name}:eth0`, to: "back" }) as const),
    ],
  });
}

function edge(host: AnycastHost) {
  const { v4, v6 } = front(host);
  return {
    interfaces: { eth0: [`${v4}/24`, `${v6}/64`], eth1: [`10.78.0.${host === "a" ? 1 : 2}/24`] },
    routes: [
      { to: "default", via: ROUTER4 },
      { to: "default", via: ROUTER6 },
    ],
  };
}
